//! Starts a run, or goes on with it. Every step may be repeated: killed anywhere, the same command
//! again ends with the same run.

use anyhow::{Context as _, Result, bail};
use clients::{Conditional, Metadata};
use contract::{RunId, RunRecord, WorkerConfig, layout};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::items::Items;
use super::open::Store;

/// Format of `run.json`.
const FORMAT: u32 = 1;

/// What a run is made of, beside its items.
pub(crate) struct Wish {
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
    /// Even if the same run is open.
    pub new: bool,
}

/// A run that is recorded.
#[derive(Debug)]
pub(crate) struct Begun {
    pub record: RunRecord,
    /// Whether it was open already.
    pub continued: bool,
}

/// Records a run, or finds the open one of the same job, items and configuration.
pub(crate) async fn start(store: &Store, items: &Items, wish: Wish) -> Result<Begun> {
    let config_sha256 = wish.config.sha256();
    let ndjson = items.to_ndjson();
    let items_sha256 = hex::encode(Sha256::digest(&ndjson));
    let image = wish.image.as_deref().unwrap_or_default();
    let digest = digest(&[&wish.job, &items_sha256, &config_sha256, image]);
    let open = store.open().await?;
    let is_same = |run: &&RunRecord| {
        run.job == wish.job
            && run.items_sha256 == items_sha256
            && run.config_sha256 == config_sha256
            && run.image == wish.image
    };
    if let Some(same) = open.iter().find(is_same).filter(|_| !wish.new) {
        return Ok(Begun { record: same.clone(), continued: true });
    }
    if let Some(other) =
        open.iter().find(|run| run.subscription == wish.subscription && run.image != wish.image)
    {
        // Workers serve the items of every open run.
        bail!(
            "the open run {} uses another image ({}): wait for its end",
            other.run,
            other.image.as_deref().unwrap_or("none")
        );
    }
    let count = items.lines.len() as u64;
    let now = Timestamp::now();
    let record = RunRecord {
        format: FORMAT,
        run: RunId::new(&wish.job, now, &digest),
        job: wish.job,
        stack: wish.stack,
        created: now,
        by: who(),
        count,
        items_sha256,
        config: wish.config,
        config_sha256,
        image: wish.image,
        topic: wish.topic,
        subscription: wish.subscription,
        workers: workers(count, wish.concurrency, wish.room),
        max_run_time_seconds: wish.max_run_time_seconds,
        retry_of: None,
    };
    // The record comes last: a run without one never was.
    store.bucket.create(&layout::items(&record.run), ndjson.into(), Metadata::new()).await?;
    match store.bucket.create_json(&layout::run(&record.run), &record, Metadata::new()).await? {
        Conditional::Stored(_) => Ok(Begun { record, continued: false }),
        Conditional::Conflict => {
            let theirs = store.run(&record.run).await?.context("a run that is there and is not")?;
            Ok(Begun { record: theirs.record, continued: true })
        }
    }
}

/// As many workers as there is work and room for, and one at least.
fn workers(count: u64, concurrency: u32, room: u32) -> u32 {
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

fn who() -> String {
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
