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
        for receipt in run.receipts.values().filter(|receipt| receipt.kind == ReceiptKind::Stored) {
            // Runs come the oldest first, so the newest one's word is the last.
            vouched.extend(receipt.outputs.iter().map(|output| (&*output.uri, (run, receipt, output))));
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
#[must_use]
pub fn acked_too_early(calls: &[Entry]) -> Vec<String> {
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
            ("storage.objects.insert", Some("200" | "412")) if is_outcome => *settled += 1,
            ("storage.objects.get", Some("OK" | "200")) if is_outcome => *settled += 1,
            ("storage.objects.get", Some("OK" | "200")) if is_end => *settled = usize::MAX / 2,
            ("pubsub.subscriptions.acknowledge", _) => {
                *acked += 1;
                if acked > settled {
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
