//! What a worker is told to do: pinned in `run.json` when a run starts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{CommandConfig, EtlConfig};

/// The pinned configuration of a run's workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerConfig {
    /// What is done with an item.
    pub handler: Handler,
    /// Failed attempts after which an item is given up (1 or more). Preemptions never count.
    pub attempts: u32,
    /// Seconds that one attempt may take.
    pub item_timeout_seconds: u64,
}

impl WorkerConfig {
    /// SHA-256 of the configuration as JSON, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        // Serializing plain data to memory cannot fail; an empty text would only lose the comparison.
        hex::encode(Sha256::digest(serde_json::to_vec(self).unwrap_or_default()))
    }
}

/// What is done with an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handler {
    /// The built-in extract, transform, load.
    Etl(Box<EtlConfig>),
    /// A program of the user's.
    Command(CommandConfig),
    /// A handler in a worker of the user's own.
    Library(LibraryConfig),
}

/// A handler that was compiled into a worker of the user's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LibraryConfig {
    /// The worker: a program that calls `worker::serve`, by its path or in `PATH` of the job's image.
    pub program: String,
    /// What the handler is told; any text in it that begins with `gs://KEY/` names a bucket of the
    /// stack.
    #[serde(default)]
    pub config: Map<String, Value>,
}
