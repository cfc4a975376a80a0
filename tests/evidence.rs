//! What a bucket holds of its runs, read once: all that the oracle goes by.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use clients::Stored;
use contract::{Attempt, AttemptEnd, Closed, Failure, Item, ItemLine, Receipt, RunId, RunRecord, layout};
use serde::de::DeserializeOwned;

use crate::{Cloud, Scenario};

/// The records of some runs, and what is live beside them.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The runs, the oldest first: by the server's generation of their records.
    pub runs: Vec<Run>,
    /// Live objects that are no records, by `gs://` address.
    pub live: BTreeMap<String, Stored>,
}

/// The records of one run.
#[derive(Debug)]
pub struct Run {
    /// What was asked for.
    pub record: RunRecord,
    /// The server's generation of it.
    pub generation: i64,
    /// The items.
    pub items: Vec<Item>,
    /// Every try.
    pub attempts: Vec<Attempt>,
    /// How tries ended that did not end in a receipt, by execution.
    pub ends: HashMap<String, AttemptEnd>,
    /// Receipts by the names of their objects.
    pub receipts: BTreeMap<String, Receipt>,
    /// The dead letters.
    pub failures: Vec<Failure>,
    /// Outputs that were staged and are still there.
    pub staged: Vec<String>,
    /// How it ended.
    pub closed: Option<Closed>,
}

impl Evidence {
    /// What lies in a bucket below the prefixes: [`layout::RUNS`] or [`layout::folder`]s, and those
    /// of outputs.
    ///
    /// # Panics
    /// If a record can't be read as what its name says.
    #[must_use]
    pub fn read(scenario: &Scenario, cloud: &Cloud, bucket: &str, prefixes: &[&str]) -> Self {
        let mut of_runs: BTreeMap<RunId, Vec<Stored>> = BTreeMap::new();
        let mut evidence = Self::default();
        for object in prefixes.iter().flat_map(|prefix| cloud.list(bucket, prefix)) {
            match object.name.strip_prefix(layout::RUNS).and_then(|name| name.split_once('/')) {
                Some((run, _)) => of_runs.entry(RunId(run.to_owned())).or_default().push(object),
                None => drop(evidence.live.insert(format!("gs://{bucket}/{}", object.name), object)),
            }
        }
        let place = |name: &str| scenario.object(bucket, name);
        evidence.runs = of_runs.iter().filter_map(|(run, objects)| Run::read(run, objects, &place)).collect();
        evidence.runs.sort_by_key(|run| run.generation);
        evidence
    }
}

impl Run {
    /// None for what was begun and never became a run.
    fn read(run: &RunId, objects: &[Stored], place: &dyn Fn(&str) -> PathBuf) -> Option<Self> {
        let generation = objects.iter().find(|object| object.name == layout::run(run))?.generation;
        let list = std::fs::read(place(&layout::items(run))).expect("the item list");
        let lines = ItemLine::parse_all(&list).expect("an item list");
        let mut read = Self {
            record: record(place, &layout::run(run)),
            generation,
            items: lines.into_iter().map(|line| line.item).collect(),
            attempts: Vec::new(),
            ends: HashMap::new(),
            receipts: BTreeMap::new(),
            failures: Vec::new(),
            staged: Vec::new(),
            closed: None,
        };
        for Stored { name, .. } in objects {
            read.add(run, name, place);
        }
        Some(read)
    }

    fn add(&mut self, run: &RunId, name: &str, place: &dyn Fn(&str) -> PathBuf) {
        let is_end = [".failed.json", ".yielded.json"].iter().any(|ending| name.ends_with(ending));
        let is_in = |prefix: String| name.starts_with(&prefix);
        if is_in(layout::attempts(run)) && is_end {
            let end: AttemptEnd = record(place, name);
            self.ends.insert(end.execution.clone(), end);
        } else if is_in(layout::attempts(run)) {
            self.attempts.push(record(place, name));
        } else if is_in(layout::receipts(run)) {
            self.receipts.insert(name.to_owned(), record(place, name));
        } else if is_in(layout::failures(run)) {
            self.failures.push(record(place, name));
        } else if is_in(format!("{}staging/", layout::folder(run))) {
            self.staged.push(name.to_owned());
        } else if name == layout::closed(run) {
            self.closed = Some(record(place, name));
        }
    }

    /// The receipt of an item.
    #[must_use]
    pub fn receipt(&self, item: &Item) -> Option<&Receipt> {
        self.receipts.get(&layout::receipt(&self.record.run, item))
    }

    /// Tries whose output no receipt vouches for.
    pub fn lost(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| {
            self.receipt(&attempt.item).is_none_or(|receipt| receipt.execution != attempt.execution)
        })
    }

    /// Tries after which the item was tried once more.
    pub fn taken_up_again(&self) -> impl Iterator<Item = &Attempt> {
        let mut latest: HashMap<&Item, u32> = HashMap::new();
        for attempt in &self.attempts {
            let latest = latest.entry(&attempt.item).or_default();
            *latest = attempt.number.max(*latest);
        }
        self.attempts.iter().filter(move |attempt| attempt.number < latest[&attempt.item])
    }
}

fn record<T: DeserializeOwned>(place: &dyn Fn(&str) -> PathBuf, name: &str) -> T {
    let bytes = std::fs::read(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
}
