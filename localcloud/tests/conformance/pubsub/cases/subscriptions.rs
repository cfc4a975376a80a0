//! Settings of subscriptions: what is filled in, kept, refused.

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    DeadLetterPolicy, DeleteSubscriptionRequest, ExpirationPolicy, GetSubscriptionRequest, RetryPolicy,
    Subscription, Topic,
};
use prost_types::Duration;

use crate::pubsub::show;
use crate::pubsub::stage::Stage;

const DAY: i64 = 86_400;

pub(super) fn seconds(seconds: i64) -> Duration {
    Duration { seconds, nanos: 0 }
}

async fn topic(stage: &Stage) {
    let topic = Topic { name: stage.topic("items"), ..Topic::default() };
    stage.create_topic(topic).await.expect("a topic");
}

fn on_items(stage: &Stage, id: &str) -> Subscription {
    Subscription { name: stage.subscription(id), topic: stage.topic("items"), ..Subscription::default() }
}

pub(super) async fn defaults(stage: &Stage) {
    topic(stage).await;
    let work = on_items(stage, "work");
    let created = stage.create_subscription(work.clone()).await;
    stage.ended("create", &created, show::subscription);
    stage.ended("it expires", &created, show::expiration);
    let get = GetSubscriptionRequest { subscription: work.name.clone() };
    stage.ended("get", &stage.wire.call("Subscriber/GetSubscription", get.clone()).await, show::subscription);
    stage.ended("create again", &stage.create_subscription(work.clone()).await, show::subscription);
    let lost = Subscription { topic: stage.topic("absent"), ..on_items(stage, "lost") };
    stage.ended("without its topic", &stage.create_subscription(lost).await, show::subscription);
    let delete = DeleteSubscriptionRequest { subscription: work.name };
    let deleted = stage.wire.call::<_, ()>("Subscriber/DeleteSubscription", delete.clone()).await;
    stage.ended("delete", &deleted, show::ok);
    stage.ended("get deleted", &stage.wire.call("Subscriber/GetSubscription", get).await, show::subscription);
    let deleted = stage.wire.call::<_, ()>("Subscriber/DeleteSubscription", delete).await;
    stage.ended("delete again", &deleted, show::ok);
    let retry = Subscription { retry_policy: Some(RetryPolicy::default()), ..on_items(stage, "retry") };
    stage.ended("an empty retry policy", &stage.create_subscription(retry).await, show::subscription);
    let policy = DeadLetterPolicy { dead_letter_topic: stage.topic("items"), max_delivery_attempts: 0 };
    let dead = Subscription { dead_letter_policy: Some(policy), ..on_items(stage, "dead") };
    stage.ended("dead letters without a number", &stage.create_subscription(dead).await, show::subscription);
}

pub(super) async fn every_setting(stage: &Stage) {
    topic(stage).await;
    let everything = Subscription {
        ack_deadline_seconds: 60,
        retain_acked_messages: true,
        message_retention_duration: Some(seconds(DAY)),
        labels: [("a".to_owned(), "b".to_owned())].into(),
        expiration_policy: Some(ExpirationPolicy { ttl: Some(seconds(2 * DAY)) }),
        filter: "attributes:kind".into(),
        dead_letter_policy: Some(DeadLetterPolicy {
            dead_letter_topic: stage.topic("items"),
            max_delivery_attempts: 7,
        }),
        retry_policy: Some(RetryPolicy {
            minimum_backoff: Some(seconds(1)),
            maximum_backoff: Some(seconds(60)),
        }),
        ..on_items(stage, "work")
    };
    let created = stage.create_subscription(everything).await;
    stage.ended("create", &created, show::subscription);
    stage.ended("it expires", &created, show::expiration);
    let expiration_policy = Some(ExpirationPolicy::default());
    let never = Subscription { expiration_policy, ..on_items(stage, "never") };
    stage.ended("never expires", &stage.create_subscription(never).await, show::expiration);
}

pub(super) async fn bounds(stage: &Stage) {
    topic(stage).await;
    let dead = |attempts| DeadLetterPolicy {
        dead_letter_topic: stage.topic("items"),
        max_delivery_attempts: attempts,
    };
    let retry = |minimum, maximum| {
        let (minimum_backoff, maximum_backoff) = (Some(seconds(minimum)), Some(seconds(maximum)));
        Some(RetryPolicy { minimum_backoff, maximum_backoff })
    };
    let retention =
        |span| Subscription { message_retention_duration: Some(seconds(span)), ..Default::default() };
    let expires = |span| {
        let expiration_policy = Some(ExpirationPolicy { ttl: Some(seconds(span)) });
        Subscription { expiration_policy, ..retention(600) }
    };
    let deadline = |seconds| Subscription { ack_deadline_seconds: seconds, ..Default::default() };
    let letters = |policy| Subscription { dead_letter_policy: Some(policy), ..Default::default() };
    let rests = |retry_policy| Subscription { retry_policy, ..Default::default() };
    let steps = vec![
        ("a deadline of -1 s", deadline(-1)),
        ("a deadline of 9 s", deadline(9)),
        ("a deadline of 600 s", deadline(600)),
        ("a deadline of 601 s", deadline(601)),
        ("a retention of 599 s", retention(599)),
        ("a retention of 600 s", retention(600)),
        ("a retention of 31 days and a second", retention(31 * DAY + 1)),
        ("a negative retention", retention(-1)),
        ("an expiration of an hour", expires(3600)),
        ("an expiration of a day", expires(DAY)),
        ("4 attempts", letters(dead(4))),
        ("5 attempts", letters(dead(5))),
        ("100 attempts", letters(dead(100))),
        ("101 attempts", letters(dead(101))),
        (
            "dead letters to no topic",
            letters(DeadLetterPolicy { max_delivery_attempts: 5, ..Default::default() }),
        ),
        (
            "dead letters to a topic that is not there",
            letters(DeadLetterPolicy { dead_letter_topic: stage.topic("absent"), max_delivery_attempts: 5 }),
        ),
        ("a back-off of 0 s", rests(retry(0, 0))),
        ("a back-off of 600 s", rests(retry(600, 600))),
        ("a back-off of 601 s", rests(retry(10, 601))),
        ("a back-off from 20 s to 10 s", rests(retry(20, 10))),
        ("a negative back-off", rests(retry(-1, 10))),
    ];
    for (number, (step, settings)) in steps.into_iter().enumerate() {
        let settings = Subscription {
            name: stage.subscription(&format!("sub-{number:02}")),
            topic: stage.topic("items"),
            ..settings
        };
        stage.ended(step, &stage.create_subscription(settings).await, show::subscription);
    }
}
