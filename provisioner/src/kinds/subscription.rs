//! `subscription`: a Pub/Sub pull subscription.
//!
//! A dead-letter policy implies its topic, a subscription on that topic (without one, dead letters
//! vanish) and the two grants of Pub/Sub's own service agent.

use anyhow::Result;
use google_cloud_gax::options::RequestOptionsBuilder as _;
use google_cloud_pubsub::model::{self, DeadLetterPolicy, ExpirationPolicy, RetryPolicy};
use google_cloud_wkt::FieldMask;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grant::Grant;
use super::topic::Topic;
use super::{Found, Kind, Place, Table};
use crate::cloud::{Cloud, Marked, errors, limited, marks};
use crate::resource::{Address, Desired, Health, Owner, Revision};
use crate::stack::{FieldProblem, Labels, Reference, Scope, Seconds};

/// A Pub/Sub pull subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscription {
    /// Key of the topic it subscribes to.
    pub topic: String,
    /// How long a message is leased after its worker was last heard of, 10 seconds to 10 minutes.
    #[serde(default = "ack_deadline")]
    pub ack_deadline: Seconds<10, 600>,
    /// How long an unacknowledged message is kept, 10 minutes to 31 days.
    #[serde(default = "retention")]
    pub retention: Seconds<600, 2_678_400>,
    /// How long a message rests before it is delivered again.
    #[serde(default)]
    pub retry: Retry,
    /// Where messages go that are delivered again and again.
    #[serde(default)]
    pub dead_letter: DeadLetter,
    /// Only messages whose attributes match, in Pub/Sub's filter syntax (256 bytes at most).
    #[serde(default)]
    pub filter: String,
    /// After how long without a subscriber Pub/Sub deletes it, 1 day or more; never without it.
    #[serde(default)]
    pub expires: Option<Idle>,
    /// Labels of the subscription.
    #[serde(default)]
    pub labels: Labels,
}

/// How long a subscription may be idle before Pub/Sub deletes it.
type Idle = Seconds<86_400, 3_153_600_000>;

/// Rest before a redelivery: grows from `min` to `max`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retry {
    /// 0 to 10 minutes.
    #[serde(default = "retry_min")]
    pub min: Seconds<0, 600>,
    /// 0 to 10 minutes.
    #[serde(default = "retry_max")]
    pub max: Seconds<0, 600>,
}

/// After how many deliveries a message is a dead letter. Preemptions count here: keep it high.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeadLetter {
    /// 5 to 100; 0 for no dead letters at all.
    #[serde(default = "attempts")]
    #[schemars(range(min = 0, max = 100))]
    pub attempts: u32,
    /// Key of the topic that they go to; without it a topic and a subscription on it are implied.
    // Of a resource, the topic's full name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
}

fn ack_deadline() -> Seconds<10, 600> {
    Seconds::clamped(60)
}

fn retention() -> Seconds<600, 2_678_400> {
    Seconds::clamped(604_800)
}

fn retry_min() -> Seconds<0, 600> {
    Seconds::clamped(1)
}

fn retry_max() -> Seconds<0, 600> {
    Seconds::clamped(60)
}

fn attempts() -> u32 {
    100
}

impl Default for Retry {
    fn default() -> Self {
        Self { min: retry_min(), max: retry_max() }
    }
}

impl Default for DeadLetter {
    fn default() -> Self {
        Self { attempts: attempts(), topic: String::new() }
    }
}

/// What can be changed of a subscription. Pub/Sub has no etag: all of it is sent at once, so that of
/// two writers one wins wholly.
const CHANGEABLE: [&str; 6] = [
    "ack_deadline_seconds",
    "message_retention_duration",
    "retry_policy",
    "dead_letter_policy",
    "expiration_policy",
    "labels",
];

/// The key of what a subscription's dead letters go to.
pub(crate) fn dead(key: &str) -> String {
    format!("{key}-dead")
}

impl Table for Subscription {
    const NAME: &'static str = "subscription";

    fn references(&self) -> Vec<Reference> {
        let topic = Reference { field: &["topic"], table: "topic", key: self.topic.clone() };
        let dead = (!self.dead_letter.topic.is_empty()).then(|| Reference {
            field: &["dead_letter", "topic"],
            table: "topic",
            key: self.dead_letter.topic.clone(),
        });
        [topic].into_iter().chain(dead).collect()
    }

    fn introduce(&self, key: &str, scope: &mut Scope) {
        scope.topic_of.insert(key.to_owned(), self.topic.clone());
        scope.lease_of.insert(key.to_owned(), self.ack_deadline.get());
        scope.retention_of.insert(key.to_owned(), self.retention.get());
        scope.backoff_of.insert(key.to_owned(), self.retry.max.get());
        if self.implies_dead_letters() {
            scope.dead_lettered.insert(key.to_owned());
        }
    }

    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        if self.retry.min.get() > self.retry.max.get() {
            problems.push(FieldProblem::at(&["retry"], "`min` is longer than `max`"));
        }
        if !matches!(self.dead_letter.attempts, 0 | 5..=100) {
            let what = "`attempts` is from 5 to 100, or 0 for no dead letters";
            problems.push(FieldProblem::at(&["dead_letter", "attempts"], what));
        }
        if self.dead_letter.attempts == 0 && !self.dead_letter.topic.is_empty() {
            let what = "with `attempts = 0` nothing goes to that topic";
            problems.push(FieldProblem::at(&["dead_letter", "topic"], what).help("drop one of the two"));
        }
        if self.expires.as_ref().is_some_and(|expires| expires.get() < self.retention.get()) {
            let what = "it expires before its messages do";
            let help =
                "make `expires` at least as long as `retention`, which is 7 days where nothing is said";
            problems.push(FieldProblem::at(&["expires"], what).help(help));
        }
        if self.filter.len() > 256 {
            problems.push(FieldProblem::at(&["filter"], "a filter is at most 256 bytes"));
        }
        for table in ["topic", "subscription"].into_iter().filter(|_| self.implies_dead_letters()) {
            if scope.has(table, &dead(key)) {
                let what = format!("its dead letters need `{table}.{}`, which the file declares", dead(key));
                problems.push(FieldProblem::at(&[], what).help("rename that one"));
            }
        }
        problems
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        let labels = scope.labels("subscription", key, &self.labels);
        let address = Address::new(<Self as Kind>::NAME, key);
        let topic = Address::new(<Topic as Kind>::NAME, &self.topic);
        let id = scope.subscription(key);
        let own = |dead_letter| Self {
            topic: scope.topic(&self.topic),
            labels: labels.clone(),
            dead_letter,
            ..self.clone()
        };
        if self.dead_letter.attempts == 0 {
            return Ok(vec![Desired::new(key, id, &own(self.dead_letter.clone()))?.after([topic])]);
        }
        let implied_key = dead(key);
        let dead_key = if self.implies_dead_letters() { &implied_key } else { &self.dead_letter.topic };
        let dead_topic = scope.topic(dead_key);
        let dead_address = Address::new(<Topic as Kind>::NAME, dead_key);
        let own = own(DeadLetter { topic: dead_topic.clone(), ..self.dead_letter });
        let agent =
            format!("serviceAccount:service-{}@gcp-sa-pubsub.iam.gserviceaccount.com", scope.project.number);
        let publishes = Grant::on_topic(&dead_topic, "roles/pubsub.publisher", &agent);
        let subscribes = Grant::on_subscription(&id, "roles/pubsub.subscriber", &agent);
        let own = Desired::new(key, id, &own)?.after([topic, dead_address.clone()]);
        let publishes = publishes.desired(&format!("{key}-dead-publisher"))?;
        let publishes = publishes.inside(dead_address.clone()).implied(&address);
        let subscribes = subscribes.desired(&format!("{key}-dead-subscriber"))?;
        let subscribes = subscribes.inside(address.clone()).implied(&address);
        if !self.implies_dead_letters() {
            return Ok(vec![own, publishes, subscribes]);
        }
        let dead_subscription = Self {
            topic: dead_topic.clone(),
            ack_deadline: ack_deadline(),
            retention: Seconds::clamped(2_678_400),
            retry: Retry::default(),
            // Dead letters of dead letters would go nowhere.
            dead_letter: DeadLetter { attempts: 0, topic: String::new() },
            filter: String::new(),
            expires: None,
            labels: labels.clone(),
        };
        Ok(vec![
            own,
            Desired::new(dead_key, dead_topic, &Topic { labels, retention: None })?.implied(&address),
            Desired::new(dead_key, scope.subscription(dead_key), &dead_subscription)?
                .after([dead_address])
                .implied(&address),
            publishes,
            subscribes,
        ])
    }
}

impl Kind for Subscription {
    const NAME: &'static str = "subscription";
    const UPDATES_BLINDLY: bool = true;
    const ADOPTABLE: bool = true;
    // Its dead letters would not be the file's any more.
    const LETS_GO: bool = false;
    const FIXED: &'static [(&'static str, &'static str)] = &[
        ("topic", "a subscription's topic is fixed when it is made"),
        ("filter", "a subscription's filter is fixed when it is made"),
    ];

    fn apis(&self) -> &'static [&'static str] {
        &["pubsub"]
    }

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let get = cloud.subscriptions.get_subscription().set_subscription(id);
        let subscription = errors::found(limited("look up the subscription", get.send()).await)?;
        Ok(subscription.map(|subscription| found(cloud, subscription)))
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        let all = cloud.subscriptions_of_project().await?.into_iter().map(|one| found(cloud, one));
        Ok(all.filter(|found| found.owner == Owner::Ours).collect())
    }

    async fn health(cloud: &Cloud, id: &str) -> Result<Option<Health>> {
        let get = cloud.subscriptions.get_subscription().set_subscription(id);
        let live = errors::found(limited("look up the subscription", get.send()).await)?;
        Ok(live.map(|live| Health {
            is_well: live.state == model::subscription::State::Active,
            state: live.state.to_string(),
            // Of a topic that was deleted Pub/Sub only says so in its place.
            conditions: (live.topic == "_deleted-topic_")
                .then(|| "its topic was deleted: nothing reaches it any more".to_owned())
                .into_iter()
                .collect(),
        }))
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let wire = self.wire(cloud, at);
        let create = cloud
            .subscriptions
            .create_subscription()
            // A PUT, that the client would try again untold.
            .with_idempotency(false)
            .set_name(wire.name)
            .set_topic(wire.topic)
            .set_ack_deadline_seconds(wire.ack_deadline_seconds)
            .set_or_clear_message_retention_duration(wire.message_retention_duration)
            .set_or_clear_retry_policy(wire.retry_policy)
            .set_or_clear_dead_letter_policy(wire.dead_letter_policy)
            .set_or_clear_expiration_policy(wire.expiration_policy)
            .set_filter(wire.filter)
            .set_labels(wire.labels);
        limited("create the subscription", create.send()).await.map(drop)
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, _: &[String]) -> Result<()> {
        let mask = FieldMask::default().set_paths(CHANGEABLE);
        let update = cloud.subscriptions.update_subscription();
        let update = update.set_subscription(self.wire(cloud, at)).set_update_mask(mask);
        limited("update the subscription", update.send()).await.map(drop)
    }

    async fn relabel(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let mask = FieldMask::default().set_paths(["labels"]);
        let update = cloud.subscriptions.update_subscription();
        let update = update.set_subscription(self.wire(cloud, at)).set_update_mask(mask);
        limited("label the subscription", update.send()).await.map(drop)
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let delete = cloud.subscriptions.delete_subscription().set_subscription(at.id);
        errors::gone(limited("delete the subscription", delete.send()).await)
    }

    fn by_hand(&self, _: &str, id: &str) -> String {
        format!("gcloud pubsub subscriptions delete {id}")
    }
}

impl Subscription {
    /// Whether what its dead letters need is made with it, and is not in the file itself.
    fn implies_dead_letters(&self) -> bool {
        self.dead_letter.attempts > 0 && self.dead_letter.topic.is_empty()
    }

    fn wire(&self, cloud: &Cloud, at: &Place<'_>) -> model::Subscription {
        let retry = RetryPolicy::new()
            .set_minimum_backoff(super::wkt(self.retry.min))
            .set_maximum_backoff(super::wkt(self.retry.max));
        let dead_letter = (!self.dead_letter.topic.is_empty()).then(|| {
            DeadLetterPolicy::new()
                .set_dead_letter_topic(&self.dead_letter.topic)
                // 5 to 100, checked when the file was read.
                .set_max_delivery_attempts(i32::try_from(self.dead_letter.attempts).unwrap_or(i32::MAX))
        });
        model::Subscription::new()
            .set_name(at.id)
            .set_topic(&self.topic)
            .set_ack_deadline_seconds(i32::try_from(self.ack_deadline.get()).unwrap_or(i32::MAX))
            .set_message_retention_duration(super::wkt(self.retention))
            .set_retry_policy(retry)
            .set_or_clear_dead_letter_policy(dead_letter)
            // Without a ttl: never. Left out, Pub/Sub deletes it after 31 idle days.
            .set_expiration_policy(ExpirationPolicy::new().set_or_clear_ttl(self.expires.map(super::wkt)))
            .set_filter(&self.filter)
            .set_labels(at.labels(cloud, &self.labels))
    }
}

pub(super) fn found(cloud: &Cloud, live: model::Subscription) -> Found<Subscription> {
    let revision = Revision { marks: marks(&live.labels), ..Revision::default() };
    let Marked { owner, key, labels } = cloud.unmarked(live.labels);
    let retry = live.retry_policy.unwrap_or_default();
    let dead = live.dead_letter_policy.unwrap_or_default();
    let fields = Subscription {
        topic: live.topic,
        ack_deadline: Seconds::clamped(u64::try_from(live.ack_deadline_seconds).unwrap_or_default()),
        retention: live.message_retention_duration.map_or_else(retention, super::seconds),
        retry: Retry {
            min: retry.minimum_backoff.map_or(Seconds::clamped(0), super::seconds),
            max: retry.maximum_backoff.map_or(Seconds::clamped(0), super::seconds),
        },
        dead_letter: DeadLetter {
            attempts: u32::try_from(dead.max_delivery_attempts).unwrap_or_default(),
            topic: dead.dead_letter_topic,
        },
        filter: live.filter,
        expires: live.expiration_policy.and_then(|policy| policy.ttl).map(super::seconds),
        labels,
    };
    Found {
        key: super::key(key, &live.name),
        id: live.name,
        owner,
        fields,
        holds: None,
        inside: None,
        revision,
    }
}
