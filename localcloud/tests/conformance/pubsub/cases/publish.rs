//! What may be published, and what arrives of it.

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    PublishRequest, PublishResponse, PubsubMessage, Subscription,
};

use crate::pubsub::stage::{SOON, Stage, message};

fn attributed(attributes: impl IntoIterator<Item = (String, String)>) -> PubsubMessage {
    PubsubMessage { attributes: attributes.into_iter().collect(), ..message("x") }
}

pub(super) async fn limits(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    let count = |answer: &PublishResponse| format!("{} ids", answer.message_ids.len());
    let many = |count: usize| (0..count).map(|n| message(n.to_string())).collect();
    let pairs = |count: usize| attributed((0..count).map(|n| (format!("k{n}"), "v".to_owned())));
    let pair = |key: &str, value: &str| attributed([(key.to_owned(), value.to_owned())]);
    let large = |bytes: usize| PubsubMessage { data: vec![b'x'; bytes].into(), ..Default::default() };
    let steps: Vec<(&str, Vec<PubsubMessage>)> = vec![
        ("no message", vec![]),
        ("an empty message", vec![PubsubMessage::default()]),
        ("an empty message among others", vec![message("x"), PubsubMessage::default()]),
        ("only attributes", vec![PubsubMessage { data: Vec::new().into(), ..pair("k", "v") }]),
        ("only an ordering key", vec![PubsubMessage { ordering_key: "k".into(), ..Default::default() }]),
        ("1,000 messages", many(1000)),
        ("1,001 messages", many(1001)),
        ("9,900,000 bytes", vec![large(9_900_000)]),
        ("10,000,001 bytes", vec![large(10_000_001)]),
        ("12,000,000 bytes in two", vec![large(6_000_000), large(6_000_000)]),
        ("100 attributes", vec![pairs(100)]),
        ("101 attributes", vec![pairs(101)]),
        ("a key of 256 bytes", vec![pair(&"k".repeat(256), "v")]),
        ("a key of 257 bytes", vec![pair(&"k".repeat(257), "v")]),
        ("a value of 1,024 bytes", vec![pair("k", &"v".repeat(1024))]),
        ("a value of 1,025 bytes", vec![pair("k", &"v".repeat(1025))]),
        ("an empty key", vec![pair("", "v")]),
        ("a key that begins with goog", vec![pair("google", "v")]),
        (
            "an ordering key of 1,025 bytes",
            vec![PubsubMessage { ordering_key: "k".repeat(1025), ..message("x") }],
        ),
    ];
    for (step, messages) in steps {
        let request = PublishRequest { topic: stage.topic("items"), messages };
        // The emulator never answers what is too large for it.
        let patience = if step.starts_with("12,000,000") { SOON / 2 } else { SOON * 2 };
        stage.ended(step, &stage.wire.call_within(patience, "Publisher/Publish", request).await, count);
    }
    for (step, topic) in [
        ("no such topic", stage.topic("absent")),
        ("no name", String::new()),
        ("a subscription's name", stage.subscription("work")),
    ] {
        let request = PublishRequest { topic, messages: vec![message("x")] };
        stage.ended(step, &stage.wire.call("Publisher/Publish", request).await, count);
    }
}

pub(super) async fn contents(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    let sent = PubsubMessage {
        data: vec![0, 159, 146, 150].into(),
        attributes: [("k".to_owned(), "\u{e9}".to_owned())].into(),
        message_id: "mine".into(),
        publish_time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        ..PubsubMessage::default()
    };
    let ids = stage.publish(vec![sent.clone(), sent.clone()]).await.expect("published").message_ids;
    stage.note("ids are numbers", ids.iter().all(|id| id.parse::<u64>().is_ok()).to_string());
    stage.note("ids differ", (ids[0] != ids[1]).to_string());
    let got = stage.take("work", 2).await.remove(0).message.expect("a message");
    stage.note("the data", format!("{:?}", got.data));
    stage.note("the attributes", format!("{:?}", got.attributes));
    stage.note("the id is one of the answer's", ids.contains(&got.message_id).to_string());
    stage.note(
        "the time is the server's",
        got.publish_time.is_some_and(|at| at.seconds > 1_600_000_000).to_string(),
    );
}
