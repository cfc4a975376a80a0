//! A topic's settings: what may be set, what may be changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::names::Kind;
use super::span::Span;
use super::subscription::{check_retention, unknown_path};
use crate::error::ApiError;
use crate::labels;

/// A topic, in the spelling of REST.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Topic {
    pub(super) name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_storage_policy: Option<StoragePolicy>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) kms_key_name: String,
    /// Kept and shown; only seek, which is not here, would use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_retention_duration: Option<Span>,
}

/// Where messages may lie: kept and shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StoragePolicy {
    pub(super) allowed_persistence_regions: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) enforce_in_transit: bool,
}

impl Topic {
    /// Refuses what Google would refuse.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        Kind::Topic.check(&self.name)?;
        labels::check(&self.labels)?;
        check_retention(self.message_retention_duration)
    }

    /// Takes the fields that `mask` names from `new`.
    pub(super) fn update(&mut self, new: &Self, mask: &[String]) -> Result<(), ApiError> {
        for path in mask {
            match path.as_str() {
                "labels" => self.labels.clone_from(&new.labels),
                "message_storage_policy" => {
                    self.message_storage_policy.clone_from(&new.message_storage_policy);
                }
                "message_retention_duration" => {
                    self.message_retention_duration = new.message_retention_duration;
                }
                "name" | "kms_key_name" => {
                    return Err(ApiError::invalid_argument(format!(
                        "Invalid update_mask provided in the UpdateTopicRequest: the '{path}' field in the Topic is not mutable."
                    )));
                }
                _ => return Err(unknown_path("Topic", path)),
            }
        }
        self.check()
    }
}
