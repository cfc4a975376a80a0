//! The end of a run: how it is written down, once, and how a cancelled one is wound up.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clients::{Bucket, Metadata};
use contract::{Cancelled, Closed, Outcome, RunId, RunRecord, layout};
use jiff::Timestamp;

use super::cluster::Cluster;
use super::start::who;
use super::store::Store;
use super::tally::Tally;
use super::workers::Workers;

/// Longest that a cancelled run's pods are waited for: their grace, and some.
const LEAVING: Duration = Duration::from_secs(30);
/// How often it is looked whether they are gone.
const LOOK: Duration = Duration::from_millis(500);

/// How a run ended.
pub(super) struct End {
    pub outcome: Outcome,
    pub preemptions: usize,
    pub reason: Option<String>,
}

/// Says that a run is cancelled: nobody begins anything of it any more. Says it once; again, it
/// tells who was first.
pub(crate) async fn cancel(store: &Store, run: &RunId) -> Result<Cancelled> {
    let ours = Cancelled { by: who(), at: Timestamp::now() };
    let name = layout::cancelled(run);
    store.bucket.create_json(&name, &ours, Metadata::new()).await?;
    let there = store.bucket.read_json(&name).await?;
    there.map(|(cancelled, _)| cancelled).context("the cancellation was written and is not there")
}

/// Ends a cancelled run: its Job goes, and when its workers have left, what is done is counted.
/// Without a cluster there are no workers. May be repeated, also by several at once.
pub(crate) async fn wind_up(
    store: &Store,
    cluster: Option<&Cluster>,
    record: &RunRecord,
    cancelled: &Cancelled,
) -> Result<Closed> {
    let mut workers = Workers::default();
    let mut preemptions = 0;
    if let Some(cluster) = cluster {
        workers.refresh(&store.bucket, cluster, &record.run).await?;
        preemptions = workers.nodes_lost(cluster).await?;
        cluster.delete_job(&record.run).await?;
        wait_for_the_last_worker(cluster, &record.run).await?;
    }
    let mut tally = Tally::of(store, &record.run).await?;
    tally.refresh(&store.bucket).await?;
    let reason = format!("cancelled by {} at {}", cancelled.by, cancelled.at.strftime("%F %T UTC"));
    let end = tally.outcome().map_or_else(
        || End { outcome: Outcome::Cancelled, preemptions, reason: Some(reason) },
        // It was complete already: there was nothing left to cancel.
        |outcome| End { outcome, preemptions, reason: None },
    );
    close(&store.bucket, record, &tally, end).await
}

async fn wait_for_the_last_worker(cluster: &Cluster, run: &RunId) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < LEAVING && !cluster.pods(run).await?.is_empty() {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Writes the end of a run. Of two that do, the first one tells the truth.
pub(super) async fn close(bucket: &Bucket, record: &RunRecord, tally: &Tally, end: End) -> Result<Closed> {
    let now = Timestamp::now();
    let closed = Closed {
        outcome: end.outcome,
        at: now,
        done: tally.done() as u64,
        failed: tally.failed() as u64,
        seconds: now.duration_since(record.created).as_secs_f64(),
        preemptions: end.preemptions as u64,
        reason: end.reason,
    };
    bucket.create_json(&layout::closed(&record.run), &closed, Metadata::new()).await?;
    let truth = bucket.read_json(&layout::closed(&record.run)).await?;
    truth.map(|(closed, _)| closed).context("the end of the run was written and is not there")
}
