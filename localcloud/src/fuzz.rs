//! The parsers of what comes from outside, each as a function of bytes, for `fuzz/` and for a
//! bounded run in the tests. Whatever the bytes are, none of them may panic or take long.

use crate::journal;
use crate::kubernetes::fuzz as kubernetes;
use crate::pubsub::fuzz as pubsub;
use crate::storage::fuzz as storage;

/// A parser by its name, and inputs that it accepts, for others to be made from.
pub struct Target {
    /// As in `fuzz/fuzz_targets/`.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
    /// Good input.
    pub seeds: &'static [&'static str],
}

/// Of two inputs in one, the first ends here.
pub(crate) const END: u8 = 0xff;

/// All parsers.
pub const TARGETS: &[Target] = &[
    Target {
        name: "journal_line",
        run: journal::fuzz,
        seeds: &[
            r#"{"table":"t","key":"a","value":{"a":[1]}}"#,
            r#"[{"table":"t","key":"a"},{"table":"t","key":"b","value":1}]"#,
        ],
    },
    Target {
        name: "pubsub_filter",
        run: pubsub::filter,
        seeds: &[
            r#"attributes:kind AND NOT (attributes.a = "b" OR hasPrefix(attributes.c, "d\"e"))"#,
            r#"-attributes."a b" != "c""#,
        ],
    },
    Target {
        name: "pubsub_name",
        run: pubsub::name,
        seeds: &["projects/fx-dev/topics/items", "projects/p/subscriptions/a%2Fb"],
    },
    Target {
        name: "storage_multipart",
        run: storage::multipart,
        seeds: &[
            "--b\r\nContent-Type: application/json\r\n\r\n{\"name\":\"a\"}\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
            "--b\n\n{}\n--b\n\nx\n--b--",
        ],
    },
    Target {
        name: "storage_range",
        run: storage::ranges,
        seeds: &["bytes 0-99/200", "bytes */*", "bytes 0-*/*", "bytes=0-4", "bytes=-7", "bytes=5-"],
    },
    Target {
        name: "storage_name", run: storage::names, seeds: &["data-bucket", "a/b c/é", "../a", "x//y/"]
    },
    Target {
        name: "kubernetes_json_patch",
        run: kubernetes::json_patch,
        seeds: &[
            r#"[{"op":"add","path":"/a/-","value":1},{"op":"copy","from":"/a","path":"/b"},{"op":"move","from":"/b","path":"/c~1d"},{"op":"test","path":"/x","value":null},{"op":"remove","path":"/a/0"},{"op":"replace","path":"","value":{}}]"#,
        ],
    },
    Target {
        name: "kubernetes_merge",
        run: kubernetes::merges,
        seeds: &[
            r#"{"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"}],"$patch":"delete"}],"$setElementOrder/containers":[{"name":"a"}],"$retainKeys":["containers"]},"metadata":{"finalizers":["a"],"$deleteFromPrimitiveList/finalizers":["b"]}}"#,
        ],
    },
    Target {
        name: "kubernetes_apply",
        run: kubernetes::apply,
        seeds: &[
            r#"{"apiVersion":"v1","metadata":{"name":"a","labels":{"x":"1"},"managedFields":[{"manager":"b","operation":"Apply","apiVersion":"v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{}}}}}}]},"spec":{"containers":[{"name":"a","image":"i","ports":[{"containerPort":1,"protocol":"TCP"}]}],"tolerations":[{"key":"k"}]}}"#,
        ],
    },
    Target {
        name: "kubernetes_protobuf",
        run: kubernetes::protobuf,
        seeds: &["k8s\0\n\r\n\u{2}v1\u{12}\u{7}Namespace\u{12}\u{b}\n\u{9}\n\u{7}default"],
    },
    Target {
        name: "kubernetes_yaml",
        run: kubernetes::yaml,
        seeds: &["a: &x [1, 2]\nb: *x\nc: {d: !!str 1}\n", "---\n- |\n  a\n- >-\n  b\n"],
    },
    Target {
        name: "kubernetes_path",
        run: kubernetes::path,
        seeds: &[
            "/api/v1/namespaces/default/pods/p/log",
            "/apis/batch/v1/jobs",
            "/openapi/v3/apis/batch/v1",
            "/version",
        ],
    },
    Target {
        name: "kubernetes_selector",
        run: kubernetes::selectors,
        seeds: &["a=1,b!=2,c in (d, e),f notin (g),!h,i", "metadata.name=x,status.phase!=Running"],
    },
    Target {
        name: "kubernetes_quantity",
        run: kubernetes::quantity,
        seeds: &["500m", "1.5Gi", "2e3", "-7E", "0.1n"],
    },
    Target {
        name: "cron_schedule",
        run: kubernetes::schedule,
        seeds: &["*/15 3-5 * jan,feb mon-fri", "0 12 29 2 *", "@hourly", "0 0 13 * 5"],
    },
];

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    use super::*;

    /// Inputs for each parser; `FUZZ_CASES` says how many instead.
    const CASES: u32 = 400;
    /// Far more than any of them needs, on a busy machine.
    const LONG: Duration = Duration::from_secs(5);

    /// One change to an input.
    #[derive(Clone, Debug)]
    enum Mutation {
        Set(Index, u8),
        Remove(Index, Index),
        Repeat(Index, Index, u8),
        Insert(Index, &'static [u8]),
        Splice(Index, Index),
    }

    /// What parsers stumble over.
    const TOKENS: &[&[u8]] = &[
        b"",
        b"\0",
        b"\xff",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[[[[",
        b"]",
        b"(",
        b"((((",
        b")",
        b"~",
        b"/",
        b"//",
        b"%",
        b"%2",
        b":",
        b",",
        b"-",
        b"--",
        b"\r\n",
        b"\r\n\r\n",
        b"$patch",
        b"18446744073709551616",
        b"-9223372036854775809",
        b"1e999",
        b"\xc3",
        "é".as_bytes(),
        "\u{202e}".as_bytes(),
        b"null",
        b"*",
        b"&a",
        b"*a",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ];

    fn mutation() -> impl Strategy<Value = Mutation> {
        let at = any::<Index>;
        prop_oneof![
            (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
            (at(), at()).prop_map(|(from, to)| Mutation::Remove(from, to)),
            (at(), at(), 0..64_u8).prop_map(|(from, to, times)| Mutation::Repeat(from, to, times)),
            (at(), prop::sample::select(TOKENS)).prop_map(|(at, token)| Mutation::Insert(at, token)),
            (at(), at()).prop_map(|(at, of)| Mutation::Splice(at, of)),
        ]
    }

    /// No longer than what a few repetitions make of a seed.
    const LONGEST: usize = 1 << 16;

    fn mutate(input: &mut Vec<u8>, seeds: &[&str], mutation: &Mutation) {
        let length = input.len() + 1;
        let range = |a: &Index, b: &Index| {
            let (a, b) = (a.index(length), b.index(length));
            a.min(b)..a.max(b)
        };
        match mutation {
            Mutation::Set(at, byte) => {
                if let Some(old) = input.get_mut(at.index(length)) {
                    *old = *byte;
                }
            }
            Mutation::Remove(from, to) => drop(input.drain(range(from, to))),
            Mutation::Repeat(from, to, times) => {
                let range = range(from, to);
                let part = input[range.clone()].repeat(usize::from(*times));
                input.splice(range.end..range.end, part);
            }
            Mutation::Insert(at, token) => {
                let at = at.index(length);
                input.splice(at..at, token.iter().copied());
            }
            Mutation::Splice(at, of) => {
                input.truncate(at.index(length));
                let other = seeds[of.index(seeds.len())].as_bytes();
                input.extend_from_slice(&other[of.index(other.len() + 1)..]);
            }
        }
        input.truncate(LONGEST);
    }

    fn input(target: &'static Target) -> impl Strategy<Value = Vec<u8>> {
        let seeded = (any::<(Index, Index)>(), vec(mutation(), 0..6), vec(mutation(), 0..6));
        let seeded = seeded.prop_map(|((first, second), changes, more)| {
            let seed = |which: Index| target.seeds[which.index(target.seeds.len())].as_bytes().to_vec();
            let (mut input, mut other) = (seed(first), seed(second));
            for change in &changes {
                mutate(&mut input, target.seeds, change);
            }
            for change in &more {
                mutate(&mut other, target.seeds, change);
            }
            input.push(END);
            input.extend(other);
            input
        });
        prop_oneof![1 => vec(any::<u8>(), 0..300), 4 => seeded]
    }

    #[test]
    fn no_parser_panics_or_takes_long_whatever_it_gets() {
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
    fn every_parser_has_its_fuzz_target() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the targets")
            .map(|file| {
                file.expect("a file").path().file_stem().expect("a name").to_string_lossy().into_owned()
            })
            .collect();
        // Those are the provisioner's own.
        files.retain(|name| !name.starts_with("provision_"));
        files.sort();
        let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        names.sort_unstable();
        assert_eq!(files, names);
    }
}
