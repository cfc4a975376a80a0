//! Between the domain and the messages of the wire.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use prost_types::{Duration, FieldMask};

use crate::error::ApiError;
use crate::pubsub::backlog::Delivery;
use crate::pubsub::message::{Content, Message};
use crate::pubsub::proto;
use crate::pubsub::span::Span;
use crate::pubsub::subscription::{DeadLetterPolicy, ExpirationPolicy, RetryPolicy, Subscription};
use crate::pubsub::topic::{StoragePolicy, Topic};

pub(super) fn topic(topic: proto::Topic) -> Result<Topic, ApiError> {
    refuse(topic.schema_settings.is_some(), "schema_settings")?;
    refuse(topic.ingestion_data_source_settings.is_some(), "ingestion_data_source_settings")?;
    refuse(!topic.message_transforms.is_empty(), "message_transforms")?;
    refuse(!topic.tags.is_empty(), "tags")?;
    Ok(Topic {
        name: topic.name,
        labels: sorted(topic.labels),
        message_storage_policy: topic.message_storage_policy.map(|policy| StoragePolicy {
            allowed_persistence_regions: policy.allowed_persistence_regions,
            enforce_in_transit: policy.enforce_in_transit,
        }),
        kms_key_name: topic.kms_key_name,
        message_retention_duration: span(topic.message_retention_duration)?,
    })
}

pub(super) fn topic_out(topic: Topic) -> proto::Topic {
    proto::Topic {
        name: topic.name,
        labels: topic.labels.into_iter().collect(),
        message_storage_policy: topic.message_storage_policy.map(|policy| proto::MessageStoragePolicy {
            allowed_persistence_regions: policy.allowed_persistence_regions,
            enforce_in_transit: policy.enforce_in_transit,
        }),
        kms_key_name: topic.kms_key_name,
        message_retention_duration: topic.message_retention_duration.map(duration),
        state: proto::topic::State::Active.into(),
        ..proto::Topic::default()
    }
}

pub(super) fn subscription(subscription: proto::Subscription) -> Result<Subscription, ApiError> {
    let push = subscription.push_config.is_some_and(|push| push != proto::PushConfig::default());
    refuse(push, "push_config")?;
    refuse(subscription.bigquery_config.is_some(), "bigquery_config")?;
    refuse(subscription.cloud_storage_config.is_some(), "cloud_storage_config")?;
    refuse(subscription.bigtable_config.is_some(), "bigtable_config")?;
    refuse(!subscription.message_transforms.is_empty(), "message_transforms")?;
    refuse(!subscription.tags.is_empty(), "tags")?;
    let expiration = subscription.expiration_policy.map(|policy| span(policy.ttl)).transpose()?;
    let dead_letter = subscription.dead_letter_policy.map(|policy| DeadLetterPolicy {
        dead_letter_topic: policy.dead_letter_topic,
        max_delivery_attempts: policy.max_delivery_attempts,
    });
    let retry = subscription.retry_policy.map(|policy| {
        let (minimum_backoff, maximum_backoff) =
            (span(policy.minimum_backoff)?, span(policy.maximum_backoff)?);
        Ok::<_, ApiError>(RetryPolicy { minimum_backoff, maximum_backoff })
    });
    Ok(Subscription {
        name: subscription.name,
        topic: subscription.topic,
        ack_deadline_seconds: subscription.ack_deadline_seconds,
        retain_acked_messages: subscription.retain_acked_messages,
        message_retention_duration: span(subscription.message_retention_duration)?,
        labels: sorted(subscription.labels),
        enable_message_ordering: subscription.enable_message_ordering,
        expiration_policy: expiration.map(|ttl| ExpirationPolicy { ttl }),
        filter: subscription.filter,
        dead_letter_policy: dead_letter,
        retry_policy: retry.transpose()?,
        detached: false,
        enable_exactly_once_delivery: subscription.enable_exactly_once_delivery,
    })
}

pub(super) fn subscription_out(subscription: Subscription) -> proto::Subscription {
    proto::Subscription {
        name: subscription.name,
        topic: subscription.topic,
        push_config: Some(proto::PushConfig::default()),
        ack_deadline_seconds: subscription.ack_deadline_seconds,
        retain_acked_messages: subscription.retain_acked_messages,
        message_retention_duration: subscription.message_retention_duration.map(duration),
        labels: subscription.labels.into_iter().collect(),
        enable_message_ordering: subscription.enable_message_ordering,
        expiration_policy: subscription
            .expiration_policy
            .map(|policy| proto::ExpirationPolicy { ttl: policy.ttl.map(duration) }),
        filter: subscription.filter,
        dead_letter_policy: subscription.dead_letter_policy.map(|policy| proto::DeadLetterPolicy {
            dead_letter_topic: policy.dead_letter_topic,
            max_delivery_attempts: policy.max_delivery_attempts,
        }),
        retry_policy: subscription.retry_policy.map(|policy| proto::RetryPolicy {
            minimum_backoff: policy.minimum_backoff.map(duration),
            maximum_backoff: policy.maximum_backoff.map(duration),
        }),
        detached: subscription.detached,
        enable_exactly_once_delivery: subscription.enable_exactly_once_delivery,
        state: proto::subscription::State::Active.into(),
        ..proto::Subscription::default()
    }
}

pub(super) fn content(message: proto::PubsubMessage) -> Content {
    Content { data: message.data, attributes: sorted(message.attributes), ordering_key: message.ordering_key }
}

/// A delivery as the wire has it. Attempts are told only if the subscription counts them.
pub(super) fn delivery(delivery: &Delivery, counted: bool) -> proto::ReceivedMessage {
    proto::ReceivedMessage {
        ack_id: delivery.ack_id.to_string(),
        message: Some(message(&delivery.message)),
        delivery_attempt: if counted { i32::try_from(delivery.attempt).unwrap_or(i32::MAX) } else { 0 },
    }
}

fn message(message: &Message) -> proto::PubsubMessage {
    let content = &message.content;
    proto::PubsubMessage {
        data: content.data.clone(),
        attributes: content.attributes.clone().into_iter().collect(),
        message_id: message.id.to_string(),
        publish_time: Some(instant(message.published)),
        ordering_key: content.ordering_key.clone(),
    }
}

pub(super) fn mask(mask: Option<FieldMask>) -> Vec<String> {
    mask.unwrap_or_default().paths
}

fn sorted(map: HashMap<String, String>) -> BTreeMap<String, String> {
    map.into_iter().collect()
}

fn span(duration: Option<Duration>) -> Result<Option<Span>, ApiError> {
    let convert = |duration| match std::time::Duration::try_from(duration) {
        Ok(duration) => Ok(Span(duration)),
        Err(_) => Err(ApiError::invalid_argument("A duration must not be negative.")),
    };
    duration.map(convert).transpose()
}

fn duration(span: Span) -> Duration {
    let seconds = i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX);
    Duration { seconds, nanos: i32::try_from(span.0.subsec_nanos()).unwrap_or_default() }
}

fn instant(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

fn refuse(given: bool, field: &str) -> Result<(), ApiError> {
    if given {
        return Err(ApiError::unsupported(format!("`{field}`")));
    }
    Ok(())
}
