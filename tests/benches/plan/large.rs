//! Stacks of hundreds of resources: seconds, calls and memory of a plan.

use std::fmt::Write as _;

use scenarios::Scenario;
use serde_json::{Value, json};

use crate::session::{Session, median, round};

const ROUNDS: usize = 5;
const SIZES: [usize; 3] = [250, 500, 1000];
/// Milliseconds that each call takes longer.
const LATENCY: u64 = 50;
/// Most seconds that a plan of the largest may take.
const MOST: f64 = 3.0;
/// Resources that a group of [`stack`] comes to.
const GROUP: usize = 10;

pub(crate) fn measure() -> Value {
    SIZES.iter().map(|size| of(*size)).collect()
}

fn of(size: usize) -> Value {
    let scenario = Scenario::with(&stack(size / GROUP));
    scenario.write("input.csv", "x\n1\n");
    let session = Session::begin(scenario);
    let fresh = session.run(&["plan", "--local", "--format", "json"]);
    let planned: Value = serde_json::from_str(&fresh.stdout).expect("JSON");
    let resources = planned["changes"].as_array().map_or(0, Vec::len);
    session.run(&["apply", "--local", "--yes", "--parallelism", "64"]);
    let plan = ["plan", "--local"];
    let at_once = median(&session.rounds(ROUNDS, &plan));
    session.latency(LATENCY);
    let rounds = session.rounds(ROUNDS, &plan);
    let seconds = median(&rounds) / 1e3;
    let calls = rounds[0].count();
    json!({
        "resources": resources,
        "latency_ms": LATENCY,
        "p50_s": round(seconds, 2),
        "without_latency_p50_s": round(at_once / 1e3, 2),
        "is_met": seconds < MOST,
        "calls": calls,
        "calls_per_resource": round(calls as f64 / resources as f64, 2),
        "peak_mebibytes": rounds.iter().map(|took| took.mebibytes).max(),
        "calls_by_method": rounds[0].calls,
    })
}

/// A stack of so many groups: a topic; a subscription with its dead letters' topic, subscription and
/// two grants; a bucket with a file; an account with a grant.
fn stack(groups: usize) -> String {
    let mut text = "[stack]\nname = \"large\"\nregion = \"europe-west1\"\n".to_owned();
    for at in 0..groups {
        let _ = write!(
            text,
            r#"
[topic.t{at}]
[subscription.s{at}]
topic = "t{at}"
[bucket.b{at}]
files = {{ "input.csv" = "input.csv" }}
[service_account.account{at}]
[grant.g{at}]
member = "service_account.account{at}"
role = "roles/storage.objectViewer"
on = "bucket.b{at}"
"#
        );
    }
    text
}
