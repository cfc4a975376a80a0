//! Follows a run to its end, and closes it.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::{Cancelled, Closed, Outcome, RunRecord, layout};
use jiff::Timestamp;

use super::backoff::backing_off;
use super::bound;
use super::close::{End, close, wind_up};
use super::cluster::Cluster;
use super::complaints::Complaints;
use super::pace::Pace;
use super::store::Store;
use super::tally::{SMALL, Tally};
use super::why::why_nothing_moves;
use super::workers::Workers;

/// How often a run is looked at; a long one, whose listings are long, less often.
const LOOK: Duration = Duration::from_millis(500);
const LOOK_AT_LARGE: Duration = Duration::from_secs(5);
/// How often the Job itself is looked at.
const LOOK_AT_JOB: Duration = Duration::from_secs(2);
/// Without a change for this long, the reason is looked for.
pub(super) const STILL: Duration = Duration::from_secs(30);
/// Without a change for this long, it is heard what workers complain of.
const QUIET: Duration = Duration::from_secs(4);

/// How a run goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    /// So many items are done and failed.
    Items { done: usize, failed: usize, total: u64, workers: usize },
    /// Nothing has moved for so long, for these reasons.
    Still { since: Duration, reasons: Vec<String> },
}

/// Hears how a run goes.
pub(crate) type Tell<'a> = dyn Fn(Progress) + Send + Sync + 'a;

/// Follows a run until every item has a receipt or a failure, it is cancelled, its Job fails, or its
/// time is up. May be dropped at any point.
pub(crate) async fn watch(
    store: &Store,
    cluster: &Cluster,
    record: &RunRecord,
    tell: &Tell<'_>,
) -> Result<Closed> {
    let mut watch = Watch::of(store, cluster, record).await?;
    let pause = if record.count > SMALL { LOOK_AT_LARGE } else { LOOK };
    loop {
        watch.look().await?;
        watch.tell_of_items(tell);
        if let Some(closed) = watch.closed().await? {
            return Ok(closed);
        }
        watch.tell_why_it_stands_still(tell).await?;
        tokio::time::sleep(pause).await;
    }
}

/// What a watcher knows of its run.
struct Watch<'a> {
    store: &'a Store,
    cluster: &'a Cluster,
    record: &'a RunRecord,
    tally: Tally,
    pace: Pace,
    workers: Workers,
    complaints: Complaints,
    /// Items done and failed, and workers, as told last.
    told: Option<(usize, usize, usize)>,
    moved: Instant,
    told_still: bool,
    job_seen: Instant,
}

impl<'a> Watch<'a> {
    async fn of(store: &'a Store, cluster: &'a Cluster, record: &'a RunRecord) -> Result<Self> {
        Ok(Self {
            store,
            cluster,
            record,
            tally: Tally::of(store, &record.run).await?,
            pace: Pace::of(record.count),
            workers: Workers::default(),
            complaints: Complaints::since(Timestamp::now()),
            told: None,
            moved: Instant::now(),
            told_still: false,
            job_seen: Instant::now(),
        })
    }

    async fn look(&mut self) -> Result<()> {
        self.workers.refresh(&self.store.bucket, self.cluster, &self.record.run).await?;
        if self.pace.is_due(Instant::now(), self.said()) {
            self.list().await?;
        }
        Ok(())
    }

    async fn list(&mut self) -> Result<()> {
        self.tally.refresh(&self.store.bucket).await?;
        self.pace.listed(Instant::now(), self.said());
        Ok(())
    }

    /// Items that workers say that they have settled.
    fn said(&self) -> u64 {
        let (done, failed) = self.workers.settled();
        done + failed
    }

    /// Items done and failed: as listed, or as workers say where that is more and not yet listed.
    fn settled(&self) -> (usize, usize) {
        let (done, failed) = (self.tally.done(), self.tally.failed());
        let said = usize::try_from(self.workers.settled().0).unwrap_or(usize::MAX);
        let most = usize::try_from(self.record.count).unwrap_or(usize::MAX).saturating_sub(failed);
        let is_large = self.record.count > SMALL;
        // That all are done is for the receipts to say.
        (if is_large { done.max(said.min(most.saturating_sub(1))) } else { done }, failed)
    }

    fn tell_of_items(&mut self, tell: &Tell<'_>) {
        let ((done, failed), workers) = (self.settled(), self.workers.running());
        if self.told == Some((done, failed, workers)) {
            return;
        }
        if self.told.is_none_or(|told| (told.0, told.1) != (done, failed)) {
            self.complaints = Complaints::since(Timestamp::now());
        }
        self.told = Some((done, failed, workers));
        (self.moved, self.told_still) = (Instant::now(), false);
        tell(Progress::Items { done, failed, total: self.record.count, workers });
    }

    /// The end of the run, written down, if it has come.
    async fn closed(&mut self) -> Result<Option<Closed>> {
        let early = match self.tally.outcome() {
            Some(_) => None,
            None => self.early_end().await?,
        };
        let early = match early {
            Some(Early::Cancelled(cancelled)) => {
                return wind_up(self.store, Some(self.cluster), self.record, &cancelled).await.map(Some);
            }
            Some(Early::GivenUp(outcome, reason)) => {
                // The last receipts may have come since: a receipt wins.
                self.tally.refresh(&self.store.bucket).await?;
                Some((outcome, Some(self.complaints.added_to(reason))))
            }
            None => None,
        };
        let settled = self.tally.outcome().map(|outcome| (outcome, None));
        let Some((outcome, reason)) = settled.or(early) else { return Ok(None) };
        let preemptions = self.workers.nodes_lost(self.cluster).await?;
        let end = End { outcome, preemptions, reason };
        close(&self.store.bucket, self.record, &self.tally, end).await.map(Some)
    }

    async fn early_end(&mut self) -> Result<Option<Early>> {
        let longest = self.record.max_run_time_seconds;
        let age = Timestamp::now().duration_since(self.record.created).as_secs();
        if age > i64::try_from(longest).unwrap_or(i64::MAX) {
            return Ok(Some(Early::GivenUp(Outcome::TimedOut, bound::reason(self.record))));
        }
        if self.job_seen.elapsed() < LOOK_AT_JOB {
            return Ok(None);
        }
        self.job_seen = Instant::now();
        let cancelled = self.store.bucket.read_json(&layout::cancelled(&self.record.run)).await?;
        if let Some((cancelled, _)) = cancelled {
            return Ok(Some(Early::Cancelled(cancelled)));
        }
        let reason = self.cluster.job_ended(&self.record.run).await?;
        Ok(reason.map(|reason| Early::GivenUp(Outcome::Stalled, reason)))
    }

    async fn tell_why_it_stands_still(&mut self, tell: &Tell<'_>) -> Result<()> {
        let (since, run) = (self.moved.elapsed(), &self.record.run);
        if since > QUIET && self.complaints.are_new(self.cluster, run).await? {
            tell(Progress::Still { since, reasons: self.complaints.heard.clone() });
        }
        if since > STILL && !self.told_still && self.pace.is_old(Instant::now()) {
            self.list().await?;
            self.tell_of_items(tell);
        }
        if self.moved.elapsed() > STILL && !self.told_still {
            self.told_still = true;
            let mut reasons = self.complaints.heard.clone();
            reasons.extend(why_nothing_moves(self.cluster, run).await?);
            reasons.extend(backing_off(&self.store.bucket, run).await?);
            reasons.extend(self.workers.longest());
            tell(Progress::Still { since, reasons });
        }
        Ok(())
    }
}

/// An end that does not come of the items.
enum Early {
    Cancelled(Cancelled),
    /// Out of time, or a Job that gave up.
    GivenUp(Outcome, String),
}
