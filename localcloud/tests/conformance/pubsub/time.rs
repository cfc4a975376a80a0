//! What takes minutes and days, of the local cloud alone: the tests move its clock.

use std::time::Duration;

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    DeadLetterPolicy, RetryPolicy, StreamingPullRequest, Subscription, Topic,
};
use prost_types::Duration as Span;

use super::local::Local;
use super::show;
use super::stage::{SOON, Stage, ack_ids, gather};

#[expect(clippy::unnecessary_wraps, reason = "as the fields have it")]
fn seconds(seconds: i64) -> Option<Span> {
    Some(Span { seconds, nanos: 0 })
}

/// What can be leased at this very moment.
async fn now(stage: &Stage) -> String {
    show::texts(&stage.pull("work", 10).await.expect("pulled"))
}

async fn give_back(stage: &Stage) {
    let held = stage.take("work", 1).await;
    stage.modify("work", ack_ids(&held), 0).await.expect("given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_ends_to_the_second_and_a_longer_one_later() {
    let local = Local::start().await;
    let (stage, clock) = (local.stage("leases").await, local.cloud.clock());
    clock.freeze().expect("stopped");
    stage.set_up(Subscription { ack_deadline_seconds: 60, ..Default::default() }).await;
    stage.publish_texts(["a", "b"]).await;
    let held = stage.take("work", 2).await;
    stage.modify("work", ack_ids(&held[1..]), 600).await.expect("extended");
    for (step, comes) in [(59, "nothing"), (1, "a"), (539, "a"), (1, "b")] {
        clock.advance(Duration::from_secs(step)).expect("moved on");
        assert_eq!(now(&stage).await, comes, "after {step} s more");
    }
    local.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_stream_wakes_when_a_lease_ends() {
    let local = Local::start().await;
    let (stage, clock) = (local.stage("wakes").await, local.cloud.clock());
    clock.freeze().expect("stopped");
    stage.set_up(Subscription::default()).await;
    stage.publish_texts(["a"]).await;
    let settings = StreamingPullRequest { stream_ack_deadline_seconds: 600, ..Default::default() };
    let (mut one, mut two) = (stage.stream("work", settings.clone()), stage.stream("work", settings));
    let first = tokio::select! {
        first = gather(&mut one, 1, SOON) => first,
        first = gather(&mut two, 1, SOON) => first,
    };
    clock.advance(Duration::from_mins(10)).expect("moved on");
    let second = tokio::select! {
        second = gather(&mut one, 1, SOON) => second,
        second = gather(&mut two, 1, SOON) => second,
    };
    assert_eq!((show::texts(&first), show::texts(&second)), ("a".into(), "a".into()));
    local.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn back_off_doubles_from_the_minimum_to_the_maximum() {
    let local = Local::start().await;
    let (stage, clock) = (local.stage("back-off").await, local.cloud.clock());
    clock.freeze().expect("stopped");
    let retry_policy = Some(RetryPolicy { minimum_backoff: seconds(10), maximum_backoff: seconds(30) });
    stage.set_up(Subscription { retry_policy, ..Default::default() }).await;
    stage.publish_texts(["a"]).await;
    for rest in [10, 20, 30, 30] {
        give_back(&stage).await;
        clock.advance(Duration::from_secs(rest - 1)).expect("moved on");
        assert_eq!(now(&stage).await, "nothing", "a second before {rest} s");
        clock.advance(Duration::from_secs(1)).expect("moved on");
    }
    assert_eq!(now(&stage).await, "a");
    local.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_acknowledges_goes_when_its_retention_ends() {
    let local = Local::start().await;
    let (stage, clock) = (local.stage("retention").await, local.cloud.clock());
    clock.freeze().expect("stopped");
    stage.set_up(Subscription { message_retention_duration: seconds(600), ..Default::default() }).await;
    stage.publish_texts(["old", "held"]).await;
    stage.take("work", 2).await;
    clock.advance(Duration::from_mins(5)).expect("moved on");
    stage.publish_texts(["young"]).await;
    assert_eq!(show::texts(&stage.take("work", 3).await), "held old young");
    clock.advance(Duration::from_secs(301)).expect("moved on");
    assert_eq!(now(&stage).await, "young");
    local.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_deliveries_are_counted_across_a_restart_until_the_dead_letter() {
    let local = Local::start().await;
    let stage = local.stage("attempts").await;
    let dead = stage.topic("dead");
    stage.create_topic(Topic { name: dead.clone(), ..Topic::default() }).await.expect("a topic");
    stage.subscribe("dead", Subscription { topic: dead.clone(), ..Default::default() }).await;
    let dead_letter_policy = Some(DeadLetterPolicy { dead_letter_topic: dead, max_delivery_attempts: 5 });
    stage.set_up(Subscription { dead_letter_policy, ..Default::default() }).await;
    stage.let_the_agent_bury("work", "dead").await;
    stage.publish_texts(["poison", "fine"]).await;
    let held = stage.take("work", 2).await;
    stage.ack("work", ack_ids(&held[..1])).await.expect("acknowledged");
    stage.modify("work", ack_ids(&held[1..]), 0).await.expect("given back");
    assert_eq!(stage.take("work", 1).await[0].delivery_attempt, 2);
    local.cloud.clock().advance(Duration::from_secs(11)).expect("moved on");
    give_back(&stage).await;

    let local = local.restart().await;
    let stage = local.stage("attempts").await;
    let held = stage.take("work", 1).await;
    assert_eq!((show::texts(&held), held[0].delivery_attempt), ("poison".into(), 4));
    stage.modify("work", ack_ids(&held), 0).await.expect("given back");
    give_back(&stage).await;
    assert_eq!(show::texts(&stage.take("dead", 1).await), "poison");
    assert_eq!(now(&stage).await, "nothing");
    local.cloud.shutdown().await;
}
