//! Topics, and what happens to subscriptions without one.

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    DeleteTopicRequest, DetachSubscriptionRequest, DetachSubscriptionResponse, GetSubscriptionRequest,
    GetTopicRequest, ListTopicSubscriptionsRequest, ListTopicSubscriptionsResponse, StreamingPullRequest,
    Subscription, Topic,
};

use crate::pubsub::show;
use crate::pubsub::stage::{A_WHILE, Stage, end, message};

pub(super) async fn topics(stage: &Stage) {
    let labels = [("a".to_owned(), "b".to_owned()), ("team".to_owned(), String::new())];
    let topic = Topic { name: stage.topic("items"), labels: labels.into(), ..Topic::default() };
    let get = async |step: &str| {
        let request = GetTopicRequest { topic: stage.topic("items") };
        stage.ended(step, &stage.wire.call("Publisher/GetTopic", request).await, show::topic);
    };
    stage.ended("create", &stage.create_topic(topic.clone()).await, show::topic);
    get("get").await;
    stage.ended("create again", &stage.create_topic(topic).await, show::topic);
    let long = Topic {
        name: stage.topic("long"),
        message_retention_duration: Some(prost_types::Duration { seconds: 2_678_401, nanos: 0 }),
        ..Topic::default()
    };
    stage.ended("retention of more than 31 days", &stage.create_topic(long.clone()).await, show::topic);
    let span = prost_types::Duration { seconds: 86_400, nanos: 0 };
    let kept = Topic { message_retention_duration: Some(span), ..long };
    stage.ended("retention of a day", &stage.create_topic(kept).await, show::topic);
    let delete = async |step: &str| {
        let request = DeleteTopicRequest { topic: stage.topic("items") };
        stage.ended(step, &stage.wire.call::<_, ()>("Publisher/DeleteTopic", request).await, show::ok);
    };
    delete("delete").await;
    get("get deleted").await;
    delete("delete again").await;
}

pub(super) async fn a_deleted_topic_leaves_its_subscription(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 600, ..Default::default() }).await;
    stage.publish_texts(["before"]).await;
    let delete = DeleteTopicRequest { topic: stage.topic("items") };
    stage.wire.call::<_, ()>("Publisher/DeleteTopic", delete).await.expect("deleted");
    let get = GetSubscriptionRequest { subscription: stage.subscription("work") };
    let got = stage.wire.call("Subscriber/GetSubscription", get).await;
    stage.ended("the subscription", &got, show::subscription);
    stage.note("its message", show::texts(&stage.take("work", 1).await));
    stage.ended("publish", &stage.publish(vec![message("x")]).await, show::ok);
    let again = Topic { name: stage.topic("items"), ..Topic::default() };
    stage.ended("the topic again", &stage.create_topic(again).await, show::topic);
    stage.publish_texts(["after"]).await;
    stage.note("what the subscription gets of it", stage.rest("work").await);
    let old = Subscription {
        name: stage.subscription("late"),
        topic: "_deleted-topic_".into(),
        ..Subscription::default()
    };
    stage.ended(
        "a subscription on a deleted topic",
        &stage.create_subscription(old).await,
        show::subscription,
    );
}

pub(super) async fn a_detached_subscription(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    stage.publish_texts(["before"]).await;
    let detach = async |step: &str, id: &str| {
        let request = DetachSubscriptionRequest { subscription: stage.subscription(id) };
        let answer =
            stage.wire.call::<_, DetachSubscriptionResponse>("Publisher/DetachSubscription", request);
        stage.ended(step, &answer.await, show::ok);
    };
    detach("detach", "work").await;
    let get = GetSubscriptionRequest { subscription: stage.subscription("work") };
    let got = stage.wire.call("Subscriber/GetSubscription", get).await;
    stage.ended("the subscription", &got, show::subscription);
    stage.ended("pull", &stage.pull("work", 1).await, |messages| show::texts(messages));
    let mut stream = stage.stream("work", StreamingPullRequest::default());
    stage.note("stream", end(&mut stream, A_WHILE * 4).await);
    let list = ListTopicSubscriptionsRequest { topic: stage.topic("items"), ..Default::default() };
    let listed =
        stage.wire.call::<_, ListTopicSubscriptionsResponse>("Publisher/ListTopicSubscriptions", list);
    stage.ended("the topic's subscriptions", &listed.await, |answer| format!("{:?}", answer.subscriptions));
    detach("detach again", "work").await;
    detach("detach nothing", "absent").await;
}
