//! Update masks: what may change, and what the services say of the rest.

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    DeadLetterPolicy, ExpirationPolicy, RetryPolicy, Subscription, Topic, UpdateSubscriptionRequest,
    UpdateTopicRequest,
};
use prost_types::FieldMask;

use super::subscriptions::seconds;
use crate::pubsub::show;
use crate::pubsub::stage::Stage;

#[expect(clippy::unnecessary_wraps, reason = "as the field has it")]
fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() })
}

pub(super) async fn of_topics(stage: &Stage) {
    let topic = Topic { name: stage.topic("items"), ..Topic::default() };
    stage.create_topic(topic.clone()).await.expect("a topic");
    let changed = Topic {
        labels: [("a".to_owned(), "b".to_owned())].into(),
        message_retention_duration: Some(seconds(3600)),
        ..topic
    };
    let update = async |step: &str, topic: &Topic, update_mask: Option<FieldMask>| {
        let request = UpdateTopicRequest { topic: Some(topic.clone()), update_mask };
        stage.ended(step, &stage.wire.call("Publisher/UpdateTopic", request).await, show::topic);
    };
    for paths in [
        &["message_retention_duration"][..],
        &["labels"],
        &["name"],
        &["kms_key_name"],
        &["nonsense"],
        &["messageRetentionDuration"],
        &["labels.a"],
    ] {
        update(&format!("update {}", paths.join(",")), &changed, mask(paths)).await;
    }
    update("an empty mask", &changed, mask(&[])).await;
    update("no mask", &changed, None).await;
    update(
        "no such topic",
        &Topic { name: stage.topic("absent"), ..changed.clone() },
        mask(&["message_retention_duration"]),
    )
    .await;
    update(
        "a wrong value",
        &Topic { message_retention_duration: Some(seconds(1)), ..changed },
        mask(&["message_retention_duration"]),
    )
    .await;
    let nothing = UpdateTopicRequest { topic: None, update_mask: mask(&["labels"]) };
    let answer = stage.wire.call("Publisher/UpdateTopic", nothing).await;
    stage.ended("no topic", &answer, show::topic);
}

/// Every field with another value than a subscription has by default.
fn changed(stage: &Stage) -> Subscription {
    Subscription {
        topic: stage.topic("other"),
        ack_deadline_seconds: 60,
        retain_acked_messages: true,
        message_retention_duration: Some(seconds(3600)),
        labels: [("a".to_owned(), "b".to_owned())].into(),
        expiration_policy: Some(ExpirationPolicy::default()),
        filter: "attributes:x".into(),
        dead_letter_policy: Some(DeadLetterPolicy {
            dead_letter_topic: stage.topic("items"),
            max_delivery_attempts: 9,
        }),
        retry_policy: Some(RetryPolicy { minimum_backoff: Some(seconds(5)), maximum_backoff: None }),
        enable_message_ordering: true,
        ..Subscription::default()
    }
}

/// Updates a subscription and writes down what came of it.
async fn update(stage: &Stage, step: &str, id: &str, new: Subscription, update_mask: Option<FieldMask>) {
    let new = Subscription { name: stage.subscription(id), ..new };
    let request = UpdateSubscriptionRequest { subscription: Some(new), update_mask };
    let answer = stage.wire.call("Subscriber/UpdateSubscription", request).await;
    stage.ended(step, &answer, show::subscription);
}

pub(super) async fn of_subscriptions(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    for (number, path) in [
        "ack_deadline_seconds",
        "retain_acked_messages",
        "message_retention_duration",
        "labels",
        "expiration_policy",
        "dead_letter_policy",
        "retry_policy",
        "push_config",
        "name",
        "topic",
        "filter",
        "enable_message_ordering",
        "detached",
        "nonsense",
        "ackDeadlineSeconds",
        "retry_policy.minimum_backoff",
        "dead_letter_policy.max_delivery_attempts",
        "expiration_policy.ttl",
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("sub-{number:02}");
        stage.subscribe(&id, Subscription::default()).await;
        update(stage, &format!("update {path}"), &id, changed(stage), mask(&[path])).await;
    }
    let two = Subscription { ack_deadline_seconds: 99, ..Default::default() };
    let paths = mask(&["ack_deadline_seconds", "nonsense"]);
    update(stage, "two at once, one of them wrong", "work", two, paths).await;
    update(stage, "which changes nothing", "work", changed(stage), mask(&["push_config"])).await;
    let policies = mask(&["dead_letter_policy", "retry_policy"]);
    update(stage, "policies", "work", changed(stage), policies.clone()).await;
    update(stage, "policies away", "work", Subscription::default(), policies).await;
    let defaults = mask(&["message_retention_duration", "ack_deadline_seconds"]);
    update(stage, "defaults", "work", Subscription::default(), defaults).await;
    let short = Subscription { ack_deadline_seconds: 5, ..Default::default() };
    update(stage, "a wrong value", "work", short, mask(&["ack_deadline_seconds"])).await;
    update(stage, "an empty mask", "work", changed(stage), mask(&[])).await;
    update(stage, "no mask", "work", changed(stage), None).await;
    update(stage, "no such subscription", "absent", changed(stage), mask(&["retain_acked_messages"])).await;
}
