//! Who may do what on one resource, changed under an etag.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// A policy, as REST has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Version of the policy's format.
    pub version: i32,
    /// Base64 text that changes at every set.
    pub etag: String,
    /// Roles and who has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Binding>,
}

/// A role and who has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Binding {
    /// `roles/…`.
    pub role: String,
    /// `user:…`, `serviceAccount:…`, …
    pub members: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { version: 1, etag: etag(0), bindings: Vec::new() }
    }
}

impl Policy {
    /// Puts another policy in place; a stale `expected_etag` is refused, an empty one is not checked.
    pub fn replace(&mut self, new: Self, expected_etag: &str) -> Result<(), ApiError> {
        if !expected_etag.is_empty() && expected_etag != self.etag {
            return Err(ApiError::aborted(
                "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
            ));
        }
        let etag = etag(count(&self.etag) + 1);
        *self = Self { version: new.version.max(1), etag, bindings: new.bindings };
        Ok(())
    }
}

/// Google's etags are eight bytes, mostly time; a counter does.
fn etag(count: u64) -> String {
    BASE64_STANDARD.encode(count.to_be_bytes())
}

fn count(etag: &str) -> u64 {
    let bytes = BASE64_STANDARD.decode(etag).unwrap_or_default();
    bytes.try_into().map_or(0, u64::from_be_bytes)
}
