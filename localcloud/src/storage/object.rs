//! An object: what clients set, in the spelling of the JSON API, and what the server adds.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::checksum::Checksums;
use super::error::{Result, StorageError};
use super::generations::Life;
use super::precondition::Version;

/// Most custom metadata, in bytes.
const LARGEST_METADATA: usize = 8 << 10;

/// One generation of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) bucket: String,
    pub(super) name: String,
    pub(super) generation: i64,
    pub(super) metageneration: i64,
    pub(super) size: u64,
    pub(super) checksums: Checksums,
    pub(super) settings: Settings,
    pub(super) storage_class: String,
    /// How many objects it was composed from.
    pub(super) components: Option<i32>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    /// When it got its storage class.
    pub(super) classed: Timestamp,
    pub(super) life: Life,
}

/// What may be set and changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Settings {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) content_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) content_encoding: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) content_disposition: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) content_language: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) cache_control: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) custom_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) temporary_hold: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) event_based_hold: bool,
}

impl Settings {
    pub(super) fn check(&self) -> Result<()> {
        let size: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        if size > LARGEST_METADATA {
            return Err(StorageError::invalid(format!(
                "The total size of custom metadata must not exceed {LARGEST_METADATA} bytes; it is {size}."
            )));
        }
        Ok(())
    }
}

impl Object {
    pub(super) fn version(&self) -> Version {
        (self.generation, self.metageneration)
    }

    pub(super) fn etag(&self) -> String {
        etag(self.generation, self.metageneration)
    }

    /// The hold that is on it, as Google calls it.
    pub(super) fn hold(&self) -> Option<&'static str> {
        match (self.settings.temporary_hold, self.settings.event_based_hold) {
            (true, _) => Some("Temporary"),
            (false, true) => Some("Event-Based"),
            (false, false) => None,
        }
    }
}

/// Google's etags are a protocol buffer of the two numbers.
pub(super) fn etag(generation: i64, metageneration: i64) -> String {
    let mut bytes = Vec::new();
    for (tag, number) in [(0x08_u64, generation), (0x10, metageneration)] {
        if number != 0 {
            prost::encoding::encode_varint(tag, &mut bytes);
            prost::encoding::encode_varint(number.unsigned_abs(), &mut bytes);
        }
    }
    BASE64_STANDARD.encode(bytes)
}
