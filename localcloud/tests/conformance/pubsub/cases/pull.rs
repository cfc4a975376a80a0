//! Unary pull, and ack ids that are not what they should be.

use std::time::{Duration, Instant};

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{PullRequest, PullResponse, Subscription};

use crate::pubsub::show;
use crate::pubsub::stage::{A_WHILE, Stage, ack_ids};

pub(super) async fn limits(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    stage.ended("nothing there", &stage.pull("work", 1).await, |messages| show::texts(messages));
    stage.ended("at most 0", &stage.pull("work", 0).await, |messages| show::texts(messages));
    stage.ended("at most -1", &stage.pull("work", -1).await, |messages| show::texts(messages));
    stage.ended("no such subscription", &stage.pull("absent", 1).await, |messages| show::texts(messages));
    stage.ended("not a name", &stage.pull("", 1).await, |messages| show::texts(messages));
    stage.publish_texts(["a", "b", "c"]).await;
    let two = stage.pull("work", 2).await.expect("pulled");
    stage.note("at most 2 of 3", two.len().to_string());
    let attempts: Vec<i32> = two.iter().map(|received| received.delivery_attempt).collect();
    stage.note("attempts", format!("{attempts:?}"));
    stage.note("then", stage.take("work", 1).await.len().to_string());
    stage.note("then", stage.rest("work").await);
}

pub(super) async fn waiting(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    let request =
        PullRequest { subscription: stage.subscription("work"), max_messages: 5, ..Default::default() };
    let began = Instant::now();
    let pull = stage.wire.call::<_, PullResponse>("Subscriber/Pull", request);
    let publish = async {
        tokio::time::sleep(A_WHILE).await;
        stage.publish_texts(["late"]).await;
    };
    let (answer, ()) = tokio::join!(pull, publish);
    stage.ended("a pull that waits", &answer, |answer| show::texts(&answer.received_messages));
    let quick = began.elapsed() < A_WHILE + Duration::from_secs(5);
    stage.note("it answers when a message comes", quick.to_string());
}

async fn held(stage: &Stage, texts: &[&str]) -> Vec<String> {
    stage.publish_texts(texts).await;
    ack_ids(&stage.take("work", texts.len()).await)
}

pub(super) async fn acknowledging(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    stage.subscribe("other", Subscription::default()).await;
    let ids = held(stage, &["a", "b"]).await;
    let ack = async |step: &str, id: &str, ids: Vec<String>| {
        stage.ended(step, &stage.ack(id, ids).await, show::ok);
    };
    ack("no ack ids", "work", vec![]).await;
    ack("a malformed ack id", "work", vec!["nonsense".into()]).await;
    ack("an empty ack id", "work", vec![String::new()]).await;
    ack("no such subscription", "absent", ids.clone()).await;
    ack("one of two", "work", ids[..1].to_vec()).await;
    ack("that one again", "work", ids[..1].to_vec()).await;
    let modify = async |step: &str, ids: Vec<String>, seconds: i32| {
        stage.ended(step, &stage.modify("work", ids, seconds).await, show::ok);
    };
    modify("a longer lease for what is acknowledged", ids[..1].to_vec(), 20).await;
    modify("a lease of 600 s", ids[1..].to_vec(), 600).await;
    modify("a lease of 601 s", ids[1..].to_vec(), 601).await;
    modify("a lease of -1 s", ids[1..].to_vec(), -1).await;
    modify("a lease for no ack ids", vec![], 20).await;
    modify("a lease for a malformed ack id", vec!["nonsense".into()], 20).await;
    stage.note("what the other subscription has", show::texts(&stage.take("other", 2).await));
    ack("the last", "work", ids[1..].to_vec()).await;
    stage.note("what is left", stage.rest("work").await);
}
