//! Removes the records of runs that ended long ago. Never an open run's.

use std::time::Duration;

use anyhow::Result;
use contract::{Closed, Outcome, RunId, layout};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::store::Store;

/// Objects deleted at the same time.
const PARALLEL: usize = 32;
/// The longest that Pub/Sub keeps a message. Of a run that left messages unread, the record that says
/// so stays at least as long: a worker that finds a message without its run gives it back.
const MESSAGES_LIVE: SignedDuration = SignedDuration::from_hours(31 * 24);
/// A folder without a record is a run that is being started, or one whose start or removal was
/// killed; after a day it is not the first.
const BEGINNING: SignedDuration = SignedDuration::from_hours(24);

/// A run whose records may go.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Old {
    pub run: RunId,
    /// When it ended; of what a kill left behind, when that was last written.
    pub ended: Timestamp,
    pub objects: usize,
    pub bytes: u64,
    #[serde(skip)]
    names: Vec<String>,
}

/// The runs that ended longer ago than `age`, oldest first.
pub(crate) async fn old(store: &Store, age: Duration, now: Timestamp) -> Result<Vec<Old>> {
    let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
    let mut found = Vec::new();
    for run in store.runs().await? {
        let Some(closed) = run.closed.filter(|closed| may_go(closed, age, now)) else { continue };
        found.push(records(store, run.record.run, Some(closed.at)).await?);
    }
    for run in store.without_record().await? {
        let left = records(store, run, None).await?;
        if now.duration_since(left.ended) > age.max(BEGINNING) {
            found.push(left);
        }
    }
    found.sort_by_key(|run| run.ended);
    Ok(found)
}

fn may_go(closed: &Closed, age: SignedDuration, now: Timestamp) -> bool {
    let kept = match closed.outcome {
        Outcome::Done | Outcome::Failed => age,
        Outcome::Cancelled | Outcome::TimedOut | Outcome::Stalled => age.max(MESSAGES_LIVE),
    };
    now.duration_since(closed.at) > kept
}

async fn records(store: &Store, run: RunId, ended: Option<Timestamp>) -> Result<Old> {
    let found = store.bucket.list(&layout::folder(&run)).await?;
    let newest = found.iter().map(|stored| stored.created).max().unwrap_or_default();
    let ended = ended.unwrap_or_else(|| Timestamp::from_second(newest).unwrap_or_default());
    let bytes = found.iter().map(|stored| stored.size).sum();
    let names: Vec<String> = found.into_iter().map(|stored| stored.name).collect();
    Ok(Old { run, ended, objects: names.len(), bytes, names })
}

/// Removes a run's records. Killed in between, it may be called again: what says that the run has
/// ended goes last.
pub(crate) async fn remove(store: &Store, old: &Old) -> Result<()> {
    let last = [layout::run(&old.run), layout::closed(&old.run)];
    let first = old.names.iter().filter(|name| !last.contains(name));
    let deletions = first.map(|name| store.bucket.delete(name));
    futures::stream::iter(deletions).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    for name in &last {
        store.bucket.delete(name).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    fn goes(outcome: Outcome, days_ago: i64, age_days: i64) -> bool {
        let now = Timestamp::from_second(1000 * DAY).expect("a time");
        let at = Timestamp::from_second((1000 - days_ago) * DAY).expect("a time");
        let closed = Closed { outcome, at, done: 0, failed: 0, seconds: 0.0, preemptions: 0, reason: None };
        may_go(&closed, SignedDuration::from_secs(age_days * DAY), now)
    }

    #[test]
    fn what_ended_long_ago_goes() {
        assert!(goes(Outcome::Done, 91, 90));
        assert!(!goes(Outcome::Done, 89, 90));
        assert!(goes(Outcome::Failed, 1, 0));
    }

    #[test]
    fn what_may_have_messages_in_the_queue_stays_as_long_as_they_can() {
        for outcome in [Outcome::Cancelled, Outcome::TimedOut, Outcome::Stalled] {
            assert!(!goes(outcome, 30, 7), "{outcome:?}");
            assert!(goes(outcome, 32, 7), "{outcome:?}");
        }
    }
}
