//! What a worker is told to do: pinned in `run.json` when a run starts.

use std::time::Duration;

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
    /// How failed attempts are spaced.
    #[serde(default, skip_serializing_if = "RetrySpacing::is_default")]
    pub retry: RetrySpacing,
}

/// Longest that a worker keeps one message leased, in seconds. An item's timeout must leave room
/// below it for the records around the work.
pub const LONGEST_LEASE_SECONDS: u64 = 3_600;
/// Longest `item_timeout_seconds`.
pub const LONGEST_ITEM_SECONDS: u64 = LONGEST_LEASE_SECONDS - 600;

/// The rest after a failed attempt: `first_seconds` after the first failure, doubling with each
/// further one up to `most_seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrySpacing {
    /// After the first failure.
    pub first_seconds: u64,
    /// At most.
    pub most_seconds: u64,
}

impl Default for RetrySpacing {
    fn default() -> Self {
        Self { first_seconds: 1, most_seconds: 600 }
    }
}

impl RetrySpacing {
    /// The rest after so many failures (1 or more).
    #[must_use]
    pub fn rest(&self, failures: u32) -> Duration {
        let doubled = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
        Duration::from_secs(self.first_seconds.saturating_mul(doubled).min(self.most_seconds))
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_doubles_up_to_its_most() {
        let rest = |failures| RetrySpacing { first_seconds: 3, most_seconds: 20 }.rest(failures).as_secs();
        assert_eq!([1, 2, 3, 4, 64, 65, u32::MAX].map(rest), [3, 6, 12, 20, 20, 20, 20]);
    }

    #[test]
    fn a_configuration_from_before_retries_were_spaced_is_read_and_keeps_its_digest() {
        let text = r#"{"handler":{"library":{"program":"shout","config":{}}},"attempts":5,"item_timeout_seconds":600}"#;
        let config: WorkerConfig = serde_json::from_str(text).expect("a configuration");
        assert_eq!(config.retry, RetrySpacing::default());
        assert_eq!(serde_json::to_string(&config).expect("JSON"), text);
    }
}
