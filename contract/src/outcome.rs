//! What became of an item: a receipt, or a failure. A receipt wins.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Item, RunId};

/// Whose output the receipt vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// The output that this run stored.
    Stored,
    /// A newer run had already stored its own output there; this run's was not needed.
    Superseded,
}

/// `receipts/<hh>/<item>.json`: proof that the item's output is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The run.
    pub run: RunId,
    /// The item.
    pub item: Item,
    /// Whose output it is.
    pub kind: ReceiptKind,
    /// The try that stored it.
    pub execution: String,
    /// Number of that try, counted from 1.
    pub attempt: u32,
    /// The worker's pod.
    pub pod: String,
    /// The worker's node.
    pub node: String,
    /// When the try began.
    pub started: Timestamp,
    /// When the output was stored.
    pub finished: Timestamp,
    /// What was read.
    pub inputs: Vec<Input>,
    /// What was stored.
    pub outputs: Vec<Output>,
    /// Rows read, where the handler knows rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_in: Option<u64>,
    /// Rows that did not fit the schema and were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_rejected: Option<u64>,
    /// Rows stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_out: Option<u64>,
    /// SHA-256 of the worker's config.
    pub config_sha256: String,
    /// The worker's image, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Receipt {
    /// Metadata of a receipt's object: its `rows_rejected`, if there are any, so that a listing tells.
    pub const META_ROWS_REJECTED: &str = "provision-rows-rejected";
}

/// Something an item was made from, with its identity where the source gives one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// `gs://`, `https://` or `file:` address.
    pub uri: String,
    /// Generation of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// `ETag` of an HTTP answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `Last-Modified` of an HTTP answer, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// Bytes read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// CRC-32C of what was read, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<String>,
}

/// What became of an [`Input`] since it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputState {
    /// It is what was read.
    Same,
    /// It is something else.
    Changed,
    /// It is not there any more.
    Gone,
    /// Nothing tells, for this reason.
    Unknown(String),
}

/// Something an item was made into.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// `gs://bucket/object`.
    pub uri: String,
    /// Generation of the object.
    pub generation: i64,
    /// Bytes.
    pub size: u64,
    /// CRC-32C, in hexadecimal.
    pub crc32c: String,
}

impl Output {
    /// Key of an output object's custom metadata that names the run.
    pub const META_RUN: &str = "provision-run";
    /// Key of the custom metadata that names the item, in its record spelling.
    pub const META_ITEM: &str = "provision-item";
    /// Key of the custom metadata that names the execution.
    pub const META_EXECUTION: &str = "provision-execution";
    /// Key of the custom metadata that holds the server's generation of the run's `run.json`:
    /// larger is newer.
    pub const META_RUN_GENERATION: &str = "provision-run-generation";
    /// Key of the custom metadata that holds the [`Receipt`]-to-be as JSON (its `item` and `outputs`
    /// empty), so that whoever finds the output without its receipt can write the same one. Left out
    /// where it would be long.
    pub const META_RECEIPT: &str = "provision-receipt";
}

/// What ended an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// It can never succeed.
    Permanent,
    /// Its attempts are used up.
    AttemptsUsedUp,
    /// Five attempts in a row vanished without a word: killed for memory, most likely.
    Vanished,
    /// Pub/Sub gave up delivering it.
    DeadLettered,
}

/// `failures/<hh>/<item>.json`: the dead letter. Nothing is tried again in this run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The run.
    pub run: RunId,
    /// The item.
    pub item: Item,
    /// What ended it.
    pub kind: FailureKind,
    /// Number of the last try.
    pub attempts: u32,
    /// The last error, for people.
    pub message: String,
    /// The last 64 KiB that the last attempt printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output_tail: String,
    /// The worker's pod.
    pub pod: String,
    /// The worker's node.
    pub node: String,
    /// When.
    pub at: Timestamp,
}
