//! The official client, as the product uses it.

use google_cloud_gax::error::Error;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_pubsub::model::{Message, Subscription};
use google_cloud_wkt::FieldMask;
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1 as wire;

use crate::pubsub::stage::{SOON, Stage};

/// The status line and the text of a failure; `OK` else.
fn ended<T>(answer: &Result<T, Error>) -> String {
    match answer {
        Ok(_) => "OK".into(),
        Err(error) => {
            let code = error.http_status_code().map_or_else(String::new, |code| format!("{code} "));
            let status = error.status().map(|status| format!("{}: {}", status.code, status.message));
            format!("{code}{}", status.unwrap_or_else(|| error.to_string()))
        }
    }
}

pub(super) async fn admin(stage: &Stage) {
    let (topics, subscriptions) = (stage.topics().await, stage.subscriptions().await);
    let (items, work) = (stage.topic("items"), stage.subscription("work"));
    let create = async || topics.create_topic().set_name(&items).set_labels([("a", "b")]).send().await;
    stage.note("create a topic", ended(&create().await));
    stage.note("create it again", ended(&create().await));
    let got = topics.get_topic().set_topic(&items).send().await.expect("a topic");
    stage.note("its labels", format!("{:?}", got.labels));
    let create = async || subscriptions.create_subscription().set_name(&work).set_topic(&items).send().await;
    stage.note("create a subscription", ended(&create().await));
    stage.note("create that again", ended(&create().await));
    let update = subscriptions
        .update_subscription()
        .set_subscription(Subscription::new().set_name(&work).set_ack_deadline_seconds(77))
        .set_update_mask(FieldMask::default().set_paths(["ack_deadline_seconds"]));
    let updated = update.send().await.expect("updated");
    stage.note("updated", format!("{} s", updated.ack_deadline_seconds));
    let mut listed = topics.list_topics().set_project(format!("projects/{}", stage.project)).by_item();
    while let Some(topic) = listed.next().await {
        stage.note("listed", topic.expect("a topic").name);
    }
    let absent = topics.get_topic().set_topic(stage.topic("absent")).send().await;
    stage.note("no such topic", ended(&absent));
    let absent = subscriptions.get_subscription().set_subscription(stage.subscription("absent")).send().await;
    stage.note("no such subscription", ended(&absent));
    stage.note("delete the topic", ended(&topics.delete_topic().set_topic(&items).send().await));
    let orphan =
        subscriptions.get_subscription().set_subscription(&work).send().await.expect("a subscription");
    stage.note("the topic of the subscription", orphan.topic);
    let deleted = subscriptions.delete_subscription().set_subscription(&work).send().await;
    stage.note("delete the subscription", ended(&deleted));
}

pub(super) async fn publish_and_subscribe(stage: &Stage) {
    stage.set_up(wire::Subscription::default()).await;
    let target = stage.target();
    let publisher = target.publisher().await.expect("a client").publisher(stage.topic("items")).build();
    let message = |text: &str| Message::new().set_data(text.to_owned()).set_attributes([("text", text)]);
    let sent: Vec<_> = ["a", "b", "c"].map(|text| publisher.publish(message(text))).into();
    for sent in sent {
        sent.await.expect("published");
    }
    let subscriber = target.subscriber().await.expect("a client");
    let mut stream =
        subscriber.subscribe(stage.subscription("work")).set_max_outstanding_messages(10).build();
    let (mut texts, mut nacked) = (Vec::new(), false);
    // The order is not promised.
    while texts.len() < 3 {
        let next = tokio::time::timeout(SOON, stream.next()).await.expect("a message soon");
        let (message, handler) = next.expect("an open stream").expect("a message");
        let text = String::from_utf8_lossy(&message.data).into_owned();
        if text == "b" && !nacked {
            nacked = true;
            drop(handler);
            continue;
        }
        let (attribute, attempt) = (message.attributes.get("text"), handler.delivery_attempt());
        texts.push(format!("{text} with {attribute:?} and attempt {attempt:?}"));
        handler.ack();
    }
    texts.sort();
    for text in texts {
        stage.note("message", text);
    }
    let shutdown = stream.shutdown_token();
    drop(stream);
    shutdown.shutdown().await;
    stage.note("what stays", stage.rest("work").await);
    let mut absent = subscriber.subscribe(stage.subscription("absent")).build();
    let next = tokio::time::timeout(SOON, absent.next()).await.expect("an answer soon");
    let end =
        next.map(|next| next.map(drop).err().and_then(|error| error.status().map(|s| s.code.to_string())));
    stage.note("from no subscription", format!("{end:?}"));
}
