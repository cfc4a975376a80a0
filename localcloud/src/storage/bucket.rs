//! A bucket: its settings, in the spelling of the JSON API, and what the server adds.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::{Result, StorageError};
use super::names;
use crate::labels;

const DAY: i64 = 24 * 60 * 60;

/// Most rules of a lifecycle.
const MOST_RULES: usize = 100;

const CLASSES: &[&str] = &[
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
];
const ACTIONS: &[&str] = &["Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"];

/// A bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    pub(super) name: String,
    /// Id or number, as whoever created it said.
    pub(super) project: String,
    /// In capitals, as Google shows it.
    pub(super) location: String,
    pub(super) settings: Settings,
    pub(super) metageneration: i64,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
}

/// What may be set and changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Settings {
    pub(super) storage_class: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) versioning: Option<Versioning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lifecycle: Option<Lifecycle>,
    pub(super) iam_configuration: IamConfiguration,
    pub(super) soft_delete_policy: SoftDeletePolicy,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) default_event_based_hold: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) rpo: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Versioning {
    pub(super) enabled: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Lifecycle {
    pub(super) rule: Vec<Rule>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Rule {
    pub(super) action: Action,
    pub(super) condition: Condition,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Action {
    pub(super) r#type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) storage_class: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) age: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_before: Option<jiff::civil::Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_live: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) num_newer_versions: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) matches_storage_class: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) days_since_custom_time: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) custom_time_before: Option<jiff::civil::Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) days_since_noncurrent_time: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) noncurrent_time_before: Option<jiff::civil::Date>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) matches_prefix: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) matches_suffix: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct IamConfiguration {
    pub(super) uniform_bucket_level_access: UniformAccess,
    pub(super) public_access_prevention: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct UniformAccess {
    pub(super) enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) locked_time: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SoftDeletePolicy {
    #[serde(with = "number_text")]
    pub(super) retention_duration_seconds: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effective_time: Option<Timestamp>,
}

impl Default for SoftDeletePolicy {
    fn default() -> Self {
        Self { retention_duration_seconds: 7 * DAY, effective_time: None }
    }
}

impl Bucket {
    /// A bucket that is created now.
    pub(super) fn new(
        name: &str,
        project: &str,
        location: &str,
        settings: Settings,
        now: Timestamp,
    ) -> Result<Self> {
        names::check_bucket(name)?;
        let location = if location.is_empty() { "US".to_owned() } else { location.to_ascii_uppercase() };
        if !location.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') || location.len() > 40 {
            return Err(StorageError::invalid("The specified location constraint is not valid."));
        }
        if project.is_empty() || project == "_" {
            return Err(StorageError::required("project"));
        }
        let mut settings = settings.settled(None, now);
        settings.check()?;
        settings.soft_delete_policy.effective_time = Some(now);
        let (name, project) = (name.to_owned(), project.to_owned());
        Ok(Self { name, project, location, settings, metageneration: 1, created: now, updated: now })
    }

    /// Puts new settings in place.
    pub(super) fn update(&mut self, settings: Settings, now: Timestamp) -> Result<()> {
        let settings = settings.settled(Some(&self.settings), now);
        settings.check()?;
        self.settings = settings;
        self.metageneration += 1;
        self.updated = now;
        Ok(())
    }

    /// `region`, `dual-region` or `multi-region`.
    pub(super) fn location_type(&self) -> &'static str {
        match self.location.as_str() {
            "US" | "EU" | "ASIA" => "multi-region",
            "NAM4" | "EUR4" | "EUR5" | "EUR7" | "EUR8" | "ASIA1" => "dual-region",
            _ => "region",
        }
    }

    pub(super) fn etag(&self) -> String {
        super::object::etag(0, self.metageneration)
    }
}

impl Settings {
    /// Fills in defaults and what the server sets.
    fn settled(mut self, before: Option<&Self>, now: Timestamp) -> Self {
        let day = |days| SignedDuration::from_secs(days * DAY);
        if self.storage_class.is_empty() {
            "STANDARD".clone_into(&mut self.storage_class);
        }
        let access = &mut self.iam_configuration;
        if matches!(access.public_access_prevention.as_str(), "" | "unspecified") {
            "inherited".clone_into(&mut access.public_access_prevention);
        }
        let locked =
            before.and_then(|before| before.iam_configuration.uniform_bucket_level_access.locked_time);
        let uniform = &mut access.uniform_bucket_level_access;
        uniform.locked_time =
            if uniform.enabled { locked.or_else(|| now.checked_add(day(90)).ok()) } else { None };
        if let Some(before) = before.map(|before| &before.soft_delete_policy) {
            let same =
                before.retention_duration_seconds == self.soft_delete_policy.retention_duration_seconds;
            self.soft_delete_policy.effective_time = if same { before.effective_time } else { Some(now) };
        }
        self
    }

    fn check(&self) -> Result<()> {
        one_of("storage class", &self.storage_class, CLASSES)?;
        let prevention = &self.iam_configuration.public_access_prevention;
        one_of("public access prevention", prevention, &["inherited", "enforced"])?;
        if !self.rpo.is_empty() {
            one_of("rpo", &self.rpo, &["DEFAULT", "ASYNC_TURBO"])?;
        }
        let kept = self.soft_delete_policy.retention_duration_seconds;
        if kept != 0 && !(7 * DAY..=90 * DAY).contains(&kept) {
            return Err(StorageError::invalid(
                "Soft delete policy retention duration must be 0, or between 7 and 90 days.",
            ));
        }
        labels::check(&self.labels).map_err(|error| StorageError::invalid(error.message))?;
        if self.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.rule.len() > MOST_RULES) {
            return Err(StorageError::invalid(format!(
                "A bucket can have at most {MOST_RULES} lifecycle rules."
            )));
        }
        self.lifecycle.iter().flat_map(|lifecycle| &lifecycle.rule).try_for_each(Rule::check)
    }
}

impl Rule {
    fn check(&self) -> Result<()> {
        one_of("lifecycle action", &self.action.r#type, ACTIONS)?;
        if self.action.r#type == "SetStorageClass" {
            one_of("storage class", &self.action.storage_class, CLASSES)?;
        }
        let condition = &self.condition;
        if *condition == Condition::default() {
            return Err(StorageError::invalid(
                "A lifecycle management rule must have at least one condition.",
            ));
        }
        let numbers = [
            condition.age,
            condition.num_newer_versions,
            condition.days_since_custom_time,
            condition.days_since_noncurrent_time,
        ];
        if numbers.into_iter().flatten().any(i32::is_negative) {
            return Err(StorageError::invalid("A number in a lifecycle condition must not be negative."));
        }
        // Uploads in parts of the XML API are not offered here: such a rule never has anything to do.
        let of_uploads = Condition {
            age: condition.age,
            matches_prefix: condition.matches_prefix.clone(),
            matches_suffix: condition.matches_suffix.clone(),
            ..Condition::default()
        };
        if self.action.r#type == "AbortIncompleteMultipartUpload" && *condition != of_uploads {
            return Err(StorageError::invalid(
                "AbortIncompleteMultipartUpload takes the conditions age, matchesPrefix and matchesSuffix only.",
            ));
        }
        Ok(())
    }
}

/// Refuses a storage class that there is none of. Empty stands for the bucket's.
pub(super) fn check_class(class: &str) -> Result<()> {
    if class.is_empty() { Ok(()) } else { one_of("storage class", class, CLASSES) }
}

fn one_of(what: &str, value: &str, allowed: &[&str]) -> Result<()> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(StorageError::invalid(format!(
        "Invalid {what}: \"{value}\". It must be one of {}.",
        allowed.join(", ")
    )))
}

/// Numbers of 64 bits are text in Google's JSON; numbers are taken too.
pub(super) mod number_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use serde_json::Value;

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub(in crate::storage) fn serialize<S: Serializer>(
        number: &i64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(in crate::storage) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<i64, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_i64().ok_or_else(|| D::Error::custom("not a whole number")),
            Value::String(text) => text.parse().map_err(D::Error::custom),
            other => Err(D::Error::custom(format!("{other} is not a number"))),
        }
    }
}
