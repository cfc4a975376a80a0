//! What may be a name or a label.

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{GetTopicRequest, Subscription, Topic};

use crate::pubsub::show;
use crate::pubsub::stage::Stage;

pub(super) async fn of_resources(stage: &Stage) {
    let longest = "a".repeat(255);
    let too_long = "a".repeat(256);
    let ids = [
        ("three letters", "abc"),
        ("two letters", "ab"),
        ("everything that is allowed", "aZ09-._~+%25"),
        ("255 letters", &longest),
        ("256 letters", &too_long),
        ("a digit first", "1abc"),
        ("goog first", "google"),
        ("goog within", "a-goog"),
        ("a space", "a b c"),
        ("a letter beyond ASCII", "abc\u{e9}"),
        ("a slash", "abc/def"),
        ("nothing", ""),
    ];
    let short = |text: String| text.replace(&longest, "A*255").replace("A*255a", "A*256");
    for (step, id) in ids {
        let topic = Topic { name: stage.topic(id), ..Topic::default() };
        let answer = stage.create_topic(topic).await;
        stage.note(format!("topic: {step}"), short(answer.as_ref().map_or_else(show::status, show::topic)));
        let get = GetTopicRequest { topic: stage.topic(id) };
        let got = stage.wire.call("Publisher/GetTopic", get).await;
        stage.note(format!("get: {step}"), short(got.as_ref().map_or_else(show::status, show::topic)));
    }
    for (step, name) in [
        ("only an id", "abc"),
        ("no project", "projects//topics/abc"),
        ("another collection", "projects/p/subscriptions/abc"),
        ("a word too many", "/projects/p/topics/abc"),
    ] {
        let topic = Topic { name: name.into(), ..Topic::default() };
        stage.ended(format!("topic: {step}"), &stage.create_topic(topic).await, show::topic);
    }
    for (step, id) in [("two letters", "ab"), ("goog first", "google"), ("a digit first", "1abc")] {
        let settings =
            Subscription { name: stage.subscription(id), topic: stage.topic("abc"), ..Default::default() };
        let answer = stage.create_subscription(settings).await;
        stage.ended(format!("subscription: {step}"), &answer, show::subscription);
    }
    let settings =
        Subscription { name: stage.subscription("work"), topic: "abc".into(), ..Default::default() };
    stage.ended(
        "subscription: a topic's id only",
        &stage.create_subscription(settings).await,
        show::subscription,
    );
}

pub(super) async fn of_labels(stage: &Stage) {
    let longest = "a".repeat(63);
    let too_long = "a".repeat(64);
    for (number, (step, key, value)) in [
        ("63 letters", longest.as_str(), longest.as_str()),
        ("64 letters in a key", &too_long, ""),
        ("64 letters in a value", "a", &too_long),
        ("a capital in a key", "A", ""),
        ("a capital in a value", "a", "A"),
        ("a digit first", "1a", ""),
        ("an empty key", "", "a"),
        ("a space", "a", "a b"),
        ("letters of other alphabets", "\u{e9}", "\u{e9}"),
    ]
    .into_iter()
    .enumerate()
    {
        let labels = [(key.to_owned(), value.to_owned())].into();
        let topic = Topic { name: stage.topic(&format!("topic-{number}")), labels, ..Topic::default() };
        stage.ended(step, &stage.create_topic(topic).await, show::ok);
    }
    for (step, count) in [("64 labels", 64), ("65 labels", 65)] {
        let labels = (0..count).map(|n| (format!("a{n}"), String::new())).collect();
        let topic = Topic { name: stage.topic(&format!("many-{count}")), labels, ..Topic::default() };
        stage.ended(step, &stage.create_topic(topic).await, show::ok);
    }
}
