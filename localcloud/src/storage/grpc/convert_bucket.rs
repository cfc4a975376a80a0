//! Between the domain and the wire: buckets.

use jiff::civil;

use super::convert::{bucket_name, instant};
use crate::storage::bucket::{
    self, Action, Bucket, Condition, IamConfiguration, Rule, Settings, SoftDeletePolicy, UniformAccess,
    Versioning,
};
use crate::storage::error::{Result, StorageError};
use crate::storage::proto;
use crate::storage::proto::bucket::lifecycle::rule;

/// The settings that a mask of `*` names.
pub(super) const ALL: &[&str] = &[
    "storageClass",
    "labels",
    "versioning",
    "lifecycle",
    "iamConfiguration",
    "softDeletePolicy",
    "defaultEventBasedHold",
    "rpo",
];

pub(super) fn settings(bucket: proto::Bucket) -> Result<Settings> {
    refuse(!bucket.acl.is_empty(), "acl")?;
    refuse(!bucket.default_object_acl.is_empty(), "default_object_acl")?;
    refuse(!bucket.cors.is_empty(), "cors")?;
    refuse(bucket.website.is_some(), "website")?;
    refuse(bucket.logging.is_some(), "logging")?;
    refuse(bucket.encryption.is_some(), "encryption")?;
    refuse(bucket.billing.is_some_and(|billing| billing.requester_pays), "billing")?;
    refuse(bucket.retention_policy.is_some(), "retention_policy")?;
    refuse(bucket.custom_placement_config.is_some(), "custom_placement_config")?;
    refuse(bucket.autoclass.is_some_and(|autoclass| autoclass.enabled), "autoclass")?;
    refuse(bucket.hierarchical_namespace.is_some_and(|h| h.enabled), "hierarchical_namespace")?;
    refuse(bucket.object_retention.is_some_and(|retention| retention.enabled), "object_retention")?;
    refuse(bucket.ip_filter.is_some(), "ip_filter")?;
    let rules = |lifecycle: proto::bucket::Lifecycle| lifecycle.rule.into_iter().map(rule_in).collect();
    let lifecycle = bucket.lifecycle.map(rules).transpose()?.map(|rule| bucket::Lifecycle { rule });
    Ok(Settings {
        storage_class: bucket.storage_class,
        labels: bucket.labels.into_iter().collect(),
        versioning: bucket.versioning.map(|versioning| Versioning { enabled: versioning.enabled }),
        lifecycle,
        iam_configuration: bucket.iam_config.map(access_in).unwrap_or_default(),
        soft_delete_policy: bucket.soft_delete_policy.map(soft_delete_in).unwrap_or_default(),
        default_event_based_hold: bucket.default_event_based_hold,
        rpo: bucket.rpo,
    })
}

pub(super) fn bucket(bucket: Bucket) -> proto::Bucket {
    let (etag, location_type) = (bucket.etag(), bucket.location_type().to_owned());
    let settings = bucket.settings;
    let access = settings.iam_configuration;
    let uniform = access.uniform_bucket_level_access;
    let soft_delete = settings.soft_delete_policy;
    proto::Bucket {
        name: bucket_name(&bucket.name),
        bucket_id: bucket.name,
        etag,
        project: format!("projects/{}", bucket.project),
        metageneration: bucket.metageneration,
        location: bucket.location,
        location_type,
        storage_class: settings.storage_class,
        rpo: settings.rpo,
        lifecycle: settings.lifecycle.map(|lifecycle| proto::bucket::Lifecycle {
            rule: lifecycle.rule.into_iter().map(rule_out).collect(),
        }),
        create_time: Some(instant(bucket.created)),
        update_time: Some(instant(bucket.updated)),
        default_event_based_hold: settings.default_event_based_hold,
        labels: settings.labels.into_iter().collect(),
        versioning: settings
            .versioning
            .map(|versioning| proto::bucket::Versioning { enabled: versioning.enabled }),
        iam_config: Some(proto::bucket::IamConfig {
            uniform_bucket_level_access: Some(proto::bucket::iam_config::UniformBucketLevelAccess {
                enabled: uniform.enabled,
                lock_time: uniform.locked_time.map(instant),
            }),
            public_access_prevention: access.public_access_prevention,
        }),
        soft_delete_policy: Some(proto::bucket::SoftDeletePolicy {
            retention_duration: Some(seconds(soft_delete.retention_duration_seconds)),
            effective_time: soft_delete.effective_time.map(instant),
        }),
        ..proto::Bucket::default()
    }
}

fn access_in(access: proto::bucket::IamConfig) -> IamConfiguration {
    let enabled = access.uniform_bucket_level_access.is_some_and(|uniform| uniform.enabled);
    IamConfiguration {
        uniform_bucket_level_access: UniformAccess { enabled, locked_time: None },
        public_access_prevention: access.public_access_prevention,
    }
}

fn soft_delete_in(policy: proto::bucket::SoftDeletePolicy) -> SoftDeletePolicy {
    let default = SoftDeletePolicy::default();
    let kept = policy.retention_duration.map_or(default.retention_duration_seconds, |kept| kept.seconds);
    SoftDeletePolicy { retention_duration_seconds: kept, ..default }
}

fn rule_in(rule: proto::bucket::lifecycle::Rule) -> Result<Rule> {
    let (action, condition) = (rule.action.unwrap_or_default(), rule.condition.unwrap_or_default());
    Ok(Rule {
        action: Action { r#type: action.r#type, storage_class: action.storage_class },
        condition: Condition {
            age: condition.age_days,
            created_before: condition.created_before.map(date_in).transpose()?,
            is_live: condition.is_live,
            num_newer_versions: condition.num_newer_versions,
            matches_storage_class: condition.matches_storage_class,
            days_since_custom_time: condition.days_since_custom_time,
            custom_time_before: condition.custom_time_before.map(date_in).transpose()?,
            days_since_noncurrent_time: condition.days_since_noncurrent_time,
            noncurrent_time_before: condition.noncurrent_time_before.map(date_in).transpose()?,
            matches_prefix: condition.matches_prefix,
            matches_suffix: condition.matches_suffix,
        },
    })
}

fn rule_out(rule: Rule) -> proto::bucket::lifecycle::Rule {
    let (action, condition) = (rule.action, rule.condition);
    proto::bucket::lifecycle::Rule {
        action: Some(rule::Action { r#type: action.r#type, storage_class: action.storage_class }),
        condition: Some(rule::Condition {
            age_days: condition.age,
            created_before: condition.created_before.map(date_out),
            is_live: condition.is_live,
            num_newer_versions: condition.num_newer_versions,
            matches_storage_class: condition.matches_storage_class,
            days_since_custom_time: condition.days_since_custom_time,
            custom_time_before: condition.custom_time_before.map(date_out),
            days_since_noncurrent_time: condition.days_since_noncurrent_time,
            noncurrent_time_before: condition.noncurrent_time_before.map(date_out),
            matches_prefix: condition.matches_prefix,
            matches_suffix: condition.matches_suffix,
        }),
    }
}

fn date_in(date: proto::Date) -> Result<civil::Date> {
    let parts = (i16::try_from(date.year), i8::try_from(date.month), i8::try_from(date.day));
    match parts {
        (Ok(year), Ok(month), Ok(day)) => civil::Date::new(year, month, day).ok(),
        _ => None,
    }
    .ok_or_else(|| StorageError::invalid(format!("Invalid date: {}-{}-{}.", date.year, date.month, date.day)))
}

fn date_out(date: civil::Date) -> proto::Date {
    proto::Date { year: date.year().into(), month: date.month().into(), day: date.day().into() }
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

fn refuse(given: bool, field: &str) -> Result<()> {
    if given { Err(StorageError::unsupported(&format!("`{field}` of buckets"))) } else { Ok(()) }
}
