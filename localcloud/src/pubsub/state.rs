//! Everything that Pub/Sub knows, and how it is written down: topics and subscriptions as one row
//! each, a message as one row for each subscription that still has to deliver it, and the number of
//! its deliveries that failed as one more. Leases are not written: after a restart everything that
//! is not acknowledged is deliverable, and a delivery under way then is not counted.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::backlog::{Backlog, Gone, StreamId};
use super::filter::Filter;
use super::message::{Content, Message, MessageId};
use super::names;
use super::subscription::Subscription;
use super::topic::Topic;
use crate::clock::Clock;
use crate::error::ApiError;
use crate::iam::{Iam, Policy};
use crate::journal::{Batch, Journal, Tables};

const TOPICS: &str = "pubsub.topics";
const SUBSCRIPTIONS: &str = "pubsub.subscriptions";
const MESSAGES: &str = "pubsub.messages";
const ATTEMPTS: &str = "pubsub.attempts";

/// The service.
pub(crate) struct Pubsub {
    state: Mutex<State>,
    journal: Journal,
    pub(super) clock: Clock,
    /// Who is who in policies.
    pub(super) iam: Arc<Iam>,
    /// Told when the earliest timer of any backlog moves forward.
    pub(super) timers: watch::Sender<()>,
    last_stream: AtomicU64,
}

/// What a person wants to know of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionStatus {
    /// Full name.
    pub name: String,
    /// Messages that are not acknowledged, leased ones among them.
    pub undelivered: usize,
    /// Messages that somebody holds.
    pub leased: usize,
    /// Age of the oldest message, in seconds.
    pub oldest_seconds: Option<u64>,
}

/// Rows of a topic.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TopicRow {
    pub(super) settings: Topic,
    pub(super) policy: Policy,
}

/// Rows of a subscription.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SubscriptionRow {
    pub(super) settings: Subscription,
    pub(super) policy: Policy,
}

#[derive(Serialize, Deserialize)]
struct MessageRow<'a> {
    subscription: std::borrow::Cow<'a, str>,
    id: MessageId,
    published: Timestamp,
    content: std::borrow::Cow<'a, Content>,
}

/// A subscription at work.
pub(super) struct LiveSubscription {
    pub(super) row: SubscriptionRow,
    pub(super) filter: Filter,
    pub(super) backlog: Backlog,
    /// Told when a message becomes ready, and gone with the subscription.
    pub(super) changed: watch::Sender<()>,
}

/// What the lock protects.
#[derive(Default)]
pub(super) struct State {
    pub(super) topics: BTreeMap<String, TopicRow>,
    pub(super) subscriptions: BTreeMap<String, LiveSubscription>,
    last_id: u64,
}

impl Pubsub {
    /// Takes what the journal holds.
    pub(crate) fn open(
        journal: &Journal,
        tables: &mut Tables,
        clock: &Clock,
        iam: &Arc<Iam>,
    ) -> io::Result<Arc<Self>> {
        let mut state = State { topics: tables.take(TOPICS)?, ..State::default() };
        for (name, row) in tables.take::<SubscriptionRow>(SUBSCRIPTIONS)? {
            let live = LiveSubscription::new(row).map_err(|error| io::Error::other(error.message))?;
            state.subscriptions.insert(name, live);
        }
        let attempts = tables.take::<u32>(ATTEMPTS)?;
        for (key, row) in tables.take::<MessageRow<'_>>(MESSAGES)? {
            state.take_in(row, attempts.get(&key).copied().unwrap_or_default());
        }
        Ok(Arc::new(Self {
            state: Mutex::new(state),
            journal: journal.clone(),
            clock: clock.clone(),
            iam: iam.clone(),
            timers: watch::Sender::new(()),
            last_stream: AtomicU64::default(),
        }))
    }

    /// How every subscription stands.
    pub(crate) fn status(&self) -> Vec<SubscriptionStatus> {
        let now = self.clock.now();
        let mut state = self.lock();
        self.tick(&mut state, now);
        let of = |(name, live): (&String, &LiveSubscription)| {
            let counts = live.backlog.counts();
            let age = |oldest| u64::try_from(now.duration_since(oldest).as_secs()).unwrap_or_default();
            SubscriptionStatus {
                name: name.clone(),
                undelivered: counts.undelivered,
                leased: counts.leased,
                oldest_seconds: counts.oldest.map(age),
            }
        };
        state.subscriptions.iter().map(of).collect()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked held the lock between two whole steps: no step here can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_stream(&self) -> StreamId {
        StreamId(self.last_stream.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn save_topic(&self, row: &TopicRow) -> Result<(), ApiError> {
        self.journal.put(TOPICS, &row.settings.name, row).map_err(|error| unwritten(&error))
    }

    pub(super) fn erase_topic(&self, name: &str) -> Result<(), ApiError> {
        self.journal.delete(TOPICS, name).map_err(|error| unwritten(&error))
    }

    pub(super) fn save_subscription(&self, row: &SubscriptionRow) -> Result<(), ApiError> {
        self.journal.put(SUBSCRIPTIONS, &row.settings.name, row).map_err(|error| unwritten(&error))
    }

    pub(super) fn erase_subscription(&self, name: &str) -> Result<(), ApiError> {
        self.journal.delete(SUBSCRIPTIONS, name).map_err(|error| unwritten(&error))
    }

    /// Writes messages down for the subscriptions that have them, all at once.
    pub(super) fn save_messages<'a>(
        &self,
        messages: impl Iterator<Item = (&'a str, &'a Message)>,
    ) -> Result<(), ApiError> {
        let mut batch = Batch::default();
        for (subscription, message) in messages {
            let row = MessageRow {
                subscription: subscription.into(),
                id: message.id,
                published: message.published,
                content: std::borrow::Cow::Borrowed(&message.content),
            };
            let key = message_key(subscription, message.id);
            batch.put(MESSAGES, &key, &row).map_err(|error| unwritten(&error.into()))?;
        }
        self.journal.commit(batch).map_err(|error| unwritten(&error))
    }

    /// Writes down how often a message was delivered in vain.
    pub(super) fn save_attempts(
        &self,
        subscription: &str,
        id: MessageId,
        attempts: u32,
    ) -> Result<(), ApiError> {
        self.journal
            .put(ATTEMPTS, &message_key(subscription, id), &attempts)
            .map_err(|error| unwritten(&error))
    }

    pub(super) fn erase_message(&self, subscription: &str, gone: Gone) -> Result<(), ApiError> {
        let key = message_key(subscription, gone.id);
        self.journal.delete(MESSAGES, &key).map_err(|error| unwritten(&error))?;
        if gone.failed {
            self.journal.delete(ATTEMPTS, &key).map_err(|error| unwritten(&error))?;
        }
        Ok(())
    }
}

impl State {
    /// Ids are microseconds of the clock, and never twice the same: no restart repeats one.
    pub(super) fn next_id(&mut self, now: Timestamp) -> MessageId {
        let now = u64::try_from(now.as_microsecond()).unwrap_or_default();
        self.last_id = now.max(self.last_id + 1);
        MessageId(self.last_id)
    }

    pub(super) fn topic(&self, name: &str) -> Result<&TopicRow, ApiError> {
        names::Kind::Topic.check(name)?;
        self.topics.get(name).ok_or_else(|| names::not_found(name))
    }

    /// Dead letters need a topic when the policy is set. Later it may go.
    pub(super) fn check_dead_letter_topic(&self, settings: &Subscription) -> Result<(), ApiError> {
        let policy = settings.dead_letter_policy.as_ref();
        policy.map_or(Ok(()), |policy| self.topic(&policy.dead_letter_topic).map(drop))
    }

    pub(super) fn subscription(&mut self, name: &str) -> Result<&mut LiveSubscription, ApiError> {
        names::Kind::Subscription.check(name)?;
        self.subscriptions.get_mut(name).ok_or_else(|| names::not_found(name))
    }

    fn take_in(&mut self, row: MessageRow<'static>, attempts: u32) {
        self.last_id = self.last_id.max(row.id.0);
        // A kill between a subscription's deletion and its messages' leaves rows without a home.
        let Some(live) = self.subscriptions.get_mut(row.subscription.as_ref()) else { return };
        let content = row.content.into_owned();
        live.backlog.push(Arc::new(Message { id: row.id, published: row.published, content }), attempts);
    }
}

impl LiveSubscription {
    pub(super) fn new(row: SubscriptionRow) -> Result<Self, ApiError> {
        let filter = Filter::parse(&row.settings.filter)?;
        let backlog = Backlog::new(row.settings.enable_message_ordering);
        Ok(Self { row, filter, backlog, changed: watch::Sender::new(()) })
    }
}

fn message_key(subscription: &str, id: MessageId) -> String {
    format!("{subscription} {id}")
}

fn unwritten(error: &io::Error) -> ApiError {
    ApiError::internal(format!("the local cloud could not write its journal: {error}"))
}
