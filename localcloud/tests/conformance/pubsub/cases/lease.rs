//! Leases: they end, are extended, are given back.

use std::time::{Duration, Instant};

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{ReceivedMessage, Subscription};

use crate::pubsub::show;
use crate::pubsub::stage::{Stage, ack_ids, timing};

/// The shortest lease there is.
pub(super) const LEASE: Duration = Duration::from_secs(10);

pub(super) async fn expires(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 10, ..Default::default() }).await;
    stage.publish_texts(["a", "b"]).await;
    let held = stage.take("work", 2).await;
    let began = Instant::now();
    stage.ack("work", ack_ids(&held[..1])).await.expect("acknowledged");
    let again = stage.take("work", 1).await;
    stage.note("what comes again", show::texts(&again));
    stage.note("when", timing(began.elapsed(), LEASE));
    stage.note("its ack id is new", (again[0].ack_id != held[1].ack_id).to_string());
    let id = |received: &ReceivedMessage| received.message.as_ref().map(|m| m.message_id.clone());
    stage.note("its message id is the same", (id(&again[0]) == id(&held[1])).to_string());
    stage.ack("work", ack_ids(&again)).await.expect("acknowledged");
}

pub(super) async fn is_extended(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 10, ..Default::default() }).await;
    stage.publish_texts(["a", "b"]).await;
    let held = stage.take("work", 2).await;
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.modify("work", ack_ids(&held[..1]), 15).await.expect("extended");
    let first = stage.take("work", 1).await;
    stage.note("first", format!("{} {}", show::texts(&first), timing(began.elapsed(), LEASE)));
    stage.ack("work", ack_ids(&first)).await.expect("acknowledged");
    let second = stage.take("work", 1).await;
    let second = format!("{} {}", show::texts(&second), timing(began.elapsed(), Duration::from_secs(18)));
    stage.note("then", second);
}

pub(super) async fn is_given_back(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 600, ..Default::default() }).await;
    stage.publish_texts(["a"]).await;
    let held = stage.take("work", 1).await;
    stage.ended("give it back", &stage.modify("work", ack_ids(&held), 0).await, show::ok);
    let began = Instant::now();
    let again = stage.take("work", 1).await;
    stage.note("it comes", format!("{} at once: {}", show::texts(&again), began.elapsed() < LEASE));
    stage.ended("give the old lease back", &stage.modify("work", ack_ids(&held), 0).await, show::ok);
    stage.note("which does nothing", stage.rest("work").await);
    stage.ended("acknowledge it by its old id", &stage.ack("work", ack_ids(&held)).await, show::ok);
    stage.ended("give it back again", &stage.modify("work", ack_ids(&again), 0).await, show::ok);
    stage.note("the old id acknowledged nothing", stage.rest("work").await);
}

pub(super) async fn late_acknowledgement(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 10, ..Default::default() }).await;
    stage.publish_texts(["a"]).await;
    let held = stage.take("work", 1).await;
    tokio::time::sleep(LEASE + Duration::from_secs(2)).await;
    stage.ended("a lease for what has ended", &stage.modify("work", ack_ids(&held), 60).await, show::ok);
    stage.note("it comes", stage.rest("work").await);
    stage.ended("acknowledge by the first id", &stage.ack("work", ack_ids(&held)).await, show::ok);
}
