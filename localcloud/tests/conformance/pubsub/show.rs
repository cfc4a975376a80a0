//! How a transcript spells what came back.

use std::collections::HashMap;

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{ReceivedMessage, Subscription, Topic};
use tonic::{Code, Status};

/// `NOT_FOUND: its text`.
pub(super) fn status(status: &Status) -> String {
    format!("{}: {}", code(status.code()), status.message())
}

/// For answers without content.
pub(super) fn ok<A>(_: &A) -> String {
    "OK".into()
}

pub(super) fn code(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The text of a message.
pub(super) fn text(received: &ReceivedMessage) -> String {
    received.message.as_ref().map(|m| String::from_utf8_lossy(&m.data).into_owned()).unwrap_or_default()
}

/// Texts, in order.
pub(super) fn texts(received: &[ReceivedMessage]) -> String {
    let mut texts: Vec<String> = received.iter().map(text).collect();
    texts.sort();
    if texts.is_empty() { "nothing".into() } else { texts.join(" ") }
}

/// What is set.
pub(super) fn topic(topic: &Topic) -> String {
    let mut fields = vec![topic.name.clone()];
    fields.extend(map("labels", &topic.labels));
    fields.extend(topic.message_retention_duration.map(|span| format!("retention={}s", span.seconds)));
    fields.extend((!topic.kms_key_name.is_empty()).then(|| format!("kms={}", topic.kms_key_name)));
    fields.join(" ")
}

/// When a subscription goes that nobody uses.
pub(super) fn expiration(settings: &Subscription) -> String {
    match settings.expiration_policy.map(|policy| policy.ttl) {
        None => "not said".into(),
        Some(None) => "never".into(),
        Some(Some(ttl)) => format!("after {} s", ttl.seconds),
    }
}

/// What is set, but for the expiration: the emulator knows none.
pub(super) fn subscription(settings: &Subscription) -> String {
    let mut fields = vec![settings.name.clone(), format!("topic={}", settings.topic)];
    fields.push(format!("ack_deadline={}s", settings.ack_deadline_seconds));
    fields.extend(settings.message_retention_duration.map(|span| format!("retention={}s", span.seconds)));
    fields.extend(map("labels", &settings.labels));
    fields.extend((!settings.filter.is_empty()).then(|| format!("filter={}", settings.filter)));
    fields.extend(settings.dead_letter_policy.as_ref().map(|policy| {
        format!("dead_letter={} after {}", policy.dead_letter_topic, policy.max_delivery_attempts)
    }));
    fields.extend(settings.retry_policy.map(|policy| {
        let seconds = |span: Option<prost_types::Duration>| span.map(|span| span.seconds);
        format!("retry={:?}..{:?}", seconds(policy.minimum_backoff), seconds(policy.maximum_backoff))
    }));
    for (name, set) in [
        ("retain_acked", settings.retain_acked_messages),
        ("ordering", settings.enable_message_ordering),
        ("exactly_once", settings.enable_exactly_once_delivery),
        ("detached", settings.detached),
    ] {
        fields.extend(set.then(|| name.to_owned()));
    }
    fields.join(" ")
}

fn map(name: &str, entries: &HashMap<String, String>) -> Option<String> {
    let mut entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    entries.sort();
    (!entries.is_empty()).then(|| format!("{name}={}", entries.join(",")))
}
