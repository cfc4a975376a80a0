//! What a worker says of itself while it runs. Advice for people, never proof.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Item, RunId};

/// `workers/<pod>.json`: rewritten every few seconds at most, and once at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerProgress {
    /// The worker's pod.
    pub pod: String,
    /// The worker's node.
    pub node: String,
    /// Completion index in its Job.
    pub index: u32,
    /// What it is up to.
    pub state: WorkerState,
    /// When this was written.
    pub at: Timestamp,
    /// When the worker started.
    pub started: Timestamp,
    /// Items it stored, of any run.
    pub done: u64,
    /// Items it gave up on for good, of any run.
    pub failed: u64,
    /// Attempts that failed and will be tried again.
    pub retried: u64,
    /// What it is working on now.
    pub in_flight: Vec<InFlight>,
}

/// A worker's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Pulling and working. One that has said so and is gone from the cluster was cut off.
    Running,
    /// Asked to stop.
    Terminated,
    /// Left because there was nothing more to do.
    Finished,
}

/// One item in a worker's hands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InFlight {
    /// The run.
    pub run: RunId,
    /// The item.
    pub item: Item,
    /// Number of the try.
    pub attempt: u32,
    /// How far it is.
    pub stage: Stage,
    /// When the try began.
    pub since: Timestamp,
}

/// The stages of an item, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading the input.
    Extract,
    /// Computing.
    Transform,
    /// Storing the output.
    Load,
    /// Writing the receipt.
    Commit,
}
