//! Deliveries that fail: back-off, attempts, dead letters.

use std::time::{Duration, Instant};

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    DeadLetterPolicy, RetryPolicy, Subscription, Topic,
};

use super::lease::LEASE;
use super::subscriptions::seconds;
use crate::pubsub::show;
use crate::pubsub::stage::{Stage, ack_ids, timing};

/// A topic for dead letters, a subscription on it, and the policy that leads there.
async fn dead_letters_to(stage: &Stage, attempts: i32) -> Option<DeadLetterPolicy> {
    let topic = stage.topic("dead");
    stage.create_topic(Topic { name: topic.clone(), ..Topic::default() }).await.expect("a topic");
    stage.subscribe("dead", Subscription { topic: topic.clone(), ..Default::default() }).await;
    Some(DeadLetterPolicy { dead_letter_topic: topic, max_delivery_attempts: attempts })
}

async fn fail(stage: &Stage, times: usize) {
    for _ in 0..times {
        let held = stage.take("work", 1).await;
        stage.note("attempt", held[0].delivery_attempt.to_string());
        stage.modify("work", ack_ids(&held), 0).await.expect("given back");
    }
}

pub(super) async fn back_off(stage: &Stage) {
    let retry_policy =
        Some(RetryPolicy { minimum_backoff: Some(seconds(4)), maximum_backoff: Some(seconds(4)) });
    stage.set_up(Subscription { retry_policy, ack_deadline_seconds: 60, ..Default::default() }).await;
    stage.publish_texts(["a"]).await;
    for step in ["first rest", "second rest"] {
        let held = stage.take("work", 1).await;
        stage.modify("work", ack_ids(&held), 0).await.expect("given back");
        let began = Instant::now();
        stage.modify("work", ack_ids(&stage.take("work", 1).await), 0).await.expect("given back");
        // Of the 4 s that the policy says: the emulator takes a random part off.
        stage.note(step, timing(began.elapsed(), Duration::from_secs(2)));
    }
}

pub(super) async fn attempts_without_dead_letters(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    stage.publish_texts(["a"]).await;
    fail(stage, 3).await;
}

pub(super) async fn dead_letters(stage: &Stage) {
    let dead_letter_policy = dead_letters_to(stage, 5).await;
    stage.set_up(Subscription { dead_letter_policy, ack_deadline_seconds: 60, ..Default::default() }).await;
    stage.let_the_agent_bury("work", "dead").await;
    let mut message = crate::pubsub::stage::message("poison");
    message.attributes = [("kind".to_owned(), "p".to_owned())].into();
    stage.publish(vec![message]).await.expect("published");
    fail(stage, 5).await;
    stage.note("the next pull", stage.rest("work").await);
    let letters = stage.take("dead", 1).await;
    let letter = letters[0].message.as_ref().expect("a message");
    let mut attributes: Vec<_> = letter.attributes.iter().collect();
    attributes.sort();
    for (name, value) in attributes {
        // 2026-11-22T09:30:00.123+00:00, by its shape.
        let shape = |c: char| if c.is_ascii_digit() { '9' } else { c };
        let is_time = name.ends_with("PublishTime");
        let value = if is_time { value.chars().map(shape).collect() } else { value.clone() };
        stage.note(format!("letter: {name}"), value);
    }
    stage.note("letter: text", show::texts(&letters));
    stage.note("letter: attempt", letters[0].delivery_attempt.to_string());
    stage.note("what is left", stage.rest("work").await);
}

pub(super) async fn dead_letters_without_a_topic(stage: &Stage) {
    let dead_letter_policy = dead_letters_to(stage, 5).await;
    stage.set_up(Subscription { dead_letter_policy, ack_deadline_seconds: 60, ..Default::default() }).await;
    let delete = googleapis_tonic_google_pubsub_v1::google::pubsub::v1::DeleteTopicRequest {
        topic: stage.topic("dead"),
    };
    stage.wire.call::<_, ()>("Publisher/DeleteTopic", delete).await.expect("deleted");
    stage.publish_texts(["poison"]).await;
    fail(stage, 6).await;
}

pub(super) async fn expiry_counts(stage: &Stage) {
    let dead_letter_policy = dead_letters_to(stage, 5).await;
    stage.set_up(Subscription { dead_letter_policy, ack_deadline_seconds: 10, ..Default::default() }).await;
    stage.publish_texts(["a"]).await;
    let held = stage.take("work", 1).await;
    stage.note("attempt", held[0].delivery_attempt.to_string());
    let began = Instant::now();
    let again = stage.take("work", 1).await;
    let when = timing(began.elapsed(), LEASE);
    stage.note("attempt", format!("{} {when}", again[0].delivery_attempt));
}
