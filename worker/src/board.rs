//! What a worker is doing right now, for people to see: `workers/<pod>.json`, rewritten when it has
//! changed, at most every two seconds. Also keeps one item from being worked on twice at once here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clients::Bucket;
use contract::{InFlight, Item, RunId, Stage, WorkerProgress, WorkerState, layout};
use jiff::Timestamp;
use tokio::sync::Notify;

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
    now: Mutex<Now>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Now {
    done: u64,
    failed: u64,
    retried: u64,
    in_flight: BTreeMap<(RunId, Item), InFlight>,
}

/// An item's place on the board; it leaves with this.
#[derive(Debug)]
pub struct Entry {
    board: Board,
    key: (RunId, Item),
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Stored.
    Done,
    /// Given up for good.
    Failed,
    /// Failed, to be tried again.
    Retried,
}

impl Board {
    /// An empty board of the worker `us`.
    #[must_use]
    pub fn new(us: Identity) -> Self {
        let shared = Shared { us, started: Timestamp::now(), now: Mutex::default(), changed: Notify::new() };
        Self(Arc::new(shared))
    }

    /// Puts an item on the board, or says that it is on it already.
    #[must_use]
    pub fn enter(&self, run: &RunId, item: &Item) -> Option<Entry> {
        let key = (run.clone(), item.clone());
        let mut now = self.now();
        if now.in_flight.contains_key(&key) {
            return None;
        }
        let (run, item) = key.clone();
        let flight = InFlight { run, item, attempt: 0, stage: Stage::Extract, since: Timestamp::now() };
        now.in_flight.insert(key.clone(), flight);
        Some(Entry { board: self.clone(), key })
    }

    /// Counts an attempt that has ended.
    pub fn count(&self, what: Count) {
        let mut now = self.now();
        match what {
            Count::Done => now.done += 1,
            Count::Failed => now.failed += 1,
            Count::Retried => now.retried += 1,
        }
        drop(now);
        self.0.changed.notify_one();
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
        let now = self.now();
        WorkerProgress {
            pod: self.0.us.pod.clone(),
            node: self.0.us.node.clone(),
            index: self.0.us.index,
            state,
            at: Timestamp::now(),
            started: self.0.started,
            done: now.done,
            failed: now.failed,
            retried: now.retried,
            in_flight: now.in_flight.values().filter(|flight| flight.attempt > 0).cloned().collect(),
        }
    }

    /// Counters are whole after every line, so a panic elsewhere does not spoil them.
    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// The attempt has begun.
    pub fn begin(&self, attempt: u32) {
        self.update(|flight| flight.attempt = attempt);
    }

    /// The attempt has come this far.
    pub fn stage(&self, stage: Stage) {
        self.update(|flight| flight.stage = stage);
    }

    fn update(&self, change: impl FnOnce(&mut InFlight)) {
        if let Some(flight) = self.board.now().in_flight.get_mut(&self.key) {
            change(flight);
        }
        self.board.0.changed.notify_one();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.board.now().in_flight.remove(&self.key);
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
        assert!(board.progress(WorkerState::Running).in_flight.is_empty(), "not begun yet");
        entry.begin(2);
        entry.stage(Stage::Load);
        let shown = board.progress(WorkerState::Running).in_flight;
        assert_eq!((shown[0].attempt, shown[0].stage), (2, Stage::Load));
        drop(entry);
        assert!(board.enter(&run, &item).is_some());
    }
}
