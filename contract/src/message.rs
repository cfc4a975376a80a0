//! What travels through Pub/Sub: enough to find everything else in the bucket.

use serde::{Deserialize, Serialize};

use crate::{Item, RunId};

/// The data of one Pub/Sub message, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The run that the item belongs to.
    pub run: RunId,
    /// The item to process.
    pub item: Item,
    /// The item's payload, as in `items.ndjson`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<serde_json::Value>,
}
