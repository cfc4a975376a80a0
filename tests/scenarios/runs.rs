//! Runs followed, detached from, cancelled, tried again and pruned: by exit code and record.

use std::process::Child;

use scenarios::{Scenario, until};
use serde_json::Value;

const BUCKET: &str = "local-cloud-fx-data";

fn run_of(scenario: &Scenario, at: usize) -> Value {
    scenario.json(0, &["runs", "list", "--local"])[at].clone()
}

/// Ctrl-C.
fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
}

#[test]
fn a_run_is_left_watched_cancelled_and_what_it_missed_is_tried_again() {
    let scenario = Scenario::fx();
    scenario.expect(0, &["apply", "--local", "--yes"]);
    // No Spot machine: the run's workers wait for a node.
    scenario.expect(0, &["local", "stockout", "add", "--spot"]);

    let mut command = scenario.start(&["run", "--local", "--yes", "--", "USD", "GBP"]);
    until("the run is published", || {
        scenario.objects(BUCKET, "runs").iter().any(|name| name.ends_with("/published.json")).then_some(())
    });
    until("the run is followed", || scenario.started_log().contains("0 of 2 done").then_some(()));
    interrupt(&command);
    assert_eq!(command.wait().expect("it ends").code(), Some(130), "{}", scenario.started_log());
    let run = scenario.only_run(BUCKET);
    for line in ["runs watch --local", "runs cancel --local"] {
        assert!(
            scenario.started_log().contains(&format!("provision {line} {run}")),
            "{}",
            scenario.started_log()
        );
    }

    let mut watch = scenario.start(&["runs", "watch", "--local"]);
    until("the run is followed", || scenario.started_log().contains("0 of 2 done").then_some(()));
    assert_eq!(scenario.provision(&["runs", "cancel", "--local"]).code, Some(1));
    let said = scenario.expect(0, &["runs", "cancel", "--local", "--yes"]);
    assert!(said.contains("was cancelled") && said.contains("0 of 2 done, 2 not done"), "{said}");
    assert_eq!(watch.wait().expect("it ends").code(), Some(7), "{}", scenario.started_log());
    assert!(scenario.started_log().contains("was cancelled"), "{}", scenario.started_log());
    // Again, it is as it was.
    assert_eq!(scenario.expect(0, &["runs", "cancel", "--local", &run.0]), said);
    assert!(scenario.expect(0, &["status", "--local"]).contains("no open run"));
    // Its messages may be in the queue: its record stays.
    assert_eq!(scenario.json(0, &["runs", "prune", "--local", "--older-than", "1s"]), Value::Array(vec![]));

    scenario.expect(0, &["local", "stockout", "clear"]);
    scenario.expect(0, &["runs", "retry", "--local", "--yes", "--only", "missing", &run.0]);
    let retry = run_of(&scenario, 1);
    assert_eq!((&retry["retry_of"], &retry["done"]), (&Value::from(run.0.as_str()), &Value::from(2)));
    let again = scenario.provision(&["runs", "retry", "--local", "--yes", &run.0]);
    assert!(again.stderr.contains("nothing is left to try again"), "{}", again.stderr);
}

#[test]
fn failed_items_are_found_by_key_and_error_and_are_done_once_their_input_is_there() {
    let scenario = Scenario::fx();
    scenario.write("items.ndjson", "{\"item\":\"USD\"}\n{\"item\":\"NEW\",\"payload\":{\"n\":1}}\n");
    scenario.expect(6, &["run", "--local", "--yes", "--items", "items.ndjson"]);
    let failed = |args: &[&str]| {
        let args: Vec<&str> = ["failed", "list", "--local"].iter().chain(args).copied().collect();
        scenario.json(0, &args).as_array().map(Vec::len)
    };
    assert_eq!(failed(&["--item", "N*", "--error", "THERE IS NO INPUT"]), Some(1));
    assert_eq!(failed(&["--item", "U*"]), Some(0));
    let shown = scenario.expect(0, &["failed", "show", "--local", "--item", "NEW"]);
    assert!(shown.contains("there is no input gs://local-cloud-fx-data/rates/NEW.csv"), "{shown}");

    // What fails again is listed once, where it failed last; of each run it can be asked for.
    scenario.expect(6, &["failed", "requeue", "--local", "--yes"]);
    assert_eq!(failed(&[]), Some(1));
    for at in [0, 1] {
        let run = run_of(&scenario, at);
        let run = run["run"].as_str().expect("a run");
        let of_run = ["failed", "show", "--local", "--item", "NEW", "--run", run];
        let shown = scenario.json(0, &of_run);
        assert_eq!(shown.as_array().map(Vec::len), Some(1), "{shown:#}");
        assert_eq!((&shown[0]["item"], &shown[0]["run"]), (&"NEW".into(), &run.into()), "{shown:#}");
        let text = scenario.expect(0, &of_run);
        assert!(text.starts_with(&format!("NEW\n  run {run}, failed ")), "{text}");
    }

    scenario.write("examples/fx/rates/NEW.csv", "date,rate\n2026-01-02,1.5\n");
    scenario.expect(0, &["failed", "requeue", "--local", "--yes"]);
    assert_eq!(failed(&[]), Some(0));
    // With the payload that it had.
    let retries = scenario.json(0, &["runs", "list", "--local"]);
    let retry = retries[2]["run"].as_str().expect("a run");
    let items = std::fs::read_to_string(scenario.object(BUCKET, &format!("runs/{retry}/items.ndjson")));
    assert_eq!(items.expect("items"), "{\"item\":\"NEW\",\"payload\":{\"n\":1}}\n");

    // All have ended: all may go, and the outputs stay.
    until("all have ended for a second, and go", || {
        scenario.expect(0, &["runs", "prune", "--local", "--older-than", "1s", "--yes"]);
        scenario.objects(BUCKET, "runs").is_empty().then_some(())
    });
    assert!(scenario.object(BUCKET, "features/NEW.csv").exists());
}

#[test]
fn what_a_followed_run_stands_on_may_go_and_whoever_follows_is_told() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["local", "stockout", "add", "--spot"]);
    let followed = |args: &[&str]| {
        let child = scenario.start(args);
        until("the run is followed", || scenario.started_log().contains("0 of 1 done").then_some(()));
        child
    };
    let ended = |mut child: Child, told: &[&str]| {
        let code = until("its follower is told", || child.try_wait().expect("a child")).code();
        let log = scenario.started_log();
        assert_eq!(code, Some(7), "{log}");
        for part in told {
            assert!(log.contains(part), "no `{part}` in {log}");
        }
        assert!(!log.contains("Connection refused"), "{log}");
    };

    let command = followed(&["run", "--local", "--yes", "--", "USD"]);
    let pid = scenario.json(0, &["local", "status"])["pid"].as_u64().expect("a process");
    assert!(scenarios::kill(u32::try_from(pid).expect("a pid")));
    ended(command, &["the local cloud is gone", "the same command again starts it and goes on"]);

    let watch = followed(&["runs", "watch", "--local"]);
    scenario.expect(0, &["teardown", "--local", "--yes", "--delete-data", "--interrupt-runs"]);
    ended(watch, &["is gone", "provision run"]);
}

#[test]
fn whose_publishing_was_interrupted_is_told_and_the_same_command_continues_it() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["local", "stockout", "add", "--spot"]);
    let denied = ["local", "fault", "add", "pubsub.topics.publish", "--fail", "permission-denied"];
    scenario.expect(0, &denied);
    let run = ["run", "--local", "--yes", "--", "USD"];
    scenario.expect(1, &run);
    let said = "publishing was interrupted: the same command continues it";
    until("its publisher is known to be gone", || {
        scenario.expect(0, &["runs", "list", "--local"]).contains(said).then_some(())
    });
    assert!(scenario.expect(0, &["runs", "show", "--local"]).contains(said));

    scenario.expect(0, &["local", "fault", "clear"]);
    let mut command = scenario.start(&run);
    until("the run is followed", || scenario.started_log().contains("0 of 1 done").then_some(()));
    interrupt(&command);
    assert_eq!(command.wait().expect("it ends").code(), Some(130), "{}", scenario.started_log());
    assert!(scenario.started_log().contains("open already, going on"), "{}", scenario.started_log());
    assert!(!scenario.expect(0, &["runs", "list", "--local"]).contains(said));
}
