//! Where the records of a run lie in its bucket. Every name is created once (`ifGenerationMatch=0`),
//! but for [`worker`]'s.
//!
//! ```text
//! runs/<run>/run.json                              RunRecord
//! runs/<run>/items.ndjson                          one ItemLine per item, in the order given
//! runs/<run>/batches/<batch>.json                  the items up to this batch are published
//! runs/<run>/published.json                        every item has been published
//! runs/<run>/attempts/<hh>/<item>/<n>.json         Attempt n has begun
//! runs/<run>/attempts/<hh>/<item>/<n>.failed.json  AttemptEnd: counts against `attempts`
//! runs/<run>/attempts/<hh>/<item>/<n>.yielded.json AttemptEnd: does not
//! runs/<run>/staging/<hh>/<item>/<execution>/<n>.staged  output n of an execution, until it is promoted
//! runs/<run>/commits/<hh>/<item>.json              Commit: the execution whose outputs count
//! runs/<run>/receipts/<hh>/<item>.json             Receipt
//! runs/<run>/failures/<hh>/<item>.json             Failure
//! runs/<run>/workers/<pod>.json                    WorkerProgress, rewritten
//! runs/<run>/cancelled.json                        Cancelled: open items are acked unprocessed from here on
//! runs/<run>/closed.json                           Closed: how the run ended
//! ```

use crate::{Item, RunId};

/// The prefix of all runs.
pub const RUNS: &str = "runs/";

/// How the names of staged outputs end, and no other record's: what a bucket's lifecycle goes by.
pub const STAGED: &str = ".staged";

/// `runs/<run>/`.
#[must_use]
pub fn folder(run: &RunId) -> String {
    format!("{RUNS}{run}/")
}

/// The [`crate::RunRecord`].
#[must_use]
pub fn run(run: &RunId) -> String {
    format!("{RUNS}{run}/run.json")
}

/// The run's [`crate::ItemLine`]s.
#[must_use]
pub fn items(run: &RunId) -> String {
    format!("{RUNS}{run}/items.ndjson")
}

/// Prefix of the publishing checkpoints.
#[must_use]
pub fn batches(run: &RunId) -> String {
    format!("{RUNS}{run}/batches/")
}

/// The checkpoint that says: batch number `batch` (from 0) is published.
#[must_use]
pub fn batch(run: &RunId, batch: usize) -> String {
    format!("{RUNS}{run}/batches/{batch:06}.json")
}

/// Says that every item has been published.
#[must_use]
pub fn published(run: &RunId) -> String {
    format!("{RUNS}{run}/published.json")
}

/// Prefix of every attempt of the run.
#[must_use]
pub fn attempts(run: &RunId) -> String {
    format!("{RUNS}{run}/attempts/")
}

/// Prefix of the attempts at one item.
#[must_use]
pub fn attempts_of(run: &RunId, item: &Item) -> String {
    format!("{}{}/{}/", attempts(run), item.shard(), item.record_name())
}

/// The [`crate::Attempt`] number `number`, counted from 1.
#[must_use]
pub fn attempt(run: &RunId, item: &Item, number: u32) -> String {
    format!("{}{number:04}.json", attempts_of(run, item))
}

/// The [`crate::AttemptEnd`] of an attempt that failed.
#[must_use]
pub fn attempt_failed(run: &RunId, item: &Item, number: u32) -> String {
    format!("{}{number:04}.failed.json", attempts_of(run, item))
}

/// The [`crate::AttemptEnd`] of an attempt that was cut short through no fault of the item.
#[must_use]
pub fn attempt_yielded(run: &RunId, item: &Item, number: u32) -> String {
    format!("{}{number:04}.yielded.json", attempts_of(run, item))
}

/// What a record below [`attempts`] says of its attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptRecord {
    /// That it has begun.
    Begun,
    /// That it failed.
    Failed,
    /// That it was cut short through no fault of the item.
    Yielded,
}

/// Which attempt a record is about and what it says, by the last part of its name; none if it is no
/// such record.
#[must_use]
pub fn attempt_record(file: &str) -> Option<(u32, AttemptRecord)> {
    let (number, kind) = file.split_once('.')?;
    let record = match kind {
        "json" => AttemptRecord::Begun,
        "failed.json" => AttemptRecord::Failed,
        "yielded.json" => AttemptRecord::Yielded,
        _ => return None,
    };
    Some((number.parse().ok()?, record))
}

/// Output number `number` (from 0) of one execution of the item.
#[must_use]
pub fn staged(run: &RunId, item: &Item, execution: &str, number: usize) -> String {
    let (hh, item) = (item.shard(), item.record_name());
    format!("{RUNS}{run}/staging/{hh}/{item}/{execution}/{number:04}{STAGED}")
}

/// The item's [`crate::Commit`].
#[must_use]
pub fn commit(run: &RunId, item: &Item) -> String {
    format!("{RUNS}{run}/commits/{}/{}.json", item.shard(), item.record_name())
}

/// Prefix of the run's receipts.
#[must_use]
pub fn receipts(run: &RunId) -> String {
    format!("{RUNS}{run}/receipts/")
}

/// The item's [`crate::Receipt`].
#[must_use]
pub fn receipt(run: &RunId, item: &Item) -> String {
    format!("{}{}/{}.json", receipts(run), item.shard(), item.record_name())
}

/// Prefix of the run's failures.
#[must_use]
pub fn failures(run: &RunId) -> String {
    format!("{RUNS}{run}/failures/")
}

/// The item's [`crate::Failure`].
#[must_use]
pub fn failure(run: &RunId, item: &Item) -> String {
    format!("{}{}/{}.json", failures(run), item.shard(), item.record_name())
}

/// Prefix of the workers' progress.
#[must_use]
pub fn workers(run: &RunId) -> String {
    format!("{RUNS}{run}/workers/")
}

/// One worker's [`crate::WorkerProgress`], under the run whose Job it belongs to.
#[must_use]
pub fn worker(run: &RunId, pod: &str) -> String {
    format!("{}{pod}.json", workers(run))
}

/// Says that the run was cancelled ([`crate::Cancelled`]).
#[must_use]
pub fn cancelled(run: &RunId) -> String {
    format!("{RUNS}{run}/cancelled.json")
}

/// Says how the run ended ([`crate::Closed`]).
#[must_use]
pub fn closed(run: &RunId) -> String {
    format!("{RUNS}{run}/closed.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_attempts_record_is_read_as_it_was_made() {
        let (run, item) = (RunId("r".into()), Item("a.b".into()));
        let read = |name: String| attempt_record(name.strip_prefix(&attempts_of(&run, &item))?);
        assert_eq!(read(attempt(&run, &item, 1)), Some((1, AttemptRecord::Begun)));
        assert_eq!(read(attempt_failed(&run, &item, 20_000)), Some((20_000, AttemptRecord::Failed)));
        assert_eq!(read(attempt_yielded(&run, &item, 3)), Some((3, AttemptRecord::Yielded)));
        for other in ["0001.log", "x.json", "0001", ""] {
            assert_eq!(attempt_record(other), None, "{other}");
        }
    }
}
