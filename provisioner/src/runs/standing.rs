//! How a run stands, told from its records: what is done, in flight and failed.

use std::collections::HashSet;

use anyhow::Result;
use clients::ObjectError;
use contract::{Closed, Failure, InFlight, Receipt, RunId, WorkerProgress, WorkerState, layout};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::open::{Store, Summary};
use super::tally::Tally;

/// Records read at the same time.
const PARALLEL: usize = 32;

/// A run in a line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Standing {
    pub run: RunId,
    pub job: String,
    pub created: Timestamp,
    pub items: u64,
    pub done: u64,
    pub failed: u64,
    /// How it ended; none while it is open.
    pub closed: Option<Closed>,
}

/// A run with what is in flight and what failed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Details {
    #[serde(flatten)]
    pub standing: Standing,
    pub by: String,
    pub workers: Vec<WorkerProgress>,
    /// Workers whose pod is running.
    pub running: usize,
    /// Oldest first.
    pub in_flight: Vec<Held>,
    pub failures: Vec<Failure>,
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
    pub(crate) async fn standing(&self, summary: Summary) -> Result<Standing> {
        let Summary { record, closed } = summary;
        let (done, failed) = if let Some(closed) = &closed {
            (closed.done, closed.failed)
        } else {
            let mut tally = Tally::of(&self.bucket, &record.run).await?;
            tally.refresh(&self.bucket).await?;
            (tally.done() as u64, tally.failed() as u64)
        };
        let (run, job, created, items) = (record.run, record.job, record.created, record.count);
        Ok(Standing { run, job, created, items, done, failed, closed })
    }

    /// Everything about a run, of which the pods `alive` are running.
    pub(crate) async fn details(&self, summary: Summary, alive: &HashSet<String>) -> Result<Details> {
        let (run, by) = (summary.record.run.clone(), summary.record.by.clone());
        let workers: Vec<WorkerProgress> = self.all(&layout::workers(&run)).await?;
        let failures = self.all(&layout::failures(&run)).await?;
        let standing = self.standing(summary).await?;
        let runs =
            |worker: &&WorkerProgress| worker.state == WorkerState::Running && alive.contains(&worker.pod);
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
        Ok(Details { standing, by, workers, running, in_flight, failures })
    }

    /// Every receipt of a run, in the order of their names.
    pub(crate) async fn receipts(&self, run: &RunId) -> Result<Vec<Receipt>> {
        self.all(&layout::receipts(run)).await
    }

    /// Every JSON object below a prefix.
    async fn all<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<T>> {
        let names = self.bucket.list(prefix).await?.into_iter().map(|stored| stored.name);
        let read = |name: String| async move { self.bucket.read_json::<T>(&name).await };
        let found: Result<Vec<_>, ObjectError> =
            futures::stream::iter(names).map(read).buffered(PARALLEL).try_collect().await;
        Ok(found?.into_iter().flatten().map(|(value, _)| value).collect())
    }
}
