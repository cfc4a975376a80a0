//! How a run stands, told from its records: what is done, in flight and failed.

use std::collections::HashSet;

use anyhow::Result;
use contract::{Closed, Failure, InFlight, RunId, RunRecord, WorkerProgress, layout};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::store::{Store, Summary};
use super::tally::Tally;
use super::watch::STILL;
use super::workers::is_running;

/// A run in a line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunStatus {
    pub run: RunId,
    pub job: String,
    pub created: Timestamp,
    pub items: u64,
    pub done: u64,
    pub failed: u64,
    /// How it ended; none while it is open.
    pub closed: Option<Closed>,
    /// Somebody has cancelled it, and nobody has closed it yet.
    pub cancelling: bool,
    /// The run that this one tries again.
    pub retry_of: Option<RunId>,
    /// When an item was last done or failed, or else when the run began. Of a closed run, its end.
    pub moved: Timestamp,
    /// Of an open run whose items are not all published: when publishing was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publishing: Option<Timestamp>,
}

/// A batch is published in less; without one for so long, whoever published is not there any more.
const BATCH: SignedDuration = SignedDuration::from_secs(10);

impl RunStatus {
    /// Whether whoever published the items left before all were.
    pub(crate) fn publishing_was_interrupted(&self, now: Timestamp) -> bool {
        self.publishing.is_some_and(|last| now.duration_since(last) > BATCH)
    }

    /// Whether the run is open, and nothing has moved for so long that people wonder why.
    pub(crate) fn stands_still(&self, now: Timestamp) -> bool {
        let is_open = self.closed.is_none() && self.done + self.failed < self.items;
        is_open && now.duration_since(self.moved) > STILL.try_into().unwrap_or(SignedDuration::MAX)
    }
}

/// A run with what is in flight and what failed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Details {
    #[serde(flatten)]
    pub status: RunStatus,
    pub by: String,
    pub workers: Vec<WorkerProgress>,
    /// Workers whose pod is running.
    pub running: usize,
    /// Oldest first.
    pub in_flight: Vec<Held>,
    pub failures: Vec<Failure>,
    /// Why nothing moves, if nothing has moved for a while.
    pub reasons: Vec<String>,
}

/// An item in a worker's hands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Held {
    pub pod: String,
    pub node: String,
    #[serde(flatten)]
    pub item: InFlight,
}

impl Store {
    /// How a run stands: as it was closed, or else counted.
    pub(crate) async fn status(&self, summary: Summary) -> Result<RunStatus> {
        let Summary { record, closed, cancelled } = summary;
        let cancelling = cancelled.is_some();
        let publishing = match (&closed, &cancelled) {
            (None, None) => self.publishing(&record).await?,
            _ => None,
        };
        let (done, failed, moved) = if let Some(closed) = &closed {
            (closed.done, closed.failed, closed.at)
        } else {
            let mut tally = Tally::of(self, &record.run).await?;
            tally.refresh(&self.bucket).await?;
            let moved = Timestamp::from_second(tally.moved()).unwrap_or_default();
            (tally.done() as u64, tally.failed() as u64, moved.max(record.created))
        };
        let RunRecord { run, job, created, count: items, retry_of, .. } = record;
        Ok(RunStatus {
            run,
            job,
            created,
            items,
            done,
            failed,
            closed,
            cancelling,
            retry_of,
            moved,
            publishing,
        })
    }

    /// When publishing a run's items was last heard of; none once all are published.
    async fn publishing(&self, record: &RunRecord) -> Result<Option<Timestamp>> {
        if self.bucket.stat(&layout::published(&record.run)).await?.is_some() {
            return Ok(None);
        }
        let mut last = record.created;
        let see = |batch: clients::Listed| {
            last = last.max(Timestamp::from_millisecond(batch.created_ms).unwrap_or_default());
        };
        self.bucket.each(&layout::batches(&record.run), see).await?;
        Ok(Some(last))
    }

    /// Everything about a run, of which the pods `alive` are running.
    pub(crate) async fn details(&self, summary: Summary, alive: &HashSet<String>) -> Result<Details> {
        let (run, by) = (summary.record.run.clone(), summary.record.by.clone());
        let workers: Vec<WorkerProgress> = self.all(&layout::workers(&run)).await?;
        let failures = self.failures(&run).await?;
        let status = self.status(summary).await?;
        let runs = |worker: &&WorkerProgress| is_running(worker, alive);
        let running = workers.iter().filter(runs).count();
        let held = workers.iter().filter(runs).flat_map(|worker| {
            let of = |item: &InFlight| Held {
                pod: worker.pod.clone(),
                node: worker.node.clone(),
                item: item.clone(),
            };
            worker.in_flight.iter().filter(|item| item.run == run).map(of).collect::<Vec<_>>()
        });
        let mut in_flight: Vec<Held> = held.collect();
        in_flight.sort_by_key(|held| held.item.since);
        Ok(Details { status, by, workers, running, in_flight, failures, reasons: Vec::new() })
    }
}
