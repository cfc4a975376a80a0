//! The arithmetic, from fixed records.

use contract::{EtlConfig, Fleet, Handler, WorkerConfig, WorkerState};

use super::record::Record;
use super::tries::End;
use super::*;

/// A record of a run of four items on at most two machines that began at 0.
pub(crate) fn record() -> RunRecord {
    let etl: EtlConfig =
        serde_json::from_str(r#"{"extract":"gs://b/{item}.csv","load":"gs://b/{item}.csv"}"#).expect("etl");
    RunRecord {
        format: 1,
        run: RunId("fx-19700101-000000-01234567".into()),
        job: "fx".into(),
        stack: "fx".into(),
        created: Timestamp::UNIX_EPOCH,
        by: "ann@laptop".into(),
        count: 4,
        items_sha256: String::new(),
        config: WorkerConfig {
            handler: Handler::Etl(Box::new(etl)),
            attempts: 5,
            item_timeout_seconds: 600,
            retry: contract::RetrySpacing::default(),
        },
        config_sha256: "c".into(),
        image: None,
        topic: String::new(),
        subscription: String::new(),
        workers: 2,
        max_run_time_seconds: 60,
        max_cost: None,
        fleet: Some(Fleet {
            machine_type: "e2-standard-2".into(),
            spot: true,
            region: "us-central1".into(),
            nodes: 2,
            concurrency: 2,
        }),
        retry_of: None,
    }
}

fn worker(index: u32, pod: &str, node: &str, seconds: (i64, i64), state: WorkerState) -> WorkerProgress {
    let time = |second| Timestamp::from_second(second).expect("a time");
    WorkerProgress {
        pod: pod.into(),
        node: node.into(),
        index,
        state,
        at: time(seconds.1),
        started: time(seconds.0),
        done: 0,
        failed: 0,
        retried: 0,
        in_flight: Vec::new(),
    }
}

fn tries(records: &[(Record, i64)]) -> Tries {
    let mut tries = Tries::default();
    for (record, at) in records {
        tries.add(record.clone(), at * 1000);
    }
    tries
}

fn attempt(number: u32, pod: &str) -> Record {
    Record::Attempt { number, pod: pod.to_owned() }
}

/// Two workers; the node of the first goes away under an item, another item fails once, a third is
/// given up, a fourth is done at once.
pub(crate) fn account(fleet: Option<Fleet>) -> Account {
    let closed = Closed {
        outcome: Outcome::Failed,
        at: Timestamp::from_second(96).expect("a time"),
        done: 3,
        failed: 1,
        seconds: 96.0,
        preemptions: 1,
        reason: None,
    };
    let record = RunRecord { fleet, ..record() };
    let workers = [
        worker(0, "p", "n1", (10, 30), WorkerState::Running),
        worker(0, "q", "n2", (40, 90), WorkerState::Finished),
        worker(1, "r", "n3", (10, 90), WorkerState::Finished),
    ];
    let mut sums = Sums::of(&record, Some(&closed), &workers, Timestamp::UNIX_EPOCH);
    sums.add("cut-off", &tries(&[(attempt(1, "p"), 20), (attempt(2, "q"), 45), (Record::Done, 55)]));
    sums.add(
        "again",
        &tries(&[
            (attempt(1, "r"), 12),
            (Record::End { number: 1, end: End::Failed }, 14),
            (attempt(2, "r"), 15),
            (Record::Done, 35),
        ]),
    );
    let given_up = tries(&[
        (attempt(1, "r"), 36),
        (Record::End { number: 1, end: End::Failed }, 37),
        (Record::Failed, 37),
    ]);
    sums.add("given-up", &given_up);
    sums.add("plain", &tries(&[(attempt(1, "q"), 60), (Record::Done, 70)]));
    let slowest = sums.slowest.iter().map(|(name, ms)| (Item(name.clone()), *ms)).collect();
    sums.account(record, Some(closed), slowest, Vec::new())
}

#[test]
fn the_arithmetic_of_a_run() {
    let account = account(record().fleet);
    assert_eq!((account.done, account.failed, account.items, account.preemptions), (3, 1, 4, 1));
    let attempts = Attempts { made: 6, retries: 2, failed: 2, yielded: 0, vanished: 1, in_flight: 0 };
    assert_eq!(account.attempts, attempts);
    let near = |figure: f64, expected: f64| {
        assert!((figure - expected).abs() < 1e-9, "{figure} is not {expected}");
    };
    near(account.items_per_second, 3.0 / 96.0);
    // 10 s until the node was last heard of, 2 s and 1 s that failed.
    near(account.wasted_item_seconds, 13.0);
    // From 30 to 45, and from 14 to 15.
    near(account.redelivery_seconds, 16.0);
    // Index 0 from 30 to 40.
    near(account.backoff_seconds, 10.0);
    near(account.took.item_seconds, 40.0);
    near(account.took.median_seconds, 10.0);
    assert_eq!(account.took.slowest[0], (Item("again".into()), 20.0));
    assert_eq!(account.nodes.seen, 3);
    near(account.nodes.seconds, 20.0 + 50.0 + 80.0);
    // Two items at once on a node.
    near(account.nodes.least_seconds.expect("a bound"), 20.0);
    let machines = account.cost.machines.expect("a price");
    near(machines, 150.0 / 3600.0 * (2.0 * 0.00872 + 8.0 * 0.001_169));
    near(account.cost.operations, (12.0 * 0.05 + 6.0 * 0.004) / 10_000.0);
    near(account.cost.per_item.expect("a price"), (machines + account.cost.operations) / 3.0);
}

#[test]
fn a_price_that_is_not_known_is_not_guessed() {
    let fleet = record().fleet.map(|fleet| Fleet { region: "mars-north1".into(), ..fleet });
    let cost = account(fleet).cost;
    assert_eq!((cost.machines, cost.per_item), (None, None));
    assert_eq!(cost.unknown.as_deref(), Some("no price of a `e2-standard-2` in mars-north1 is known here"));
    let cost = account(None).cost;
    assert_eq!(cost.unknown.as_deref(), Some("the run's record does not tell its machines"));
}
