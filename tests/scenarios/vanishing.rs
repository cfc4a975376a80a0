//! Every item once, whatever dies.

use std::collections::HashSet;

use contract::{Attempt, RunId, layout};
use scenarios::{Scenario, kill, until, workers_in};

const RUN: [&str; 5] = ["run", "--local", "--yes", "--items", "examples/fx/items.txt"];
const BUCKET: &str = "local-cloud-fx-data";
/// Attempts that must be cut off in flight.
const CUT_OFF: usize = 5;

/// Enough rows that an item is in flight for a while: the real rates, `times` times over, each time
/// as another currency's past.
fn make_items_slow(scenario: &Scenario, times: usize) {
    let folder = scenario.path("examples/fx/rates");
    for entry in std::fs::read_dir(folder).expect("rates").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("rates");
        let (header, rows) = text.split_once('\n').expect("a header");
        std::fs::write(entry.path(), format!("{header}\n{}", rows.repeat(times))).expect("rates");
    }
}

fn outputs(scenario: &Scenario) -> Vec<(String, Vec<u8>)> {
    let names = scenario.objects(BUCKET, "features");
    names
        .into_iter()
        .map(|name| (name.clone(), std::fs::read(scenario.object(BUCKET, &name)).expect("an output")))
        .collect()
}

/// The attempts that a run's records tell of.
fn attempts(scenario: &Scenario, run: &RunId) -> Vec<Attempt> {
    let names = scenario.objects(BUCKET, layout::attempts(run).trim_end_matches('/'));
    let began =
        names.iter().filter(|name| !name.ends_with(".failed.json") && !name.ends_with(".yielded.json"));
    began
        .filter_map(|name| serde_json::from_slice(&std::fs::read(scenario.object(BUCKET, name)).ok()?).ok())
        .collect()
}

#[test]
fn every_item_is_done_once_whatever_dies() {
    let undisturbed = Scenario::fx();
    make_items_slow(&undisturbed, 4);
    undisturbed.expect(0, &RUN);
    let expected = outputs(&undisturbed);
    assert_eq!(expected.len(), 32);
    drop(undisturbed);

    let scenario = Scenario::fx();
    make_items_slow(&scenario, 4);
    let mut command = scenario.start(&RUN);
    let run = until("the run is recorded", || {
        let runs = std::fs::read_dir(scenario.object(BUCKET, "runs")).ok()?.flatten().next()?;
        Some(RunId(runs.file_name().to_string_lossy().into_owned()))
    });

    // A worker, by kill -9, as soon as it has begun an item.
    until("a worker has begun", || (!attempts(&scenario, &run).is_empty()).then_some(()));
    let worker = until("a worker runs", || workers_in(&scenario.path("")).first().copied());
    assert!(kill(worker));

    // `provision run` itself.
    assert!(kill(command.id()));
    command.wait().expect("it is gone");

    // Nodes, by cutting their power while an attempt of theirs is in flight.
    let mut cut: HashSet<String> = HashSet::new();
    let mut follower = scenario.start(&RUN);
    until("enough nodes are preempted in flight", || {
        let all = attempts(&scenario, &run);
        let open =
            |attempt: &&Attempt| !scenario.object(BUCKET, &layout::receipt(&run, &attempt.item)).exists();
        let newest = all.iter().filter(open).find(|attempt| !cut.contains(&attempt.node));
        if let Some(attempt) = newest {
            let said = scenario.provision(&["local", "preempt", "--node", &attempt.node, "--grace", "0"]);
            if said.code == Some(0) {
                cut.insert(attempt.node.clone());
            }
        }
        let ended = follower.try_wait().expect("a child").is_some();
        (cut.len() >= CUT_OFF + 2 || ended).then_some(())
    });
    let status = until("the run ends", || follower.try_wait().expect("a child"));
    let log = scenario.started_log();
    assert!(status.success(), "{log}");
    assert!(log.contains("open already, going on"), "{log}");
    assert!(log.contains("0 items lost, 32 of 32 done"), "{log}");

    // At least five attempts were cut off in flight: they began, and another one wrote the receipt.
    let receipts = scenario.objects(BUCKET, layout::receipts(&run).trim_end_matches('/'));
    assert_eq!(receipts.len(), 32);
    let executions: HashSet<String> = receipts
        .iter()
        .map(|name| {
            let receipt: contract::Receipt =
                serde_json::from_slice(&std::fs::read(scenario.object(BUCKET, name)).expect("a receipt"))
                    .expect("JSON");
            receipt.execution
        })
        .collect();
    let all = attempts(&scenario, &run);
    let cut_off = all.iter().filter(|attempt| !executions.contains(&attempt.execution)).count();
    assert!(cut_off >= CUT_OFF, "only {cut_off} of {} attempts were cut off\n{log}", all.len());
    println!("{} attempts, {cut_off} cut off in flight", all.len());

    assert_eq!(scenario.objects(BUCKET, layout::failures(&run).trim_end_matches('/')), Vec::<String>::new());
    assert!(outputs(&scenario) == expected, "the outputs differ from an undisturbed run's");
    assert_eq!(scenario.only_run(BUCKET), run);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    scenario.expect(0, &["teardown", "--local", "--yes", "--delete-data"]);
    until("no worker is left", || workers_in(&scenario.path("")).is_empty().then_some(()));
}

#[test]
fn preempting_at_a_rate_loses_nothing() {
    let scenario = Scenario::fx();
    make_items_slow(&scenario, 4);
    let args: Vec<&str> = RUN.into_iter().chain(["--preempt-every", "1s"]).collect();
    let said = scenario.provision(&args);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    let last = said.stdout.lines().last().expect("a line");
    assert!(last.ends_with("preempted, 0 items lost, 32 of 32 done"), "{last}");
    assert!(!last.starts_with("0 nodes"), "{last}");
}

#[test]
fn a_killed_local_cloud_comes_back_with_everything() {
    let scenario = Scenario::fx();
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let pid = scenario.json(0, &["local", "status"])["pid"].as_u64().expect("a process");
    assert!(kill(u32::try_from(pid).expect("a pid")));
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    scenario.expect(0, &RUN);
}
