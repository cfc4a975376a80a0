//! What real programs do, well and badly, and what becomes of their item.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clients::{Bucket, Target};
use contract::{CommandConfig, Item, RunId};
use serde_json::{Value, json};

use super::Command;
use crate::etl::Host;
use crate::handler::{Body, Handler as _, HandlerError, Product, Work};
use crate::output::OutputTail;
use crate::secrets::Secrets;

/// One attempt at the item `a/b c` by a shell script.
struct Case {
    config: CommandConfig,
    item: String,
    payload: Option<Value>,
    /// Where scripts may leave a trace.
    folder: tempfile::TempDir,
}

/// What ended of it.
struct Came {
    result: Result<Product, HandlerError>,
    printed: String,
    place: Option<PathBuf>,
}

impl Case {
    /// `$TRACE` is a folder that outlives the attempt.
    fn sh(script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!("echo \"$PROVISION_SCRATCH\" > \"$TRACE/place\"\n{script}");
        let mut config = CommandConfig::new(&["sh", "-c", &script]);
        config.load = Some("gs://data/out/{item}/".to_owned());
        config.env.insert("TRACE".to_owned(), folder.path().display().to_string());
        Self { config, item: "a/b c".to_owned(), payload: None, folder }
    }

    fn with(mut self, change: impl FnOnce(&mut CommandConfig)) -> Self {
        change(&mut self.config);
        self
    }

    fn item(self, item: &str) -> Self {
        Self { item: item.to_owned(), ..self }
    }

    fn trace(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run_on(&self, output: &OutputTail) -> Result<Product, HandlerError> {
        let command = Command::prepare(&self.config, &Host::of_worker(None, Secrets::default()));
        let command = command.unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let storage = Target::anonymous("http://127.0.0.1:9").storage().await.expect("clients");
        let work = Work {
            run: &RunId("fx-20260131-000000-01234567".to_owned()),
            item: &Item(self.item.clone()),
            payload: self.payload.as_ref(),
            attempt: 3,
            storage: &Bucket::new(storage, "none"),
            stage: &|_| {},
            output,
        };
        command.process(work).await
    }

    async fn run(&self) -> Came {
        let output = OutputTail::default();
        let result = self.run_on(&output).await;
        Came { result, printed: output.text(), place: self.place() }
    }

    /// The attempt's scratch folder.
    fn place(&self) -> Option<PathBuf> {
        std::fs::read_to_string(self.trace("place")).ok().map(|path| PathBuf::from(path.trim()))
    }

    /// Runs the script, which must make its item fail for good: the error.
    async fn fails_for_good(&self) -> String {
        let ended = self.run().await;
        ended.left_nothing();
        match ended.result {
            Err(HandlerError::Permanent(error)) => format!("{error:#}"),
            Err(HandlerError::Retry(error)) => panic!("not permanent: {error:#}"),
            Ok(product) => panic!("it went well: {:?}", product.outputs),
        }
    }

    /// As above, but to be tried again.
    async fn fails(&self) -> String {
        let ended = self.run().await;
        ended.left_nothing();
        match ended.result {
            Err(HandlerError::Retry(error)) => format!("{error:#}"),
            other => panic!("{other:?}"),
        }
    }
}

impl Came {
    /// The outputs by name, sorted.
    fn outputs(self) -> Vec<(String, String)> {
        self.left_nothing();
        let product = self.result.unwrap_or_else(|error| panic!("{error:?}\n{}", self.printed));
        let read = |body| {
            let Body::File(mut file) = body else { panic!("not a file") };
            let mut text = String::new();
            file.read_to_string(&mut text).expect("an output");
            text
        };
        product.outputs.into_iter().map(|made| (made.address.to_string(), read(made.body))).collect()
    }

    fn left_nothing(&self) {
        let place = self.place.as_deref().and_then(Path::parent).expect("a place");
        assert!(!place.exists(), "{} is left", place.display());
    }
}

/// Waits until a file is there.
async fn appears(path: &Path) -> String {
    let started = Instant::now();
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => assert!(started.elapsed() < Duration::from_mins(1), "no {}", path.display()),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a process runs no more; one that nobody has waited for yet is as good as gone.
async fn is_gone(pid: &str) {
    let started = Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        if stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['Z', 'X'])) {
            return;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "process {pid} is alive");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_program_is_told_its_item_and_its_files_become_outputs() {
    let mut case = Case::sh(
        r#"
        cd "$PROVISION_OUTPUT"; mkdir "2026 01"
        printf '%s|%s|%s' "$PROVISION_ITEM" "$PROVISION_RUN" "$PROVISION_ATTEMPT" > told
        cat > stdin.json; cp "$PROVISION_PAYLOAD" "2026 01/payload"; printf '%s' "$GREETING" > greeting
        test "$TMPDIR" = "$PROVISION_SCRATCH" && echo fine >&2
        "#,
    )
    .with(|config| drop(config.env.insert("GREETING".to_owned(), "hello".to_owned())));
    case.payload = Some(json!({ "days": 3 }));
    let ended = case.run().await;
    assert_eq!(ended.printed, "fine\n");
    let run = "fx-20260131-000000-01234567";
    let named = |name: &str, text: &str| (format!("gs://data/out/a/b%20c/{name}"), text.to_owned());
    let told = json!({ "item": "a/b c", "run": run, "attempt": 3, "payload": { "days": 3 } });
    let expected = [
        named("2026%2001/payload", r#"{"days":3}"#),
        named("greeting", "hello"),
        named("stdin.json", &format!("{told}\n")),
        named("told", &format!("a/b c|{run}|3")),
    ];
    assert_eq!(ended.outputs(), expected);
}

#[tokio::test]
async fn without_a_payload_there_is_null_and_without_files_no_output() {
    let case = Case::sh(r#"cat "$PROVISION_PAYLOAD"; echo; cat"#).with(|config| config.load = None);
    let ended = case.run().await;
    assert!(
        ended.printed.starts_with("null\n") && ended.printed.contains(r#""payload":null"#),
        "{}",
        ended.printed
    );
    assert_eq!(ended.outputs(), []);
}

#[tokio::test]
async fn the_exit_code_says_whether_to_try_again() {
    assert_eq!(
        Case::sh("echo no such id; exit 65").fails_for_good().await,
        "`sh` exited with 65, so this item can never be done: no such id"
    );
    assert_eq!(Case::sh("echo busy >&2; exit 3").fails().await, "`sh` exited with 3: busy");
    assert_eq!(Case::sh("kill -SEGV $$").fails().await, "`sh` was ended by signal 11 (SIGSEGV)");
}

#[tokio::test]
async fn items_are_never_read_as_code_or_as_options() {
    let hostile = "$(touch /tmp/x); `id` \n-rf \"'\\ 💥";
    let case = Case::sh(r#"printf '%s' "$PROVISION_ITEM" > "$PROVISION_OUTPUT/x""#).item(hostile);
    assert_eq!(case.run().await.outputs()[0].1, hostile);
    let wrong = Case::sh("exit 0").item("a\0b");
    assert!(matches!(wrong.run().await.result, Err(HandlerError::Permanent(_))));
    let long = Case::sh("exit 0").item(&"x".repeat(200_000));
    let Err(HandlerError::Permanent(error)) = long.run().await.result else { panic!("no error") };
    assert_eq!(format!("{error:#}"), "cannot start `sh`: the item is too long for an environment variable");
}

#[tokio::test]
async fn what_is_wrong_with_a_configuration_is_said_at_once() {
    let mut config = CommandConfig::new(&["no-such-program-anywhere", "{item}"]);
    config.load = Some("gs://data/out/{item}".to_owned());
    config.env.insert("PROVISION_ITEM".to_owned(), "x".to_owned());
    config.secrets = vec!["none-of-this-name".to_owned()];
    config.max_files = 0;
    let told = |config: &CommandConfig| -> String {
        let wrong =
            Command::prepare(config, &Host::of_worker(None, Secrets::default())).expect_err("diagnostics");
        wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n"
    };
    insta::assert_snapshot!(told(&config), @r#"
        load: `gs://data/out/{item}` is a prefix of names, and must end in `/`
        argv: items are not trusted with a place in the command line; read the variable PROVISION_ITEM
        env: `PROVISION_ITEM`: names that begin with PROVISION_ are the worker's to set
        max_files: it is from 1 to 10000
        secrets: there is no secret `none-of-this-name`: PROVISION_SECRET_NONE_OF_THIS_NAME is not set
        "#);
    let absent = told(&CommandConfig::new(&["no-such-program-anywhere"]));
    assert!(absent.starts_with("argv: there is no program `no-such-program-anywhere` in PATH ("), "{absent}");
    // Where a configuration is only checked, neither the program nor the secrets are at hand.
    let mut elsewhere = CommandConfig::new(&["no-such-program-anywhere"]);
    elsewhere.secrets = vec!["none-of-this-name".to_owned()];
    assert!(Command::prepare(&elsewhere, &Host::of_check()).is_ok());
}

#[tokio::test]
async fn a_program_that_is_cut_off_dies_with_all_that_it_started() {
    let case = Case::sh(
        r#"
        trap '' TERM INT HUP
        (trap '' TERM; sleep 1000 & echo $! > "$TRACE/grandchild"; wait) &
        setsid sh -c 'trap "" TERM; echo $$ > "$TRACE/stray"; sleep 1000 & wait' &
        echo $$ > "$TRACE/leader"
        wait
        "#,
    );
    let output = OutputTail::default();
    let pids = {
        let mut attempt = std::pin::pin!(case.run_on(&output));
        let started = async {
            let [leader, grandchild, stray] = ["leader", "grandchild", "stray"].map(|name| case.trace(name));
            [appears(&leader).await, appears(&grandchild).await, appears(&stray).await]
        };
        tokio::select! {
            ended = &mut attempt => panic!("{ended:?}"),
            pids = started => pids,
        }
        // As on a timeout, a lost lease or SIGTERM, the attempt is dropped here.
    };
    for pid in pids {
        is_gone(&pid).await;
    }
    let place = case.place().expect("a place");
    assert!(!place.exists(), "{}", place.display());
}

#[tokio::test]
async fn what_a_program_leaves_running_ends_with_it_and_its_output_counts() {
    let case = Case::sh(
        r#"
        sleep 1000 & echo $! > "$TRACE/child"
        setsid sh -c 'echo $$ > "$TRACE/stray"; sleep 1000' &
        while ! test -s "$TRACE/stray"; do sleep 0.01; done
        echo done > "$PROVISION_OUTPUT/x"
        "#,
    );
    let started = Instant::now();
    assert_eq!(case.run().await.outputs()[0].1, "done\n");
    assert!(started.elapsed() < Duration::from_secs(30), "it waited for a process that never ends");
    for name in ["child", "stray"] {
        is_gone(&appears(&case.trace(name)).await).await;
    }
}

#[tokio::test]
async fn of_a_program_that_prints_without_measure_the_end_is_kept() {
    let case =
        Case::sh("head -c 200M /dev/zero; head -c 8M /dev/zero | tr '\\0' '\\n'; echo the end; exit 1");
    let ended = case.run().await;
    assert!(ended.printed.len() <= OutputTail::KEPT);
    assert!(ended.printed.contains("the end\n\n[the end of 218103816 bytes]"), "{}", ended.printed.len());
}

#[tokio::test]
async fn a_program_that_fills_the_disk_is_ended() {
    let endless = |folder: &str| Case::sh(&format!("yes > \"${folder}/big\""));
    let output = endless("PROVISION_OUTPUT").with(|config| config.max_output = 1 << 20);
    assert_eq!(
        output.fails_for_good().await,
        "the command was ended: more than 1MiB in PROVISION_OUTPUT (`max_output`)"
    );
    let scratch = endless("TMPDIR").with(|config| config.max_scratch = 1 << 20);
    assert_eq!(
        scratch.fails_for_good().await,
        "the command was ended: more than 1MiB in PROVISION_SCRATCH (`max_scratch`)"
    );
}

#[tokio::test]
async fn what_is_no_plain_file_of_the_folder_is_never_stored() {
    let wrong = async |script: &str| {
        let script = format!("cd \"$PROVISION_OUTPUT\" && {script}");
        Case::sh(&script).with(|config| config.max_files = 3).fails_for_good().await
    };
    let only = "only plain files are stored";
    assert_eq!(wrong("ln -s /etc/passwd x").await, format!("output `x` is a symbolic link; {only}"));
    assert_eq!(wrong("ln -s / x").await, format!("output `x` is a symbolic link; {only}"));
    assert_eq!(
        wrong("mkdir d; ln -s ../../.. d/x").await,
        format!("output `d/x` is a symbolic link; {only}")
    );
    assert_eq!(wrong("mkfifo x").await, format!("output `x` is a named pipe; {only}"));
    let linked = "echo secret > \"$TRACE/theirs\"; ln \"$TRACE/theirs\" x";
    assert_eq!(
        wrong(linked).await,
        format!("output `x` is a hard link to a file that has other names; {only}")
    );
    assert_eq!(wrong("touch 1 2 3 4").await, "more than 3 output files (`max_files`)");
    assert_eq!(wrong("truncate -s 1T x").await, "output files of more than 1GiB (`max_output`)");
    assert_eq!(wrong("touch \"$(printf 'a\\377')\"").await, "output `a\u{fffd}`: its name is not UTF-8");
    assert_eq!(
        wrong("touch \"$(printf 'é%.0s' $(seq 120))\" && mkdir -p $(printf 'é%.0s/' $(seq 60)) && mv é* $(printf 'é%.0s/' $(seq 60)) 2>&-; n=$(printf 'é%.0s' $(seq 120)); mkdir -p $n/$n; touch $n/$n/x").await.split(": ").last(),
        Some("its name is too long for an object")
    );
    let deep = "p=x; for i in $(seq 70); do p=$p/x; done; mkdir -p $p";
    assert!(wrong(deep).await.ends_with("folders are 64 deep at most"));
    assert_eq!(
        wrong("cd /; rmdir \"$PROVISION_OUTPUT\"; ln -s /etc \"$PROVISION_OUTPUT\"").await,
        "the folder PROVISION_OUTPUT is no folder any more: Not a directory (os error 20)"
    );
}

#[tokio::test]
async fn names_cannot_leave_the_prefix() {
    let script = r#"cd "$PROVISION_OUTPUT" && touch '..%2Fx' '...' 'a\b' "$(printf 'n\nl')""#;
    let names: Vec<String> =
        Case::sh(script).run().await.outputs().into_iter().map(|(name, _)| name).collect();
    let at = |name: &str| format!("gs://data/out/a/b%20c/{name}");
    assert_eq!(names, [at("..%252Fx"), at("..."), at("a%5Cb"), at("n%0Al")]);
}

#[tokio::test]
async fn outputs_without_a_place_to_go_are_not_lost_in_silence() {
    let case = Case::sh(r#"touch "$PROVISION_OUTPUT/x""#).with(|config| config.load = None);
    assert_eq!(
        case.fails_for_good().await,
        "output `x`: the job does not say where outputs go; set `load` in its command"
    );
}

#[tokio::test]
async fn folders_that_a_program_locked_are_removed_all_the_same() {
    let case =
        Case::sh(r#"mkdir -p "$TMPDIR/a/b" && touch "$TMPDIR/a/b/c" && chmod 500 "$TMPDIR/a/b" "$TMPDIR/a""#);
    assert_eq!(case.run().await.outputs(), []);
}

#[tokio::test]
async fn a_program_that_closes_everything_is_still_waited_for() {
    let case = Case::sh(r#"exec <&- >&- 2>&-; sleep 0.3; echo late > "$PROVISION_OUTPUT/x""#);
    assert_eq!(case.run().await.outputs()[0].1, "late\n");
}
