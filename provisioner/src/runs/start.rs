//! Starts a run, or goes on with it. Every step may be repeated: killed anywhere, the same command
//! again ends with the same run.

use anyhow::{Context as _, Result, bail};
use clients::{Conditional, Metadata, Target};
use contract::{Fleet, RunId, RunRecord, WorkerConfig, layout};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::bound;
use super::cluster::Cluster;
use super::items::Items;
use super::store::Store;
use super::{job, publish};

/// Format of `run.json`.
const FORMAT: u32 = 1;

/// What a run is made of, beside its items.
pub(crate) struct RunRequest {
    pub job: String,
    pub stack: String,
    pub config: WorkerConfig,
    pub image: Option<String>,
    pub topic: String,
    pub subscription: String,
    pub concurrency: u32,
    /// Workers that the pool has room for.
    pub room: u32,
    pub max_run_time_seconds: u64,
    /// What it may cost, in US dollars, by the prices that are known here.
    pub max_cost: Option<f64>,
    /// The machines that workers run on; `nodes` is what the pool allows.
    pub fleet: Fleet,
    /// Even if the same run is open.
    pub new: bool,
    /// The run whose items are tried again.
    pub retry_of: Option<RunId>,
}

/// A run that is recorded.
#[derive(Debug)]
pub(crate) struct Begun {
    pub record: RunRecord,
    /// Whether it was open already.
    pub continued: bool,
}

/// Records a run, or finds the open one of the same job, items and configuration.
pub(crate) async fn start(store: &Store, items: &Items, request: RunRequest) -> Result<Begun> {
    let ndjson = items.to_ndjson();
    let (new, record) = (request.new, request.record(items.lines.len() as u64, &ndjson, Timestamp::now())?);
    let open = store.open().await?;
    if let Some(same) = open.iter().find(|run| is_same(run, &record)).filter(|_| !new) {
        return Ok(Begun { record: same.clone(), continued: true });
    }
    refuse_another_image(&open, &record)?;
    // The record comes last: a run without one never was.
    store.bucket.create(&layout::items(&record.run), ndjson.into(), Metadata::new()).await?;
    match store.bucket.create_json(&layout::run(&record.run), &record, Metadata::new()).await? {
        Conditional::Stored(_) => Ok(Begun { record, continued: false }),
        Conditional::Conflict => {
            let there = store.run(&record.run).await?.context("a run that is there and is not")?.record;
            // Our own write, if its answer was lost: nobody else wrote the same at the same instant.
            let continued = there != record;
            if continued && new {
                bail!("run {} began in this very second: try again in the next", there.run);
            }
            Ok(Begun { record: there, continued })
        }
    }
}

/// Does what is still to be done before workers can finish the run: its Job, and its messages. Of a
/// run that was cancelled, nothing.
pub(crate) async fn resume(
    store: &Store,
    cluster: &Cluster,
    pubsub: &Target,
    record: &RunRecord,
) -> Result<()> {
    if store.bucket.stat(&layout::cancelled(&record.run)).await?.is_some() {
        return Ok(());
    }
    job::ensure(&cluster.kubernetes, &cluster.namespace, record).await?;
    publish::all(store, pubsub, record).await
}

impl RunRequest {
    fn record(self, count: u64, items: &[u8], now: Timestamp) -> Result<RunRecord> {
        let config_sha256 = self.config.sha256();
        let items_sha256 = hex::encode(Sha256::digest(items));
        let image = self.image.as_deref().unwrap_or_default();
        let retry_of = self.retry_of.as_ref().map(|run| run.0.as_str()).unwrap_or_default();
        let digest = digest(&[&self.job, &items_sha256, &config_sha256, image, retry_of]);
        let workers = workers(count, self.concurrency, self.room);
        let fleet = Fleet { nodes: bound::nodes(&self.fleet, workers), ..self.fleet };
        let by_cost =
            self.max_cost.map(|dollars| bound::seconds(dollars, &fleet, fleet.nodes)).transpose()?;
        Ok(RunRecord {
            format: FORMAT,
            run: RunId::new(&self.job, now, &digest),
            job: self.job,
            stack: self.stack,
            created: now,
            by: who(),
            count,
            items_sha256,
            config: self.config,
            config_sha256,
            image: self.image,
            topic: self.topic,
            subscription: self.subscription,
            workers,
            max_run_time_seconds: self.max_run_time_seconds.min(by_cost.unwrap_or(u64::MAX)),
            max_cost: self.max_cost,
            fleet: Some(fleet),
            retry_of: self.retry_of,
        })
    }
}

/// Whether two runs are for the same: what tells whether one is gone on with.
fn is_same(run: &RunRecord, other: &RunRecord) -> bool {
    run.job == other.job
        && run.items_sha256 == other.items_sha256
        && run.config_sha256 == other.config_sha256
        && run.image == other.image
        && run.retry_of == other.retry_of
}

/// Workers serve the items of every open run, so these must have one image.
fn refuse_another_image(open: &[RunRecord], record: &RunRecord) -> Result<()> {
    let other = |run: &&RunRecord| run.subscription == record.subscription && run.image != record.image;
    let Some(other) = open.iter().find(other) else { return Ok(()) };
    bail!(
        "the open run {} uses another image ({}): wait for its end",
        other.run,
        other.image.as_deref().unwrap_or("none")
    );
}

/// As many workers as there is work and room for, and one at least.
pub(super) fn workers(count: u64, concurrency: u32, room: u32) -> u32 {
    let useful = count.div_ceil(u64::from(concurrency.max(1)));
    u32::try_from(useful).unwrap_or(u32::MAX).min(room).max(1)
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// Whoever runs this program: `user@host`.
pub(super) fn who() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "unknown".into());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => user,
        host => format!("{user}@{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_workers_as_work_and_room() {
        assert_eq!(workers(32, 1, 10), 10);
        assert_eq!(workers(32, 10, 10), 4);
        assert_eq!(workers(1, 8, 10), 1);
        assert_eq!(workers(u64::MAX, 1, 10), 10);
    }

    #[test]
    fn a_digest_keeps_its_parts_apart() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
