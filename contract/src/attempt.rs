//! One try at one item. Written before work starts, so that a worker that vanishes leaves a trace.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Item, RunId};

/// `attempts/<hh>/<item>/<n>.json`: a worker has begun. A receipt closes it as done, an
/// [`AttemptEnd`] as failed or yielded; one that is left open has vanished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The run.
    pub run: RunId,
    /// The item.
    pub item: Item,
    /// Counted from 1.
    pub number: u32,
    /// Unique to this try: random, 16 hex digits. Outputs name it in their metadata.
    pub execution: String,
    /// The run whose Job the worker belongs to.
    pub worker_run: RunId,
    /// Completion index of the worker in that Job.
    pub index: u32,
    /// The worker's pod.
    pub pod: String,
    /// The worker's node.
    pub node: String,
    /// When it began.
    pub started: Timestamp,
}

impl Attempt {
    /// Key of the object's custom metadata that repeats `worker_run`, so that a listing tells
    /// whose an attempt is without reading it.
    pub const META_WORKER_RUN: &str = "provision-worker-run";
    /// Key of the custom metadata that repeats `index`.
    pub const META_INDEX: &str = "provision-index";
    /// Key of the custom metadata that repeats `pod`.
    pub const META_POD: &str = "provision-pod";
}

/// Why an attempt ended without a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The handler failed; it may succeed another time. Counts against `attempts`.
    Failed,
    /// The handler said that it never will. Ends the item.
    Permanent,
    /// The item took longer than `item_timeout`. Counts against `attempts`.
    TimedOut,
    /// The worker was asked to stop (preemption, scale-down). Does not count.
    Terminated,
    /// The worker lost its lease. Does not count.
    LeaseLost,
}

/// `attempts/<hh>/<item>/<n>.failed.json` or `.yielded.json`: how an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// The try it ends.
    pub execution: String,
    /// Why.
    pub reason: EndReason,
    /// One sentence for people.
    pub message: String,
    /// The last 64 KiB of what the attempt printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output_tail: String,
    /// When.
    pub at: Timestamp,
    /// Nobody begins the next attempt before this instant: failures are spaced. None for what was cut
    /// short through no fault of the item, which may go on at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

impl AttemptEnd {
    /// Key of the object's custom metadata that repeats `not_before`, so that a listing tells which
    /// items are backing off.
    pub const META_NOT_BEFORE: &str = "provision-not-before";
}
