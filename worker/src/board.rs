//! What a worker is doing right now, for people to see: `workers/<pod>.json`, rewritten when it has
//! changed, at most every two seconds. Also keeps one item from being worked on twice at once here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clients::Bucket;
use contract::{InFlight, Item, Receipt, RunId, Stage, WorkerProgress, WorkerState, layout};
use jiff::Timestamp;
use tokio::sync::Notify;

pub use crate::metrics::Count;
use crate::metrics::Metrics;
use crate::settings::Identity;

/// Shortest time between two writes: an object takes one update a second.
const APART: Duration = Duration::from_secs(2);
/// Longest that one write may take; the next one says more anyway.
const PATIENCE: Duration = Duration::from_secs(10);

/// What this worker is doing. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Board(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    us: Identity,
    started: Timestamp,
    metrics: Metrics,
    in_flight: Mutex<BTreeMap<(RunId, Item), Flight>>,
    changed: Notify,
}

/// An item in our hands, and since when it and its stage are, by a clock that nobody sets.
#[derive(Debug)]
struct Flight {
    shown: InFlight,
    began: Instant,
    stage_began: Instant,
}

/// An item's place on the board; it leaves with this.
#[derive(Debug)]
pub struct Entry {
    board: Board,
    key: (RunId, Item),
}

impl Board {
    /// An empty board of the worker `us`.
    #[must_use]
    pub fn new(us: Identity) -> Self {
        let (metrics, in_flight) = (Metrics::default(), Mutex::default());
        let shared = Shared { us, started: Timestamp::now(), metrics, in_flight, changed: Notify::new() };
        Self(Arc::new(shared))
    }

    /// The numbers that the board goes by.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Puts an item on the board, or says that it is on it already.
    #[must_use]
    pub fn enter(&self, run: &RunId, item: &Item) -> Option<Entry> {
        let key = (run.clone(), item.clone());
        let mut in_flight = self.in_flight();
        if in_flight.contains_key(&key) {
            self.count(Count::Duplicate);
            return None;
        }
        let ((run, item), now) = (key.clone(), Instant::now());
        let shown = InFlight { run, item, attempt: 0, stage: Stage::Extract, since: Timestamp::now() };
        in_flight.insert(key.clone(), Flight { shown, began: now, stage_began: now });
        self.0.metrics.set_in_flight(in_flight.len());
        Some(Entry { board: self.clone(), key })
    }

    /// Counts what became of a delivery.
    pub fn count(&self, what: Count) {
        self.0.metrics.count(what);
        self.0.changed.notify_one();
    }

    /// Counts the bytes of an item that is done, if it was us who stored it.
    pub fn moved(&self, receipt: &Receipt) {
        if receipt.pod == self.0.us.pod {
            let bytes_in = receipt.inputs.iter().filter_map(|input| input.size).sum();
            self.0.metrics.moved(bytes_in, receipt.outputs.iter().map(|output| output.size).sum());
        }
    }

    /// Writes the board out, now and whenever it has changed. Never ends.
    pub async fn publish(&self, bucket: &Bucket) {
        loop {
            self.write(bucket, WorkerState::Running).await;
            tokio::time::sleep(APART).await;
            self.0.changed.notified().await;
        }
    }

    /// Writes the board out once. It is advice: a failure is only logged.
    pub async fn write(&self, bucket: &Bucket, state: WorkerState) {
        let progress = self.progress(state);
        let name = layout::worker(&self.0.us.run, &self.0.us.pod);
        match tokio::time::timeout(PATIENCE, bucket.overwrite_json(&name, &progress)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("cannot report progress: {error}"),
            Err(_) => tracing::warn!("cannot report progress: no answer in {} s", PATIENCE.as_secs()),
        }
    }

    fn progress(&self, state: WorkerState) -> WorkerProgress {
        let counted = |what| self.0.metrics.counted(what);
        let in_flight = self.in_flight();
        let begun = in_flight.values().map(|flight| &flight.shown).filter(|flight| flight.attempt > 0);
        WorkerProgress {
            pod: self.0.us.pod.clone(),
            node: self.0.us.node.clone(),
            index: self.0.us.index,
            state,
            at: Timestamp::now(),
            started: self.0.started,
            done: counted(Count::Done),
            failed: counted(Count::Failed),
            retried: counted(Count::Retried),
            in_flight: begun.cloned().collect(),
        }
    }

    /// Whole after every line, so a panic elsewhere does not spoil it.
    fn in_flight(&self) -> MutexGuard<'_, BTreeMap<(RunId, Item), Flight>> {
        self.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// The attempt has begun.
    pub fn begin(&self, attempt: u32) {
        self.update(|flight, _| {
            flight.shown.attempt = attempt;
            flight.began = Instant::now();
            flight.stage_began = flight.began;
        });
    }

    /// The attempt has come this far.
    pub fn stage(&self, stage: Stage) {
        self.update(|flight, metrics| {
            if flight.shown.stage != stage {
                metrics.stage_took(flight.shown.stage, flight.stage_began.elapsed());
                flight.shown.stage = stage;
                flight.stage_began = Instant::now();
            }
        });
    }

    fn update(&self, change: impl FnOnce(&mut Flight, &Metrics)) {
        if let Some(flight) = self.board.in_flight().get_mut(&self.key) {
            change(flight, self.board.metrics());
        }
        self.board.0.changed.notify_one();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (metrics, mut in_flight) = (self.board.metrics(), self.board.in_flight());
        let left = in_flight.remove(&self.key).filter(|flight| flight.shown.attempt > 0);
        if let Some(Flight { shown, began, stage_began }) = left {
            metrics.stage_took(shown.stage, stage_began.elapsed());
            metrics.item_took(began.elapsed());
        }
        metrics.set_in_flight(in_flight.len());
        self.board.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_on_the_board_once_and_leaves_with_its_entry() {
        let us = Identity { run: RunId("r".into()), index: 0, pod: "p".into(), node: "n".into() };
        let board = Board::new(us);
        let (run, item) = (RunId("r".into()), Item("i".into()));
        let entry = board.enter(&run, &item).expect("a place");
        assert!(board.enter(&run, &item).is_none());
        assert_eq!((board.metrics().in_flight(), board.metrics().counted(Count::Duplicate)), (1, 1));
        assert!(board.progress(WorkerState::Running).in_flight.is_empty(), "not begun yet");
        entry.begin(2);
        entry.stage(Stage::Load);
        let shown = board.progress(WorkerState::Running).in_flight;
        assert_eq!((shown[0].attempt, shown[0].stage), (2, Stage::Load));
        drop(entry);
        assert_eq!(board.metrics().in_flight(), 0);
        let text = board.metrics().text();
        for line in ["stage_seconds_count{stage=\"extract\"} 1", "stage_seconds_count{stage=\"load\"} 1"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("provision_worker_item_seconds_count 1"), "{text}");
        assert!(board.enter(&run, &item).is_some());
    }
}
