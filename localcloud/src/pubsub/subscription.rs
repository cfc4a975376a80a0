//! A subscription's settings: defaults, limits, what may be changed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::names::{DELETED_TOPIC, Kind};
use super::span::Span;
use crate::error::ApiError;
use crate::labels;

const DAY: u64 = 24 * 60 * 60;
const DEFAULT_ACK_DEADLINE: i32 = 10;
const DEFAULT_RETENTION: Span = Span::seconds(7 * DAY);
const DEFAULT_EXPIRATION: Span = Span::seconds(31 * DAY);
const FEWEST_ATTEMPTS: i32 = 5;
const MOST_ATTEMPTS: i32 = 100;
const LONGEST_BACKOFF: Span = Span::seconds(600);

/// A subscription, in the spelling of REST.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "Google's settings are what they are")]
pub(super) struct Subscription {
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) ack_deadline_seconds: i32,
    /// Kept and shown; only seek, which is not here, would use it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) retain_acked_messages: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_retention_duration: Option<Span>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) enable_message_ordering: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expiration_policy: Option<ExpirationPolicy>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) filter: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dead_letter_policy: Option<DeadLetterPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_policy: Option<RetryPolicy>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) detached: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) enable_exactly_once_delivery: bool,
}

/// When an idle subscription goes. Without `ttl`: never. Kept and shown, not enforced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ExpirationPolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<Span>,
}

/// Where messages go that fail too often.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeadLetterPolicy {
    pub(super) dead_letter_topic: String,
    pub(super) max_delivery_attempts: i32,
}

/// How long a message rests after a failed delivery.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RetryPolicy {
    pub(super) minimum_backoff: Option<Span>,
    pub(super) maximum_backoff: Option<Span>,
}

impl RetryPolicy {
    /// The rest after `attempts` failed deliveries: the minimum, doubled each time, up to the maximum.
    pub(super) fn backoff(&self, attempts: u32) -> Duration {
        let minimum = self.minimum_backoff.unwrap_or_default().0;
        let maximum = self.maximum_backoff.unwrap_or_default().0;
        let doublings = attempts.saturating_sub(1).min(31);
        minimum.saturating_mul(1 << doublings).min(maximum.max(minimum))
    }
}

impl Subscription {
    /// Fills in what was not sent, as Google does.
    pub(super) fn with_defaults(mut self) -> Self {
        if self.ack_deadline_seconds == 0 {
            self.ack_deadline_seconds = DEFAULT_ACK_DEADLINE;
        }
        self.message_retention_duration.get_or_insert(DEFAULT_RETENTION);
        self.expiration_policy.get_or_insert(ExpirationPolicy { ttl: Some(DEFAULT_EXPIRATION) });
        if let Some(retry) = &mut self.retry_policy {
            let minimum = retry.minimum_backoff.get_or_insert(Span::seconds(10));
            let least = *minimum;
            retry.maximum_backoff.get_or_insert(LONGEST_BACKOFF.max(least));
        }
        if let Some(dead) = &mut self.dead_letter_policy
            && dead.max_delivery_attempts == 0
        {
            dead.max_delivery_attempts = FEWEST_ATTEMPTS;
        }
        self
    }

    /// Refuses what Google would refuse.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        Kind::Subscription.check(&self.name)?;
        if self.topic != DELETED_TOPIC {
            Kind::Topic.check(&self.topic)?;
        }
        labels::check(&self.labels)?;
        check_ack_deadline(self.ack_deadline_seconds)?;
        check_retention(self.message_retention_duration)?;
        Filter::parse(&self.filter)?;
        self.check_expiration()?;
        self.retry_policy.as_ref().map_or(Ok(()), check_retry)?;
        self.dead_letter_policy.as_ref().map_or(Ok(()), check_dead_letter)
    }

    fn check_expiration(&self) -> Result<(), ApiError> {
        let ttl = self.expiration_policy.as_ref().and_then(|policy| policy.ttl);
        let retention = self.message_retention_duration.unwrap_or_default();
        match ttl {
            Some(ttl) if ttl < Span::seconds(DAY) => Err(ApiError::invalid_argument(format!(
                "The value for expiration_policy.ttl is too small. You passed {ttl} in the request, but the minimum value is 86400s."
            ))),
            Some(ttl) if ttl < retention => Err(ApiError::invalid_argument(format!(
                "The value for expiration_policy.ttl ({ttl}) must be at least message_retention_duration ({retention})."
            ))),
            _ => Ok(()),
        }
    }

    /// Takes the fields that `mask` names from `new`.
    pub(super) fn update(&mut self, new: &Self, mask: &[String]) -> Result<(), ApiError> {
        for path in mask {
            match path.as_str() {
                "ack_deadline_seconds" => self.ack_deadline_seconds = new.ack_deadline_seconds,
                "retain_acked_messages" => self.retain_acked_messages = new.retain_acked_messages,
                "message_retention_duration" => {
                    self.message_retention_duration = new.message_retention_duration;
                }
                "labels" => self.labels.clone_from(&new.labels),
                "expiration_policy" => self.expiration_policy.clone_from(&new.expiration_policy),
                "dead_letter_policy" => self.dead_letter_policy.clone_from(&new.dead_letter_policy),
                "dead_letter_policy.max_delivery_attempts" => {
                    let attempts =
                        new.dead_letter_policy.as_ref().map_or(0, |policy| policy.max_delivery_attempts);
                    self.dead_letter_policy.get_or_insert_default().max_delivery_attempts = attempts;
                }
                "dead_letter_policy.dead_letter_topic" => {
                    let topic =
                        new.dead_letter_policy.as_ref().map(|policy| policy.dead_letter_topic.clone());
                    self.dead_letter_policy.get_or_insert_default().dead_letter_topic =
                        topic.unwrap_or_default();
                }
                "retry_policy" => self.retry_policy.clone_from(&new.retry_policy),
                "enable_exactly_once_delivery" => {
                    self.enable_exactly_once_delivery = new.enable_exactly_once_delivery;
                }
                // Push is not supported, so the only value it can be given is the one it has.
                "push_config" => {}
                "name" | "topic" | "filter" | "enable_message_ordering" | "detached" => {
                    return Err(ApiError::invalid_argument(format!(
                        "Invalid update_mask provided in the UpdateSubscriptionRequest: the '{path}' field in the Subscription is not mutable."
                    )));
                }
                _ => return Err(unknown_path("Subscription", path)),
            }
        }
        *self = std::mem::take(self).with_defaults();
        self.check()
    }
}

fn check_retry(retry: &RetryPolicy) -> Result<(), ApiError> {
    let (minimum, maximum) =
        (retry.minimum_backoff.unwrap_or_default(), retry.maximum_backoff.unwrap_or_default());
    for (field, value) in [("minimum_backoff", minimum), ("maximum_backoff", maximum)] {
        if value > LONGEST_BACKOFF {
            return Err(ApiError::invalid_argument(format!(
                "The value for {field} is out of bounds. You passed {value} in the request, but the value must be between 0s and {LONGEST_BACKOFF}."
            )));
        }
    }
    if minimum > maximum {
        return Err(ApiError::invalid_argument(format!(
            "The value for maximum_backoff is too small. You passed {maximum} in the request, but the minimum value is {minimum}."
        )));
    }
    Ok(())
}

fn check_dead_letter(policy: &DeadLetterPolicy) -> Result<(), ApiError> {
    Kind::Topic.check_field("dead_letter_topic", &policy.dead_letter_topic)?;
    let attempts = policy.max_delivery_attempts;
    let (which, bound, limit) = match attempts {
        ..FEWEST_ATTEMPTS => ("small", "minimum", FEWEST_ATTEMPTS),
        FEWEST_ATTEMPTS..=MOST_ATTEMPTS => return Ok(()),
        _ => ("large", "maximum", MOST_ATTEMPTS),
    };
    Err(ApiError::out_of_range(format!(
        "The value for max_delivery_attempts is too {which}. You passed {attempts} in the request, but the {bound} value is {limit}."
    )))
}

/// 10–600 seconds.
pub(super) fn check_ack_deadline(seconds: i32) -> Result<(), ApiError> {
    if (10..=600).contains(&seconds) {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "Invalid ack deadline given (ack_deadline_seconds={seconds}). Ack deadlines must be between 10 and 600 seconds."
    )))
}

/// 10 minutes – 31 days.
pub(super) fn check_retention(retention: Option<Span>) -> Result<(), ApiError> {
    let (shortest, longest) = (Span::seconds(600), Span::seconds(31 * DAY));
    match retention {
        Some(span) if span < shortest => Err(ApiError::invalid_argument(format!(
            "The value for message_retention_duration is too small. You passed {span} in the request, but the minimum value is {shortest}."
        ))),
        Some(span) if span > longest => Err(ApiError::invalid_argument(format!(
            "The value for message_retention_duration is too large. You passed {span} in the request, but the maximum value is {longest}."
        ))),
        _ => Ok(()),
    }
}

pub(super) fn unknown_path(message: &str, path: &str) -> ApiError {
    ApiError::invalid_argument(format!(
        "Invalid update_mask provided in the Update{message}Request: '{path}' is not a known {message} field. Note that field paths must be of the form 'push_config' rather than 'pushConfig'."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription() -> Subscription {
        Subscription {
            name: "projects/p/subscriptions/work".into(),
            topic: "projects/p/topics/items".into(),
            ..Subscription::default()
        }
        .with_defaults()
    }

    fn paths(mask: &[&str]) -> Vec<String> {
        mask.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn defaults_are_googles() {
        let json = serde_json::to_value(subscription()).expect("JSON");
        assert_eq!(
            json,
            serde_json::json!({
                "name": "projects/p/subscriptions/work",
                "topic": "projects/p/topics/items",
                "ackDeadlineSeconds": 10,
                "messageRetentionDuration": "604800s",
                "expirationPolicy": {"ttl": "2678400s"},
            })
        );
    }

    #[test]
    fn an_expiration_policy_without_ttl_stays_as_it_was_sent() {
        let never = Subscription { expiration_policy: Some(ExpirationPolicy::default()), ..subscription() };
        assert_eq!(never.clone().with_defaults().expiration_policy, never.expiration_policy);
    }

    #[test]
    fn back_off_doubles_from_the_minimum_to_the_maximum() {
        let retry =
            RetryPolicy { minimum_backoff: Some(Span::seconds(1)), maximum_backoff: Some(Span::seconds(5)) };
        let rests: Vec<u64> = (1..=5).map(|attempts| retry.backoff(attempts).as_secs()).collect();
        assert_eq!(rests, [1, 2, 4, 5, 5]);
        assert_eq!(retry.backoff(u32::MAX).as_secs(), 5);
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let wrong: [fn(&mut Subscription); 7] = [
            |s| s.ack_deadline_seconds = 5,
            |s| s.ack_deadline_seconds = 601,
            |s| s.message_retention_duration = Some(Span::seconds(599)),
            |s| s.message_retention_duration = Some(Span::seconds(32 * DAY)),
            |s| s.expiration_policy = Some(ExpirationPolicy { ttl: Some(Span::seconds(60)) }),
            |s| {
                s.dead_letter_policy = Some(DeadLetterPolicy {
                    dead_letter_topic: "projects/p/topics/dead".into(),
                    max_delivery_attempts: 4,
                });
            },
            |s| {
                s.retry_policy = Some(RetryPolicy {
                    minimum_backoff: Some(Span::seconds(9)),
                    maximum_backoff: Some(Span::seconds(8)),
                });
            },
        ];
        for change in wrong {
            let mut subscription = subscription();
            assert_eq!(subscription.check(), Ok(()));
            change(&mut subscription);
            assert!(subscription.check().is_err(), "{subscription:?}");
        }
    }

    #[test]
    fn only_what_the_mask_names_changes_and_the_filter_never_does() {
        let mut live = subscription();
        let new = Subscription { ack_deadline_seconds: 60, filter: "attributes:x".into(), ..subscription() };
        live.update(&new, &paths(&["ack_deadline_seconds"])).expect("update");
        assert_eq!(live, Subscription { ack_deadline_seconds: 60, ..subscription() });

        let error = live.update(&new, &paths(&["filter"])).expect_err("refused");
        assert!(error.message.contains("'filter' field in the Subscription is not mutable"), "{error}");
    }
}
