//! What a worker is told to do: pinned in `run.json` when a run starts.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::EtlConfig;

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
}

/// A program that processes one item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The program and its arguments. Never a shell.
    pub argv: Vec<String>,
}
