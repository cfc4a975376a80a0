//! Moves messages: publish, lease, acknowledge, extend, give back, dead letters, retention.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::admin::{CONSUME, resource};
use super::backlog::{AckId, Delivery, Failed, Failure, Limit, StreamId};
use super::message::{Content, Message, check_publish};
use super::names;
use super::state::{LiveSubscription, Pubsub, State};
use super::subscription::{Subscription, check_ack_deadline};
use crate::error::ApiError;
use crate::iam::caller::Caller;
use crate::project::project_number;

/// Most ack ids in one request.
const MOST_ACK_IDS: usize = 10_000;
/// Most messages, and most bytes, in one answer: what fits clients that take 4 MiB.
pub(super) const LARGEST_ANSWER: Limit = Limit { messages: 1000, bytes: 3 << 20 };

/// What somebody who wants messages got.
pub(super) struct Taken {
    pub(super) deliveries: Vec<Delivery>,
    /// Whether the subscription counts deliveries for its dead letters.
    pub(super) counted: bool,
    /// When it is worth to look again even if nobody publishes.
    pub(super) next_timer: Option<Timestamp>,
}

/// Ack ids that no longer name a lease.
pub(super) struct Invalid(pub(super) Vec<String>);

impl Pubsub {
    /// Publishes messages and returns their ids. They are written down before it returns.
    pub(super) fn publish(&self, topic: &str, contents: Vec<Content>) -> Result<Vec<String>, ApiError> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.topic(topic)?;
        check_publish(&contents)?;
        let messages = contents.into_iter().map(|content| state.stamp(content, now)).collect::<Vec<_>>();
        self.spread(&mut state, topic, &messages)?;
        Ok(messages.iter().map(|message| message.id.to_string()).collect())
    }

    /// Gives messages to the topic's subscriptions: all to all of them, or, with an error, none.
    fn spread(&self, state: &mut State, topic: &str, messages: &[Arc<Message>]) -> Result<(), ApiError> {
        let subscribed = |settings: &Subscription| settings.topic == topic && !settings.detached;
        let subscriptions = || state.subscriptions.iter().filter(|(_, live)| subscribed(&live.row.settings));
        self.save_messages(subscriptions().flat_map(|(name, live)| {
            let passing = messages.iter().filter(|m| live.filter.passes(&m.content.attributes));
            passing.map(move |message| (name.as_str(), message.as_ref()))
        }))?;
        for live in state.subscriptions.values_mut().filter(|live| subscribed(&live.row.settings)) {
            for message in messages.iter().filter(|m| live.filter.passes(&m.content.attributes)) {
                live.backlog.push(message.clone(), 0);
            }
            live.changed.send_replace(());
        }
        Ok(())
    }

    /// Opens a stream on a subscription.
    pub(super) fn open_stream(&self, subscription: &str) -> Result<(StreamId, Listener), ApiError> {
        let stream = self.next_stream();
        let mut state = self.lock();
        let live = state.subscription(subscription)?;
        live.backlog.open(stream);
        Ok((stream, Listener { changed: live.changed.subscribe(), timers: self.timers.subscribe() }))
    }

    /// Listens for messages of a subscription.
    pub(super) fn listen(&self, subscription: &str) -> Result<Listener, ApiError> {
        let changed = self.lock().subscription(subscription)?.changed.subscribe();
        Ok(Listener { changed, timers: self.timers.subscribe() })
    }

    /// Closes a stream.
    pub(super) fn close_stream(&self, subscription: &str, stream: StreamId) {
        if let Ok(live) = self.lock().subscription(subscription) {
            live.backlog.close(stream);
        }
    }

    /// Leases what is ready now. A stream gets its fair share; a pull gets what it asks for.
    pub(super) fn take(
        &self,
        subscription: &str,
        limit: Limit,
        deadline: Option<Duration>,
        stream: Option<StreamId>,
    ) -> Result<Taken, ApiError> {
        let now = self.clock.now();
        let mut state = self.lock();
        self.tick(&mut state, now);
        let earliest = state.next_timer();
        let live = state.subscription(subscription)?;
        if live.row.settings.detached {
            return Err(ApiError::failed_precondition(format!(
                "The subscription is detached from its topic (resource={}).",
                names::id_of(subscription)
            )));
        }
        let mut room = limit;
        if let Some(stream) = stream {
            room = live.backlog.room(stream, limit);
            room.messages = room.messages.min(live.backlog.share()).min(LARGEST_ANSWER.messages);
            room.bytes = room.bytes.min(LARGEST_ANSWER.bytes);
        }
        let until = after(now, deadline.unwrap_or_else(|| live.ack_deadline()));
        let taken = Taken {
            deliveries: live.backlog.lease(room, until, stream),
            counted: live.row.settings.dead_letter_policy.is_some(),
            next_timer: earliest,
        };
        self.tell_timers(earliest, state.next_timer());
        Ok(taken)
    }

    /// Acknowledges deliveries. What is not held any more is returned, for exactly-once delivery.
    pub(super) fn acknowledge(&self, subscription: &str, ack_ids: &[String]) -> Result<Invalid, ApiError> {
        let now = self.clock.now();
        let mut state = self.lock();
        self.tick(&mut state, now);
        let live = state.subscription(subscription)?;
        let strict = live.row.settings.enable_exactly_once_delivery;
        let mut invalid = Vec::new();
        for (text, ack_id) in parse(ack_ids)? {
            if strict && !live.backlog.is_held(ack_id) {
                invalid.push(text.clone());
            } else if let Some(gone) = live.backlog.acknowledge(ack_id) {
                self.erase_message(subscription, gone)?;
            }
        }
        // A stream may have room again, or the next message of an ordering key may have come free.
        live.changed.send_replace(());
        Ok(Invalid(invalid))
    }

    /// Moves the ends of leases to `seconds` from now; 0 gives the messages back.
    pub(super) fn modify_deadline(
        &self,
        subscription: &str,
        ack_ids: &[String],
        seconds: i32,
    ) -> Result<Invalid, ApiError> {
        let Some(extension) = u64::try_from(seconds).ok().filter(|seconds| *seconds <= 600) else {
            return Err(ApiError::invalid_argument(format!(
                "Invalid ack deadline given (ack_deadline_seconds={seconds}). It must be between 0 and 600 seconds."
            )));
        };
        let now = self.clock.now();
        let mut state = self.lock();
        self.tick(&mut state, now);
        let earliest = state.next_timer();
        let ack_ids = parse(ack_ids)?;
        let live = state.subscription(subscription)?;
        let strict = live.row.settings.enable_exactly_once_delivery;
        let (mut invalid, mut failures) = (Vec::new(), Vec::new());
        for (text, ack_id) in ack_ids {
            if strict && !live.backlog.is_held(ack_id) {
                invalid.push(text.clone());
            } else if extension == 0 {
                let fate = live.fate();
                failures.extend(live.backlog.give_back(ack_id, now, fate));
            } else {
                live.backlog.extend(ack_id, after(now, Duration::from_secs(extension)));
            }
        }
        live.changed.send_replace(());
        self.settle(&mut state, subscription, failures, now);
        self.tell_timers(earliest, state.next_timer());
        Ok(Invalid(invalid))
    }

    /// Does everything that is due: leases and rests that end, retention, dead letters.
    pub(super) fn tick(&self, state: &mut State, now: Timestamp) {
        let mut failed = Vec::new();
        for (name, live) in &mut state.subscriptions {
            let retention = live.row.settings.message_retention_duration.unwrap_or_default().0;
            let oldest = now.saturating_sub(retention).unwrap_or(Timestamp::MIN);
            for gone in live.backlog.forget_before(oldest) {
                // A row that stays is forgotten again at the next start.
                let _ = self.erase_message(name, gone);
            }
            if live.backlog.next_timer().is_some_and(|timer| timer <= now) {
                let fate = live.fate();
                failed.push((name.clone(), live.backlog.tick(now, fate)));
                live.changed.send_replace(());
            }
        }
        for (name, failures) in failed {
            self.settle(state, &name, failures, now);
        }
    }

    /// Counts failed deliveries, and forwards the messages that had their last to the dead-letter
    /// topic. What can't be forwarded is delivered again.
    fn settle(&self, state: &mut State, subscription: &str, failures: Vec<Failure>, now: Timestamp) {
        for Failure { delivery, exhausted } in failures {
            // A count that can't be written is one too small after a restart.
            let _ = self.save_attempts(subscription, delivery.message.id, delivery.attempt);
            if exhausted && let Err(error) = self.bury(state, subscription, &delivery, now) {
                tracing::warn!(subscription, message = %delivery.message.id, %error.message, "not dead-lettered");
            }
        }
    }

    fn bury(
        &self,
        state: &mut State,
        subscription: &str,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let policy = &state.subscription(subscription)?.row.settings.dead_letter_policy;
        let Some(topic) = policy.as_ref().map(|policy| policy.dead_letter_topic.clone()) else {
            return Ok(());
        };
        self.agent_may_bury(state, subscription, &topic)?;
        let letter = state.stamp(dead_letter(subscription, delivery), now);
        self.spread(state, &topic, &[letter])?;
        if let Some(gone) = state.subscription(subscription)?.backlog.acknowledge(delivery.ack_id) {
            self.erase_message(subscription, gone)?;
        }
        Ok(())
    }

    /// Whether Pub/Sub itself, in the person of its service agent, may move messages from a
    /// subscription to a dead-letter topic.
    fn agent_may_bury(&self, state: &mut State, subscription: &str, topic: &str) -> Result<(), ApiError> {
        let number = project_number(names::project_of(subscription));
        let email = format!("service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com");
        let agent = Caller::Account { email, unique_id: None };
        let from = resource(subscription, &state.subscription(subscription)?.row.policy);
        let to = resource(topic, &state.topic(topic)?.policy);
        for (permission, on) in [("pubsub.topics.publish", &to), (CONSUME, &from)] {
            if !self.iam.allows(&agent, permission, on) {
                return Err(ApiError::permission_denied(format!(
                    "{agent} lacks {permission} on {}",
                    on.name
                )));
            }
        }
        Ok(())
    }

    /// Wakes whoever sleeps until the earliest timer, if that is earlier now.
    fn tell_timers(&self, was: Option<Timestamp>, is: Option<Timestamp>) {
        if is.is_some_and(|is| was.is_none_or(|was| is < was)) {
            self.timers.send_replace(());
        }
    }
}

/// Hears when it is worth to look for messages again.
pub(super) struct Listener {
    pub(super) changed: tokio::sync::watch::Receiver<()>,
    pub(super) timers: tokio::sync::watch::Receiver<()>,
}

impl LiveSubscription {
    pub(super) fn ack_deadline(&self) -> Duration {
        let seconds = u64::try_from(self.row.settings.ack_deadline_seconds).unwrap_or_default();
        Duration::from_secs(seconds)
    }

    /// What becomes of a message after that many failed deliveries.
    fn fate(&self) -> impl Fn(u32) -> Failed + use<> {
        let most = self.row.settings.dead_letter_policy.as_ref().map(|policy| policy.max_delivery_attempts);
        let most = most.and_then(|most| u32::try_from(most).ok());
        let retry = self.row.settings.retry_policy.clone();
        move |attempts| match (most, &retry) {
            (Some(most), _) if attempts >= most => Failed::Exhausted,
            (_, Some(retry)) => Failed::Again(retry.backoff(attempts)),
            (_, None) => Failed::Again(Duration::ZERO),
        }
    }
}

impl State {
    fn stamp(&mut self, content: Content, now: Timestamp) -> Arc<Message> {
        Arc::new(Message { id: self.next_id(now), published: now, content })
    }

    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.subscriptions.values().filter_map(|live| live.backlog.next_timer()).min()
    }
}

/// A message as it goes to the dead-letter topic.
fn dead_letter(subscription: &str, delivery: &Delivery) -> Content {
    let mut content = delivery.message.content.clone();
    let published = delivery.message.published;
    for (key, value) in [
        ("SourceDeliveryCount", delivery.attempt.to_string()),
        ("SourceSubscription", names::id_of(subscription).to_owned()),
        ("SourceSubscriptionProject", names::project_of(subscription).to_owned()),
        ("SourceTopicPublishTime", published.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string()),
    ] {
        content.attributes.insert(format!("CloudPubSubDeadLetter{key}"), value);
    }
    content
}

fn parse(ack_ids: &[String]) -> Result<Vec<(&String, AckId)>, ApiError> {
    if ack_ids.is_empty() {
        return Err(ApiError::invalid_argument("You have not specified an ack ID in the request."));
    }
    if ack_ids.len() > MOST_ACK_IDS {
        return Err(ApiError::invalid_argument(format!(
            "The value for ack_ids is too large. You passed {} in the request, but the maximum value is {MOST_ACK_IDS}.",
            ack_ids.len()
        )));
    }
    let parse = |text: &String| text.parse();
    let parsed = ack_ids.iter().map(|text| match parse(text) {
        Ok(ack_id) => Ok((text, ack_id)),
        Err(_) => Err(ApiError::invalid_argument(format!(
            "You have passed an invalid ack ID to the service (ack_id={}).",
            text.chars().take(200).collect::<String>()
        ))),
    });
    parsed.collect()
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    now.saturating_add(time).unwrap_or(Timestamp::MAX)
}

/// A stream's own deadline: none, or 10–600 seconds.
pub(super) fn stream_deadline(seconds: i32) -> Result<Option<Duration>, ApiError> {
    if seconds == 0 {
        return Ok(None);
    }
    check_ack_deadline(seconds)?;
    Ok(u64::try_from(seconds).ok().map(Duration::from_secs))
}
