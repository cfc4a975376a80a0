//! A message and its limits.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// Most messages in one publish.
const MOST_MESSAGES: usize = 1000;
/// Largest publish, in bytes.
pub(super) const LARGEST_PUBLISH: usize = 10_000_000;
/// Largest request that Google's front end lets through, in bytes.
const LARGEST_PAYLOAD: usize = 10 << 20;
const MOST_ATTRIBUTES: usize = 100;
const LONGEST_KEY: usize = 256;
const LONGEST_VALUE: usize = 1024;

/// A message's place in the order of publishing, and its id. Larger is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct MessageId(pub(super) u64);

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a publisher sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Content {
    #[serde(with = "base64_text", skip_serializing_if = "Bytes::is_empty")]
    pub(super) data: Bytes,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) ordering_key: String,
}

/// A published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) published: Timestamp,
    pub(super) content: Content,
}

impl Content {
    /// Bytes that count against limits.
    pub(super) fn size(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.data.len() + attributes + self.ordering_key.len()
    }

    fn check(&self) -> Result<(), ApiError> {
        if self.data.is_empty() && self.attributes.is_empty() {
            return Err(ApiError::invalid_argument(
                "One or more messages in the publish request is empty. Each message must contain either non-empty data, or at least one attribute.",
            ));
        }
        at_most("attribute_count", self.attributes.len(), MOST_ATTRIBUTES)?;
        at_most("ordering_key length", self.ordering_key.len(), LONGEST_VALUE)?;
        for (key, value) in &self.attributes {
            // The real service leaves the name of too long a key out.
            not_too_long("", "key", key, LONGEST_KEY)?;
            not_too_long(key, "value", value, LONGEST_VALUE)?;
            if key.is_empty() || key.starts_with("goog") {
                return Err(ApiError::invalid_argument(format!(
                    "Attribute keys must not be empty and must not begin with \"goog\" (key={key})."
                )));
            }
        }
        Ok(())
    }
}

/// Refuses a request that is too large on the wire.
pub(super) fn check_payload(bytes: usize) -> Result<(), ApiError> {
    if bytes <= LARGEST_PAYLOAD {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "Request payload size exceeds the limit: {LARGEST_PAYLOAD} bytes."
    )))
}

/// Refuses a publish that is too large, or has a message that Google would refuse.
pub(super) fn check_publish(messages: &[Content]) -> Result<(), ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid_argument(
            "The value for message_count is too small. You passed 0 in the request, but the minimum value is 1.",
        ));
    }
    at_most("message_count", messages.len(), MOST_MESSAGES)?;
    at_most("request_size", messages.iter().map(Content::size).sum(), LARGEST_PUBLISH)?;
    messages.iter().try_for_each(Content::check)
}

fn at_most(what: &str, value: usize, maximum: usize) -> Result<(), ApiError> {
    if value <= maximum {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "The value for {what} is too large. You passed {value} in the request, but the maximum value is {maximum}."
    )))
}

fn not_too_long(attribute: &str, part: &str, text: &str, longest: usize) -> Result<(), ApiError> {
    if text.len() <= longest {
        return Ok(());
    }
    let length = text.len();
    Err(ApiError::invalid_argument(format!(
        "The attribute \"{attribute}\" in the request has a {part} that is too long. The length is {length} characters, but the maximum allowed is {longest}. Refer to https://cloud.google.com/pubsub/quotas for more information."
    )))
}

mod base64_text {
    use base64::Engine as _;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(data: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(data))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        // JSON of protocol buffers allows both alphabets.
        let data = BASE64_STANDARD.decode(&text).or_else(|_| BASE64_URL_SAFE.decode(&text));
        data.map(Bytes::from).map_err(D::Error::custom)
    }
}
