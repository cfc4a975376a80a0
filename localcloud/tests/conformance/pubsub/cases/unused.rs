//! What the product uses little or not: filters, ordering, exactly-once, and methods that are not here.

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    CreateSnapshotRequest, ListSnapshotsRequest, ListTopicSnapshotsRequest, ModifyPushConfigRequest,
    PubsubMessage, PushConfig, SeekRequest, StreamingPullRequest, Subscription,
};

use crate::pubsub::show;
use crate::pubsub::stage::{SOON, Stage, ack_ids, gather, message};

pub(super) async fn filters(stage: &Stage) {
    let topic = googleapis_tonic_google_pubsub_v1::google::pubsub::v1::Topic {
        name: stage.topic("items"),
        ..Default::default()
    };
    stage.create_topic(topic).await.expect("a topic");
    let long = format!("attributes:{}", "a".repeat(246));
    for (number, filter) in [
        "attributes:a",
        "attributes.a = \"b\"",
        "attributes.a=\"b\"",
        "attributes.a != \"b\"",
        "NOT attributes:a",
        "-attributes:a",
        "hasPrefix(attributes.a, \"b\")",
        "attributes:a AND attributes:b",
        "attributes:a AND (attributes:b OR attributes:c)",
        "attributes:a AND attributes:b OR attributes:c",
        "attributes:\"a b\"",
        "attributes:iana.org/language_tag",
        "attributes:a-b",
        "  attributes:a  ",
        "attributes",
        "attributes.a",
        "attributes.a = b",
        "attributes.a = \"b",
        "attributes:a attributes:b",
        "attributes:a and attributes:b",
        "attributes:a AND",
        "(attributes:a",
        "data:a",
        "hasPrefix(attributes.a)",
        "hasSuffix(attributes.a, \"b\")",
        "attributes.a < \"b\"",
        "NOT NOT attributes:a",
        "()",
        &long,
    ]
    .into_iter()
    .enumerate()
    {
        let settings = Subscription {
            name: stage.subscription(&format!("sub-{number:02}")),
            topic: stage.topic("items"),
            filter: filter.into(),
            ..Default::default()
        };
        let shown = if filter.len() > 200 { "257 bytes" } else { filter };
        let answer = stage.create_subscription(settings).await;
        let code = answer.as_ref().map_or_else(|status| show::code(status.code()), |_| "OK");
        stage.note(shown, code);
    }
}

pub(super) async fn filtered_messages(stage: &Stage) {
    stage.set_up(Subscription { filter: "attributes.kind = \"a\"".into(), ..Default::default() }).await;
    let filters = [
        ("not", "NOT attributes:kind"),
        ("other", "attributes.kind != \"a\""),
        ("prefix", "hasPrefix(attributes.kind, \"b\")"),
        ("both", "attributes:kind AND attributes:more"),
        ("either", "attributes.kind = \"a\" OR attributes:more"),
    ];
    for (id, filter) in filters {
        stage.subscribe(id, Subscription { filter: filter.into(), ..Default::default() }).await;
    }
    let with = |text: &str, attributes: &[(&str, &str)]| PubsubMessage {
        attributes: attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..message(text)
    };
    let messages = vec![
        with("plain", &[]),
        with("a", &[("kind", "a")]),
        with("b", &[("kind", "b")]),
        with("bee-more", &[("kind", "bee"), ("more", "")]),
    ];
    stage.publish(messages).await.expect("published");
    for (id, count) in [("work", 1), ("not", 1), ("other", 3), ("prefix", 2), ("both", 1), ("either", 2)] {
        stage.note(id, show::texts(&stage.take(id, count).await));
        stage.note(format!("{id}: the rest"), show::texts(&stage.pull(id, 100).await.expect("pulled")));
    }
}

pub(super) async fn ordering_keys(stage: &Stage) {
    stage.set_up(Subscription { enable_message_ordering: true, ..Default::default() }).await;
    let keyed = |text: &str, key: &str| PubsubMessage { ordering_key: key.into(), ..message(text) };
    let messages = vec![keyed("a1", "a"), keyed("a2", "a"), keyed("b1", "b"), keyed("a3", "a")];
    stage.publish(messages).await.expect("published");
    let mut stream = stage.stream("work", StreamingPullRequest::default());
    let mut order = Vec::new();
    while order.len() < 4 {
        let got = gather(&mut stream, 1, SOON).await;
        order.extend(got.iter().map(show::text));
        stream.send(StreamingPullRequest { ack_ids: ack_ids(&got), ..Default::default() });
    }
    order.retain(|text| text.starts_with('a'));
    stage.note("messages of one key", order.join(" "));
}

pub(super) async fn exactly_once(stage: &Stage) {
    let settings =
        Subscription { enable_exactly_once_delivery: true, ack_deadline_seconds: 60, ..Default::default() };
    stage.set_up(settings).await;
    stage.publish_texts(["a"]).await;
    let held = stage.take("work", 1).await;
    stage.ended("acknowledge", &stage.ack("work", ack_ids(&held)).await, show::ok);
    stage.ended("acknowledge again", &stage.ack("work", ack_ids(&held)).await, show::ok);
}

pub(super) async fn methods(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    let (work, project) = (stage.subscription("work"), format!("projects/{}", stage.project));
    let snapshot = CreateSnapshotRequest {
        name: format!("{project}/snapshots/snap"),
        subscription: work.clone(),
        ..Default::default()
    };
    stage.ended(
        "CreateSnapshot",
        &stage.wire.call::<_, ()>("Subscriber/CreateSnapshot", snapshot).await,
        show::ok,
    );
    let list = ListSnapshotsRequest { project, ..Default::default() };
    stage.ended("ListSnapshots", &stage.wire.call::<_, ()>("Subscriber/ListSnapshots", list).await, show::ok);
    let list = ListTopicSnapshotsRequest { topic: stage.topic("items"), ..Default::default() };
    stage.ended(
        "ListTopicSnapshots",
        &stage.wire.call::<_, ()>("Publisher/ListTopicSnapshots", list).await,
        show::ok,
    );
    let seek = SeekRequest { subscription: work.clone(), ..Default::default() };
    stage.ended("Seek", &stage.wire.call::<_, ()>("Subscriber/Seek", seek).await, show::ok);
    let push_config = Some(PushConfig { push_endpoint: "http://127.0.0.1:1/".into(), ..Default::default() });
    let push = ModifyPushConfigRequest { subscription: work, push_config };
    stage.ended(
        "ModifyPushConfig",
        &stage.wire.call::<_, ()>("Subscriber/ModifyPushConfig", push).await,
        show::ok,
    );
    stage.ended("CreateSchema", &stage.wire.call::<_, ()>("SchemaService/CreateSchema", ()).await, show::ok);
    stage.ended(
        "a method that is nowhere",
        &stage.wire.call::<_, ()>("Subscriber/Nonsense", ()).await,
        show::ok,
    );
    stage.ended(
        "a service that is nowhere",
        &stage.wire.call::<_, ()>("Nobody/Nonsense", ()).await,
        show::ok,
    );
}
