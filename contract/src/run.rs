//! A run: one list of items, pushed once through one job.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::WorkerConfig;

/// Name of a run: `<job>-<date>-<time>-<digest>`, a DNS label, since the run's Kubernetes Job bears
/// it. The digest is of (job, items, config): it keeps runs of one second apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunId {
    /// A name for a run of `job` that begins now. `digest` is hexadecimal; its first eight digits are used.
    #[must_use]
    pub fn new(job: &str, now: Timestamp, digest: &str) -> Self {
        let time = now.strftime("%Y%m%d-%H%M%S");
        Self(format!("{job}-{time}-{}", &digest[..digest.len().min(8)]))
    }

    /// Whether the name can stand in an object name and as a Kubernetes name; anything else in a
    /// message is not ours.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&self.0.len()) && self.0.bytes().all(plain)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `run.json`: what was asked for, pinned. Never rewritten. The server's generation of this object
/// orders runs: no clock does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of this format: 1.
    pub format: u32,
    /// The run's name.
    pub run: RunId,
    /// Key of the job in stack.toml.
    pub job: String,
    /// The stack's owner name, with its environment.
    pub stack: String,
    /// When the run was recorded.
    pub created: Timestamp,
    /// Who started it: `user@host`.
    pub by: String,
    /// Number of items.
    pub count: u64,
    /// SHA-256 of `items.ndjson`.
    pub items_sha256: String,
    /// What the workers do with each item.
    pub config: WorkerConfig,
    /// SHA-256 of `config` as JSON.
    pub config_sha256: String,
    /// The workers' image, by digest where it has one; none for the local cloud's own worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Full name of the topic the items are published to.
    pub topic: String,
    /// Full name of the subscription the workers pull from.
    pub subscription: String,
    /// Workers at most: completions of the run's Indexed Job.
    pub workers: u32,
    /// Bound on the whole run, in seconds; that of its cost included.
    pub max_run_time_seconds: u64,
    /// What its estimated cost may come to, in US dollars; `max_run_time_seconds` keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<f64>,
    /// The machines that its workers run on, for estimates; none in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Fleet>,
    /// The run that this one retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<RunId>,
}

/// The machines that a run's workers run on, as the stack had them when it started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    /// Compute Engine machine type.
    pub machine_type: String,
    /// Whether they are Spot machines.
    pub spot: bool,
    /// Their region.
    pub region: String,
    /// Machines at most.
    pub nodes: u32,
    /// Items that one worker processes at a time.
    pub concurrency: u32,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every item has a receipt.
    Done,
    /// Every item has a receipt or a failure, and there are failures.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Its time was up.
    TimedOut,
    /// It could not go on: see the reason.
    Stalled,
}

/// `closed.json`: how the run ended. A closed run's messages are acked unprocessed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// Items with a receipt.
    pub done: u64,
    /// Items with a failure and no receipt.
    pub failed: u64,
    /// From the run's record to its end.
    pub seconds: f64,
    /// Nodes that were taken away under a worker.
    pub preemptions: u64,
    /// For people, where the outcome needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `cancelled.json`: nobody begins anything of the run any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cancelled {
    /// Who cancelled it: `user@host`.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_for_its_job_its_time_and_its_content() {
        let now: Timestamp = "2026-01-31T23:59:01Z".parse().expect("a timestamp");
        let run = RunId::new("fx", now, "0123456789abcdef");
        assert_eq!(run.0, "fx-20260131-235901-01234567");
        assert!(run.is_valid());
        assert!(!RunId("../x".into()).is_valid());
        assert!(!RunId(String::new()).is_valid());
    }
}
