//! Which execution's outputs an item has, where it may have any number of them.

use serde::{Deserialize, Serialize};

use crate::Receipt;

/// `commits/<hh>/<item>.json`: of all executions of the item in this run, the one whose outputs
/// count. Whoever finds it without a receipt can end what it began: every output is staged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The receipt-to-be, its `outputs` empty: it names the execution.
    pub receipt: Receipt,
    /// The outputs, in the order in which they were made.
    pub outputs: Vec<Staged>,
}

/// An output that is stored, but not yet under its own name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Staged {
    /// Where it belongs: `gs://bucket/object`.
    pub uri: String,
    /// Name of the staged object, in the bucket that holds the run.
    pub object: String,
    /// Generation of the staged object.
    pub generation: i64,
    /// Bytes.
    pub size: u64,
    /// CRC-32C, in hexadecimal.
    pub crc32c: String,
}
