//! A secret, its versions and their payloads: what may be set, and what is shown of them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::iam::Policy;
use crate::labels;
use crate::project::project_number;

/// Largest payload, in bytes.
const LARGEST: usize = 64 << 10;
/// Aliases of one secret.
const ALIASES: usize = 50;

/// A secret as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Secret {
    pub(super) project: String,
    pub(super) id: String,
    pub(super) created: Timestamp,
    pub(super) settings: Settings,
    pub(super) etag: String,
    pub(super) policy: Policy,
    /// The versions that it ever had.
    pub(super) versions: u64,
}

/// What callers set of a secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Settings {
    /// Kept and shown: everything is in one place here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replication: Option<Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    /// Names of versions by number, which REST writes as text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) version_aliases: BTreeMap<String, Number>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

/// A number of 64 bits, as protobuf's JSON writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub(super) i64);

/// A version as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) created: Timestamp,
    pub(super) state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destroyed: Option<Timestamp>,
    /// Whether the caller sent a checksum.
    pub(super) checked: bool,
    pub(super) etag: String,
    /// In base64; empty once it is destroyed.
    pub(super) data: String,
}

/// What may be done with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum State {
    Enabled,
    Disabled,
    Destroyed,
}

/// Fields of the service that would be ignored here, unless they say nothing.
const UNSUPPORTED: [&str; 6] =
    ["topics", "expireTime", "ttl", "rotation", "versionDestroyTtl", "customerManagedEncryption"];
/// What the service sets itself, whatever it is sent.
const OUTPUT: [&str; 3] = ["name", "createTime", "etag"];

impl Settings {
    /// Refuses what Google would refuse, and what is not here.
    pub(super) fn checked(mut self) -> Result<Self, ApiError> {
        if let Some(field) = self.other.keys().find(|field| !OUTPUT.contains(&field.as_str())) {
            return Err(match UNSUPPORTED.contains(&field.as_str()) {
                true => ApiError::unsupported(format!("Secret.{field}")),
                false => ApiError::invalid_argument(format!(
                    "Invalid JSON payload received. Unknown name \"{field}\" at 'secret': Cannot find field."
                )),
            });
        }
        self.other.clear();
        labels::check(&self.labels)?;
        if self.annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > 16 << 10 {
            return Err(ApiError::invalid_argument("The total size of annotations exceeds 16 KiB."));
        }
        if self.version_aliases.len() > ALIASES {
            return Err(ApiError::invalid_argument(format!(
                "A secret has at most {ALIASES} version aliases."
            )));
        }
        for alias in self.version_aliases.keys() {
            let plain = alias.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
            let letter = alias.starts_with(|c: char| c.is_ascii_alphabetic());
            if !plain || !letter || alias.len() > 63 || alias == "latest" {
                return Err(ApiError::invalid_argument(format!("The alias '{alias}' is not valid.")));
            }
        }
        Ok(self)
    }

    /// The replication policy that a secret is made with.
    pub(super) fn replicated(&self) -> Result<(), ApiError> {
        let policy = self.replication.as_ref().and_then(Value::as_object);
        let named = |name| policy.is_some_and(|policy| policy.len() == 1 && policy.contains_key(name));
        match named("automatic") || named("userManaged") {
            true => Ok(()),
            false => Err(ApiError::invalid_argument("Secret.replication must be provided.")),
        }
    }
}

impl Secret {
    /// `projects/NUMBER/secrets/ID`: the service names projects by number.
    pub(super) fn name(&self) -> String {
        name(&self.project, &self.id)
    }

    pub(super) fn json(&self) -> Value {
        let mut shown = json!(self.settings);
        shown["name"] = self.name().into();
        shown["createTime"] = json!(self.created);
        shown["etag"] = self.etag.as_str().into();
        shown
    }
}

impl Version {
    pub(super) fn json(&self, name: &str) -> Value {
        let mut shown = json!({
            "name": name,
            "createTime": self.created,
            "state": self.state,
            "replicationStatus": {"automatic": {}},
            "etag": self.etag,
        });
        if let Some(destroyed) = self.destroyed {
            shown["destroyTime"] = json!(destroyed);
        }
        if self.checked {
            shown["clientSpecifiedPayloadChecksum"] = true.into();
        }
        shown
    }
}

pub(super) fn name(project: &str, id: &str) -> String {
    format!("projects/{}/secrets/{id}", project_number(project))
}

/// Refuses what can't be a secret's id.
pub(super) fn check_id(id: &str) -> Result<(), ApiError> {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    match plain && (1..=255).contains(&id.len()) {
        true => Ok(()),
        false => Err(ApiError::invalid_argument(
            "The provided Secret ID does not match the expected format [[a-zA-Z_0-9]+].",
        )),
    }
}

/// Refuses a payload that is too large, empty, or not what its checksum says.
pub(super) fn check_payload(data: &[u8], crc32c: Option<Number>) -> Result<(), ApiError> {
    if data.is_empty() {
        return Err(ApiError::invalid_argument("Secret Payload cannot be empty."));
    }
    if data.len() > LARGEST {
        return Err(ApiError::invalid_argument(format!(
            "The maximum allowed payload size is {LARGEST} bytes, got {} bytes.",
            data.len()
        )));
    }
    match crc32c {
        Some(Number(said)) if said != i64::from(crc32c::crc32c(data)) => Err(ApiError::invalid_argument(
            "The payload does not match the checksum provided in data_crc32c.",
        )),
        _ => Ok(()),
    }
}

/// A payload is never printed.
impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        number.map(Self).ok_or_else(|| serde::de::Error::custom("not an int64"))
    }
}
