//! The example stack: how many round trips a plan of it waits for one after another, and an apply
//! beside the longest way through its graph.

use scenarios::Scenario;
use serde_json::{Value, json};

use crate::apply;
use crate::session::{Session, median, round};

const ROUNDS: usize = 7;
const APPLIES: usize = 3;
/// What is injected in each call, in milliseconds.
const LATENCIES: [u64; 2] = [50, 200];
/// Round trips that a plan may wait for, and milliseconds beside them.
const DEPTH: f64 = 3.0;
const BESIDE: f64 = 100.0;

pub(crate) fn measure() -> Value {
    let session = Session::begin(Scenario::fx_on_a_fast_cloud());
    let applies: Vec<Value> = LATENCIES.iter().map(|latency| applied(&session, *latency)).collect();
    session.latency(0);
    session.run(&["apply", "--local", "--yes"]);
    let plan = ["plan", "--local"];
    session.run(&plan);
    let at_once = median(&session.rounds(ROUNDS, &plan));
    let plans = LATENCIES.map(|latency| {
        session.latency(latency);
        let rounds = session.rounds(ROUNDS, &plan);
        let (took, most) = (median(&rounds), DEPTH * latency as f64 + BESIDE);
        json!({
            "latency_ms": latency,
            "p50_ms": round(took, 0),
            "most_ms": most,
            "is_met": took <= most,
            "depth": round((took - at_once) / latency as f64, 2),
            "calls": rounds[0].count(),
        })
    });
    json!({ "plan": { "without_latency_p50_ms": round(at_once, 0), "with": plans }, "apply": applies })
}

/// The example is applied and taken down again, some times over.
fn applied(session: &Session, latency: u64) -> Value {
    let mut rounds: Vec<apply::Figures> = Vec::new();
    for _ in 0..APPLIES {
        session.latency(latency);
        let took = session.run(&["apply", "--local", "--yes", "--format", "json"]);
        rounds.push(apply::Figures::of(&took));
        session.latency(0);
        session.run(&["teardown", "--local", "--yes", "--delete-data"]);
    }
    rounds.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let mut told = rounds[rounds.len() / 2].told();
    told["latency_ms"] = latency.into();
    told
}
