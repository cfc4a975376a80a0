//! Judges the records of runs that have ended: every item done once, and nothing else. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use contract::{Outcome, Output, Receipt, ReceiptKind, layout};
use localcloud::calls::Entry;

use crate::evidence::{Evidence, Run};

/// What is wrong, item by item. Nothing, if all is as promised.
#[must_use]
pub fn wrong(evidence: &Evidence) -> Vec<String> {
    let mut wrong: Vec<String> = evidence.runs.iter().flat_map(wrong_in_run).collect();
    wrong.extend(wrong_outputs(evidence));
    wrong
}

/// One receipt an item and no failure, each receipt from a try that was recorded, and an end that
/// says so.
fn wrong_in_run(run: &Run) -> Vec<String> {
    let name = &run.record.run;
    let mut wrong = Vec::new();
    for item in run.items.iter().filter(|item| run.receipt(item).is_none()) {
        wrong.push(format!("{name}: {item:?} has no receipt"));
    }
    for failure in &run.failures {
        wrong.push(format!("{name}: {:?} failed: {}", failure.item, failure.message));
    }
    let known: BTreeSet<_> = run.items.iter().collect();
    let tries: HashMap<_, _> = run.attempts.iter().map(|attempt| (&attempt.execution, attempt)).collect();
    for (object, receipt) in &run.receipts {
        let item = &receipt.item;
        if *object != layout::receipt(name, item) || receipt.run != *name || !known.contains(item) {
            wrong.push(format!("{name}: {object} is not in its place"));
        }
        let recorded = tries.get(&receipt.execution).is_some_and(|attempt| {
            attempt.item == *item && attempt.number == receipt.attempt && attempt.pod == receipt.pod
        });
        if !recorded {
            wrong.push(format!("{name}: {item:?} was done by a try that nobody recorded"));
        }
        if receipt.outputs.is_empty() {
            wrong.push(format!("{name}: {item:?} has a receipt for nothing"));
        }
    }
    match &run.closed {
        None => wrong.push(format!("{name} was not closed")),
        Some(closed) => {
            let told = (closed.outcome, closed.done, closed.failed);
            if told != (Outcome::Done, run.items.len() as u64, 0) {
                wrong.push(format!("{name} was closed as {told:?}: {:?}", closed.reason));
            }
        }
    }
    wrong
}

/// What is live is what receipts of the newest run name, to the generation.
fn wrong_outputs(evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut vouched: BTreeMap<&str, (&Run, &Receipt, &Output)> = BTreeMap::new();
    for run in &evidence.runs {
        for receipt in run.receipts.values() {
            // Runs come the oldest first, so the newest one's word is the last.
            let outputs = receipt.outputs.iter().filter(|output| is_vouched(evidence, receipt, output));
            vouched.extend(outputs.map(|output| (&*output.uri, (run, receipt, output))));
        }
    }
    for (uri, (run, receipt, output)) in &vouched {
        let item = &receipt.item;
        let Some(live) = evidence.live.get(*uri) else {
            wrong.push(format!("{}: {item:?} has no output {uri}", run.record.run));
            continue;
        };
        let is = (live.generation, live.size, &live.crc32c);
        let vouched = (output.generation, output.size, &output.crc32c);
        if is != vouched {
            wrong.push(format!("{}: {item:?}: {uri} is {is:?}, not {vouched:?}", run.record.run));
        }
        let of = |key: &str| live.metadata.get(key).map(String::as_str);
        let marks = [of(Output::META_RUN), of(Output::META_ITEM), of(Output::META_EXECUTION)];
        let name = item.record_name();
        if marks != [&*receipt.run.0, &*name, &*receipt.execution].map(Some) {
            wrong.push(format!("{}: {item:?}: {uri} is marked {marks:?}", run.record.run));
        }
    }
    wrong.extend(evidence.runs.iter().flat_map(|run| wrongly_superseded(evidence, run)));
    let marked = |name: &str| evidence.runs.iter().any(|run| run.record.run.0 == name);
    for (uri, live) in &evidence.live {
        let by = live.metadata.get(Output::META_RUN).filter(|by| marked(by));
        if let Some(by) = by.filter(|_| !vouched.contains_key(&**uri)) {
            wrong.push(format!("{by}: {uri} is live, and no receipt names it"));
        }
    }
    wrong
}

/// Whether a receipt says that its own run has made an output. One that leaves the item to a newer run
/// names that run's outputs beside those that are its own, as the live ones are marked.
fn is_vouched(evidence: &Evidence, receipt: &Receipt, output: &Output) -> bool {
    let by = || evidence.live.get(&output.uri)?.metadata.get(Output::META_RUN);
    receipt.kind == ReceiptKind::Stored || by() == Some(&receipt.run.0)
}

/// Receipts that leave an item to a newer run, where no newer run has it.
fn wrongly_superseded(evidence: &Evidence, run: &Run) -> Vec<String> {
    let newer = |receipt: &Receipt| {
        let runs = evidence.runs.iter().filter(|other| other.generation > run.generation);
        runs.filter_map(|other| other.receipt(&receipt.item)).any(|other| other.kind == ReceiptKind::Stored)
    };
    let left = run.receipts.values().filter(|receipt| receipt.kind == ReceiptKind::Superseded);
    let said = |receipt: &Receipt| {
        format!("{}: {:?} was left to a newer run, and none has it", run.record.run, receipt.item)
    };
    left.filter(|receipt| !newer(receipt)).map(said).collect()
}

/// Workers that acknowledged more than they had settled by then: receipts and failures that they
/// wrote, or found. One that knows of a run that is over may drop its messages, and is not judged.
/// `again` requests of each may be the ones before, sent again because their answers were lost.
#[must_use]
pub fn acked_too_early(calls: &[Entry], again: usize) -> Vec<String> {
    let mut counts: HashMap<u32, (usize, usize)> = HashMap::new();
    let mut wrong = Vec::new();
    for call in calls.iter().filter(|call| call.program.as_deref() == Some("worker")) {
        let Some(pid) = call.pid else { continue };
        let (settled, acked) = counts.entry(pid).or_default();
        let is_in = |part: &str| call.resource.contains(part);
        let is_outcome = is_in("/receipts/") || is_in("/failures/");
        let is_end = is_in("/closed.json") || is_in("/cancelled.json");
        match (call.method.as_str(), call.status.as_deref()) {
            // 412: another worker had written it.
            ("storage.objects.insert", Some("200" | "412")) | ("storage.objects.get", Some("OK" | "200"))
                if is_outcome =>
            {
                *settled += 1;
            }
            ("storage.objects.get", Some("OK" | "200")) if is_end => *settled = usize::MAX / 2,
            ("pubsub.subscriptions.acknowledge", _) => {
                *acked += 1;
                if *acked > settled.saturating_add(again) {
                    wrong.push(format!(
                        "worker {pid} acknowledged {acked} items when it had settled {settled}"
                    ));
                }
            }
            _ => {}
        }
    }
    wrong
}

/// What was done beside what had to be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waste {
    /// Items that have a receipt.
    pub items: usize,
    /// Tries.
    pub attempts: usize,
    /// Tries that came to nothing and say why.
    pub ended: usize,
    /// Tries that came to nothing without a word.
    pub vanished: usize,
    /// Seconds between the beginning of a try that came to nothing and of the next one, or its end.
    pub seconds: f64,
    /// Outputs that were staged and are still there, for the lifecycle rule.
    pub staged: usize,
}

impl Waste {
    /// Of all the runs.
    #[must_use]
    pub fn of(evidence: &Evidence) -> Self {
        let mut waste = Self::default();
        for run in &evidence.runs {
            waste.items += run.receipts.len();
            waste.attempts += run.attempts.len();
            waste.staged += run.staged.len();
            for lost in run.lost() {
                let end = run.ends.get(&lost.execution).map(|end| end.at);
                *(if end.is_some() { &mut waste.ended } else { &mut waste.vanished }) += 1;
                let later = run.attempts.iter().filter(|next| next.item == lost.item);
                let next = later.map(|next| next.started).filter(|start| *start > lost.started).min();
                let until = end.or(next).unwrap_or(lost.started);
                waste.seconds += until.duration_since(lost.started).as_secs_f64();
            }
        }
        waste
    }
}

impl fmt::Display for Waste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { items, attempts, ended, vanished, seconds, staged } = self;
        write!(
            f,
            "{items} items in {attempts} tries: {ended} came to nothing and say why, {vanished} vanished; \
             {seconds:.0} s wasted; {staged} staged objects left"
        )
    }
}

#[cfg(test)]
mod tests {
    use clients::Stored;
    use contract::{Attempt, Item, RunId};
    use serde_json::{Value, json};

    use super::*;

    const URI: &str = "gs://data/out/a.csv";
    const WHEN: &str = "2026-01-31T12:00:00Z";

    /// The run `name`, with the item `a` done by the try `execution`, which stored the output's
    /// `generation`.
    fn run(name: &str, generation: i64, execution: &str, output: i64) -> Run {
        let attempt = json!({
            "run": name, "item": "a", "number": 1, "execution": execution, "worker_run": name, "index": 0,
            "pod": "pod", "node": "node", "started": WHEN,
        });
        let receipt = json!({
            "run": name, "item": "a", "kind": "stored", "execution": execution, "attempt": 1, "pod": "pod",
            "node": "node", "started": WHEN, "finished": WHEN, "inputs": [], "config_sha256": "",
            "outputs": [{"uri": URI, "generation": output, "size": 1, "crc32c": "00000000"}],
        });
        let record = json!({
            "format": 1, "run": name, "job": "j", "stack": "s", "created": WHEN, "by": "us", "count": 1,
            "items_sha256": "", "config_sha256": "", "topic": "t", "subscription": "s", "workers": 1,
            "max_run_time_seconds": 60,
            "config": {"handler": {"command": {"argv": ["true"]}}, "attempts": 1, "item_timeout_seconds": 1},
        });
        let closed = json!({
            "outcome": "done", "at": WHEN, "done": 1, "failed": 0, "seconds": 1.0, "preemptions": 0,
        });
        let (id, item) = (RunId(name.to_owned()), Item("a".to_owned()));
        Run {
            record: read(record),
            generation,
            items: vec![item.clone()],
            attempts: vec![read(attempt)],
            ends: HashMap::new(),
            receipts: BTreeMap::from([(layout::receipt(&id, &item), read(receipt))]),
            failures: Vec::new(),
            staged: Vec::new(),
            closed: Some(read(closed)),
        }
    }

    fn live(run: &str, execution: &str, generation: i64) -> BTreeMap<String, Stored> {
        let marks = [(Output::META_RUN, run), (Output::META_ITEM, "a"), (Output::META_EXECUTION, execution)];
        let stored = Stored {
            name: "out/a.csv".into(),
            generation,
            size: 1,
            crc32c: "00000000".into(),
            metadata: marks.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            created: 0,
        };
        BTreeMap::from([(URI.to_owned(), stored)])
    }

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).expect("a record")
    }

    #[test]
    fn nothing_is_wrong_where_the_newest_run_has_the_last_word() {
        let runs = vec![run("old", 1, "x1", 10), run("new", 2, "x2", 20)];
        assert_eq!(wrong(&Evidence { runs, live: live("new", "x2", 20) }), [""; 0]);
    }

    #[test]
    fn an_output_that_is_not_the_receipts_is_found() {
        let of = |live| wrong(&Evidence { runs: vec![run("r", 1, "x", 10)], live });
        assert_eq!(of(BTreeMap::new()), ["r: Item(\"a\") has no output gs://data/out/a.csv"]);
        let overwritten = of(live("r", "y", 11));
        assert!(
            overwritten[0].contains("is (11, 1, \"00000000\"), not (10, 1, \"00000000\")"),
            "{overwritten:?}"
        );
        assert!(overwritten[1].contains("is marked"), "{overwritten:?}");
    }

    #[test]
    fn a_run_that_left_its_item_to_a_newer_one_vouches_for_what_it_made_itself() {
        let mut old = run("old", 1, "x1", 10);
        old.receipts.values_mut().for_each(|receipt| receipt.kind = ReceiptKind::Superseded);
        let mut new = run("new", 2, "x2", 20);
        let elsewhere = "gs://data/out/b.csv";
        new.receipts.values_mut().for_each(|receipt| receipt.outputs[0].uri = elsewhere.to_owned());
        let beside = live("new", "x2", 20).into_values().next().expect("an output");
        let all = |generation| {
            let mut live = live("old", "x1", generation);
            live.insert(elsewhere.to_owned(), beside.clone());
            live
        };
        let mut evidence = Evidence { runs: vec![old, new], live: all(10) };
        assert_eq!(wrong(&evidence), [""; 0]);
        evidence.live = all(11);
        assert!(
            wrong(&evidence)[0].contains("is (11, 1, \"00000000\"), not (10, 1"),
            "{:?}",
            wrong(&evidence)
        );
    }

    #[test]
    fn an_item_without_a_receipt_and_an_output_without_one_are_found() {
        let mut lost = run("r", 1, "x", 10);
        lost.receipts.clear();
        let found = wrong(&Evidence { runs: vec![lost], live: live("r", "x", 10) });
        assert_eq!(
            found,
            ["r: Item(\"a\") has no receipt", "r: gs://data/out/a.csv is live, and no receipt names it"]
        );
    }

    #[test]
    fn a_try_that_nobody_recorded_and_a_run_that_is_left_to_nobody_are_found() {
        let mut unseen = run("r", 1, "x", 10);
        unseen.attempts.clear();
        for receipt in unseen.receipts.values_mut() {
            receipt.kind = ReceiptKind::Superseded;
        }
        let found = wrong(&Evidence { runs: vec![unseen], live: BTreeMap::new() });
        assert_eq!(
            found,
            [
                "r: Item(\"a\") was done by a try that nobody recorded",
                "r: Item(\"a\") was left to a newer run, and none has it",
            ]
        );
    }

    #[test]
    fn waste_is_what_came_to_nothing_until_somebody_went_on() {
        let mut run = run("r", 1, "x2", 10);
        let vanished = json!({
            "run": "r", "item": "a", "number": 1, "execution": "x1", "worker_run": "r", "index": 0,
            "pod": "pod", "node": "node", "started": "2026-01-31T11:59:48Z",
        });
        run.attempts.push(read::<Attempt>(vanished));
        let waste = Waste::of(&Evidence { runs: vec![run], live: BTreeMap::new() });
        assert_eq!((waste.attempts, waste.vanished, waste.ended, waste.seconds), (2, 1, 0, 12.0));
    }

    #[test]
    fn an_ack_before_its_receipt_is_found() {
        let call = |method: &str, resource: &str, status: Option<&str>| -> Entry {
            read(json!({
                "number": 1, "time": WHEN, "principal": "p", "program": "worker", "pid": 7, "pod": "pod",
                "method": method, "resource": resource, "status": status, "fate": "answered", "faults": [],
            }))
        };
        let ack = call("pubsub.subscriptions.acknowledge", "s", Some("OK"));
        let receipt = |status| call("storage.objects.insert", "b/objects/runs/r/receipts/00/a.json", status);
        assert_eq!(acked_too_early(&[receipt(Some("200")), ack.clone()], 0), [""; 0]);
        let said = ["worker 7 acknowledged 1 items when it had settled 0"];
        assert_eq!(acked_too_early(&[receipt(None), ack.clone()], 0), said);
        assert_eq!(acked_too_early(&[receipt(None), ack.clone()], 1), [""; 0], "its answer was lost");
        assert_eq!(acked_too_early(&[ack, receipt(Some("200"))], 0), said);
    }
}
