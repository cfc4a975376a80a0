//! The readers of what people and files say, each as a function of bytes, for `fuzz/` and for a bounded
//! run in the tests. Whatever the bytes are, none of them may panic or take long.

use std::path::Path;

use crate::import::Wanted;
use crate::report::stack_toml;
use crate::stack::{Project, Stack, parse_time};
use crate::{saved, wildcard};

/// A reader by its name, and inputs that it accepts, for others to be made from.
pub struct Target {
    /// As in `fuzz/fuzz_targets/`.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
    /// Good input.
    pub seeds: &'static [&'static str],
}

/// Of several texts in one input, each ends here.
const END: u8 = 0xff;

/// A folder with nothing in it: what a file names is looked for nowhere else.
const NOWHERE: &str = "/nonexistent/stack.toml";

const SMALL: &str = include_str!("fuzz/small.toml");

/// All readers.
pub const TARGETS: &[Target] = &[
    Target {
        name: "provision_stack",
        run: stack,
        seeds: &[include_str!("../../stack.toml"), include_str!("../../examples/command/stack.toml"), SMALL],
    },
    Target {
        name: "provision_set",
        run: set,
        seeds: &[
            "job.fx.max_workers=3",
            "'bucket.data.files.\"a.csv\"=\"in/a.csv\"'",
            "stack.labels={ team = \"x\", 'a.b' = '''y''' }",
            "cluster.main.pool.workers.max_nodes=+1_000",
            "subscription.work.retry.max=1m30s",
        ],
    },
    Target {
        name: "provision_words",
        run: words,
        seeds: &["1d2h3m4s", "90s", "topic/fx-*", "cluster/europe-west1-b/main", "a*b*c"],
    },
    Target { name: "provision_plan", run: saved::fuzz, seeds: &[include_str!("fuzz/plan.json")] },
];

/// A file, an overlay, and assignments. What is wrong is told, and what is right is shown as a stack
/// file that is the same stack again.
fn stack(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == END).map(String::from_utf8_lossy);
    let file = parts.next().unwrap_or_default();
    let overlay = parts.next().filter(|overlay| !overlay.is_empty());
    read(&file, overlay.as_deref(), &parts.map(String::from).collect::<Vec<_>>());
}

/// An assignment over a stack that is in order.
fn set(bytes: &[u8]) {
    read(SMALL, None, &[String::from_utf8_lossy(bytes).into_owned()]);
}

fn read(file: &str, overlay: Option<&str>, sets: &[String]) {
    let stack = match Stack::of_texts(Path::new(NOWHERE), file, overlay, sets) {
        Ok(stack) => stack,
        Err(invalid) => {
            let told = invalid.render(false);
            assert!(!told.trim().is_empty(), "an error that says nothing");
            return;
        }
    };
    let project = Project { id: "p".into(), number: 1, local: true };
    // What only disks and clouds can tell may still be wrong.
    let resources = stack.resources(&project);
    let shown = stack.effective().and_then(|effective| stack_toml(&effective, &[]));
    let Ok(shown) = shown else { panic!("a valid stack cannot be shown") };
    let again = match Stack::parse(Path::new(NOWHERE), &shown) {
        Ok(again) => again,
        Err(invalid) => panic!("what is shown is no stack:\n{invalid}\n{shown}"),
    };
    if let (Ok(one), Ok(other)) = (resources, again.resources(&project)) {
        let bare = |all: Vec<crate::resource::Desired>| {
            all.into_iter().map(|want| (want.address, want.id, want.fields)).collect::<Vec<_>>()
        };
        assert_eq!(bare(one), bare(other), "what is shown is another stack:\n{shown}");
    }
}

/// Times, patterns, and words of `import`.
fn words(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = parse_time(&text);
    if let Err(told) = Wanted::parse(&text) {
        assert!(!told.is_empty(), "an error that says nothing");
    }
    let (pattern, name) = text.split_once('\u{fffd}').unwrap_or((&text, &text));
    let _ = wildcard::fits(pattern, name);
    assert!(wildcard::fits("*", name), "`*` fits everything");
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    use super::*;

    /// Inputs for each reader; `FUZZ_CASES` says how many instead.
    const CASES: u32 = 200;
    /// Far more than any of them needs, on a busy machine.
    const LONG: Duration = Duration::from_secs(5);
    /// No longer than what a few repetitions make of a seed.
    const LONGEST: usize = 1 << 15;

    /// One change to an input.
    #[derive(Clone, Debug)]
    enum Mutation {
        /// A line goes.
        Drop(Index),
        /// A line of another input comes.
        Graft(Index, Index),
        /// What stands behind a `=` or `:` becomes something else.
        Value(Index, &'static str),
        Insert(Index, &'static str),
        Set(Index, u8),
        Repeat(Index, u8),
        Cut(Index),
    }

    /// What readers stumble over.
    const TOKENS: &[&str] = &[
        "",
        "\0",
        "\"",
        "'",
        "'''",
        "\"\"\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        "[[",
        "]]",
        "[[[[[[",
        "=",
        "==",
        ".",
        "..",
        ",",
        "#",
        "\n",
        "\r",
        "\r\n",
        "-",
        "*",
        "{item}",
        "{",
        "{{",
        "gs://",
        "gs://data/{item}",
        "null",
        "true",
        "inf",
        "nan",
        "0x",
        "1e999",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999d",
        "1d1d",
        "é",
        "\u{202e}",
        "\u{7f}",
        "\u{1b}[31m",
        "\u{fffd}",
        "1979-05-27T07:32:00Z",
        "[stack]",
        "[job.x.etl]",
        "remove = [\"stack.name\"]",
        "name = \"\"",
        "existing = true",
        "prefix = \"old\"",
        "topic = \"items\"",
        "attempts = 0",
        "\u{1F600}",
        "digest",
        "version",
        "\"live\": null",
        "topic.",
        ".",
    ];

    fn mutation() -> impl Strategy<Value = Mutation> {
        let at = any::<Index>;
        let token = || prop::sample::select(TOKENS);
        prop_oneof![
            at().prop_map(Mutation::Drop),
            (at(), at()).prop_map(|(at, of)| Mutation::Graft(at, of)),
            (at(), token()).prop_map(|(at, token)| Mutation::Value(at, token)),
            (at(), token()).prop_map(|(at, token)| Mutation::Insert(at, token)),
            (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
            (at(), 0..40_u8).prop_map(|(at, times)| Mutation::Repeat(at, times)),
            at().prop_map(Mutation::Cut),
        ]
    }

    fn mutate(input: &mut Vec<u8>, other: &[u8], mutation: &Mutation) {
        let mut lines: Vec<Vec<u8>> =
            input.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let line = |at: &Index| at.index(lines.len().max(1));
        match mutation {
            Mutation::Drop(at) if !lines.is_empty() => drop(lines.remove(line(at))),
            Mutation::Graft(at, of) => {
                let others: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
                let at = line(at);
                let of = others.get(of.index(others.len().max(1))).copied().unwrap_or_default();
                lines.insert(at.min(lines.len()), of.to_vec());
            }
            Mutation::Value(at, token) => {
                let at = line(at);
                if let Some(line) = lines.get_mut(at)
                    && let Some(sign) = line.iter().position(|byte| matches!(byte, b'=' | b':'))
                {
                    line.truncate(sign + 1);
                    line.extend_from_slice(token.as_bytes());
                    line.push(b'\n');
                }
            }
            Mutation::Repeat(at, times) if !lines.is_empty() => {
                let at = line(at);
                let line = lines[at].clone();
                lines.splice(at..at, std::iter::repeat_n(line, usize::from(*times)));
            }
            _ => {}
        }
        *input = lines.concat();
        match mutation {
            Mutation::Insert(at, token) => {
                let at = at.index(input.len() + 1);
                input.splice(at..at, token.bytes());
            }
            Mutation::Set(at, byte) if !input.is_empty() => {
                let at = at.index(input.len());
                input[at] = *byte;
            }
            Mutation::Cut(at) => input.truncate(at.index(input.len() + 1)),
            _ => {}
        }
        input.truncate(LONGEST);
    }

    fn input(target: &'static Target) -> impl Strategy<Value = Vec<u8>> {
        let seeded = (any::<(Index, Index)>(), vec(mutation(), 0..5), vec(mutation(), 0..3), 0..3_usize);
        let seeded = seeded.prop_map(|((first, second), changes, more, parts)| {
            let seed = |which: Index| target.seeds[which.index(target.seeds.len())].as_bytes().to_vec();
            let (mut input, mut other) = (seed(first), seed(second));
            let untouched = other.clone();
            for change in &changes {
                mutate(&mut input, &untouched, change);
            }
            for change in &more {
                mutate(&mut other, &untouched, change);
            }
            if parts > 0 {
                input.push(END);
                input.extend(if parts == 1 { &other[..] } else { b"" });
            }
            if parts > 1 {
                input.push(END);
                input.extend(other);
            }
            input
        });
        prop_oneof![1 => vec(any::<u8>(), 0..200), 6 => seeded]
    }

    #[test]
    fn no_reader_panics_or_takes_long_whatever_it_gets() {
        let cases = std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
        for target in TARGETS {
            for seed in target.seeds {
                (target.run)(seed.as_bytes());
            }
            // The same inputs at every run: what fails here fails for everybody.
            let config = Config { cases, failure_persistence: None, ..Config::default() };
            let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            let tried = TestRunner::new_with_rng(config, rng).run(&input(target), |input| {
                let begun = Instant::now();
                (target.run)(&input);
                prop_assert!(begun.elapsed() < LONG, "took {:?}", begun.elapsed());
                Ok(())
            });
            if let Err(error) = tried {
                panic!("{}: {error}", target.name);
            }
        }
    }

    #[test]
    fn the_stack_that_others_are_made_from_is_in_order() {
        let stack = Stack::parse(Path::new(NOWHERE), SMALL);
        assert!(stack.is_ok(), "{}", stack.err().map(|invalid| invalid.to_string()).unwrap_or_default());
    }

    #[test]
    fn the_corpus_of_invalid_stacks_is_laid_over_one_another() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stack/invalid");
        let files = std::fs::read_dir(folder).expect("the corpus").map(|file| file.expect("a file").path());
        let stacks = files.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
        let texts: Vec<String> = stacks.map(|path| std::fs::read_to_string(path).expect("a text")).collect();
        for (one, other) in texts.iter().zip(texts.iter().skip(1)) {
            read(one, Some(other), &[]);
            read(SMALL, Some(one), &[]);
        }
    }

    #[test]
    fn every_reader_has_its_fuzz_target() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
        for target in TARGETS {
            let text = std::fs::read_to_string(folder.join(format!("{}.rs", target.name))).expect("a target");
            assert!(text.contains(&format!("run(\"{}\", bytes)", target.name)), "{text}");
        }
    }
}
