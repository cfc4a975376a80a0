//! Pub/Sub through the official clients, over real sockets.

use std::time::{Duration, Instant};

use clients::Target;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_iam_v1::model::{Binding, Policy};
use google_cloud_pubsub::client::{SchemaService, SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::{DeadLetterPolicy, ExpirationPolicy, Message, RetryPolicy, Subscription};
use google_cloud_pubsub::subscriber::MessageStream;
use google_cloud_pubsub::subscriber::handler::Handler;
use google_cloud_wkt::FieldMask;

use crate::testing::Server;

const TOPIC: &str = "projects/p/topics/items";
const WORK: &str = "projects/p/subscriptions/work";

/// A message must be there by then.
const SOON: Duration = Duration::from_secs(20);

async fn topics(target: &Target) -> TopicAdmin {
    target.subscriber().await.expect("a client installs TLS");
    let builder = TopicAdmin::builder().with_endpoint(target.endpoint.clone().expect("an endpoint"));
    builder.with_credentials(target.credentials.clone()).build().await.expect("a client")
}

async fn subscriptions(target: &Target) -> SubscriptionAdmin {
    let builder = SubscriptionAdmin::builder().with_endpoint(target.endpoint.clone().expect("an endpoint"));
    builder.with_credentials(target.credentials.clone()).build().await.expect("a client")
}

async fn set_up(server: &Server, subscription: Subscription) -> Subscription {
    let target = server.target();
    topics(&target).await.create_topic().set_name(TOPIC).send().await.expect("a topic");
    create(server, subscription.set_name(WORK).set_topic(TOPIC)).await
}

async fn create(server: &Server, subscription: Subscription) -> Subscription {
    let create = subscriptions(&server.target()).await.create_subscription();
    create.with_request(subscription).send().await.expect("a subscription")
}

async fn publish(server: &Server, texts: &[&str]) {
    let publisher = server.target().publisher().await.expect("a client").publisher(TOPIC).build();
    for text in texts {
        let message = Message::new().set_data(text.to_string()).set_attributes([("text", *text)]);
        publisher.publish(message).await.expect("published");
    }
}

async fn stream(server: &Server, outstanding: i64) -> MessageStream {
    let subscriber = server.target().subscriber().await.expect("a client");
    subscriber.subscribe(WORK).set_max_outstanding_messages(outstanding).build()
}

async fn next(stream: &mut MessageStream) -> (Message, Handler) {
    let next = tokio::time::timeout(SOON, stream.next()).await.expect("a message soon");
    next.expect("an open stream").expect("a message")
}

async fn next_text(stream: &mut MessageStream) -> (String, Handler) {
    let (message, handler) = next(stream).await;
    (String::from_utf8(message.data.to_vec()).expect("text"), handler)
}

/// Grants a role to Pub/Sub's own account.
async fn let_the_agent(server: &Server, resource: &str, role: &str) {
    let number = crate::project::project_number("p");
    let agent = format!("serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com");
    let binding = Binding::new().set_role(role).set_members([agent]);
    let target = server.target();
    let admin = SchemaService::builder().with_endpoint(target.endpoint.expect("an endpoint"));
    let admin = admin.with_credentials(target.credentials).build().await.expect("a client");
    let set = admin.set_iam_policy().set_resource(resource);
    set.set_policy(Policy::new().set_bindings([binding])).send().await.expect("set");
}

/// Waits until so many messages are neither acknowledged nor gone.
async fn until_undelivered(server: &Server, count: usize) {
    let deadline = Instant::now() + SOON;
    while server.pubsub.status()[0].undelivered != count {
        assert!(Instant::now() < deadline, "{:?}", server.pubsub.status());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_and_subscriptions_are_created_changed_listed_and_deleted() {
    let server = Server::start().await;
    let (topics, subscriptions) = (topics(&server.target()).await, subscriptions(&server.target()).await);
    let created = set_up(&server, Subscription::new().set_labels([("a", "b")])).await;
    assert_eq!(created.ack_deadline_seconds, 10);
    assert_eq!(
        created.message_retention_duration.as_ref().map(google_cloud_wkt::Duration::seconds),
        Some(7 * 86_400)
    );
    let got = subscriptions.get_subscription().set_subscription(WORK).send().await.expect("get");
    assert_eq!(got, created);

    let again = topics.create_topic().set_name(TOPIC).send().await.expect_err("it exists");
    assert_eq!(again.http_status_code(), Some(409), "{again:?}");
    let status = again.status().expect("a status");
    assert_eq!(status.message, "Resource already exists in the project (resource=items).");

    let mask = FieldMask::default().set_paths(["ack_deadline_seconds", "labels"]);
    let changed = subscriptions
        .update_subscription()
        .set_subscription(
            Subscription::new().set_name(WORK).set_ack_deadline_seconds(60).set_labels([("c", "d")]),
        )
        .set_update_mask(mask)
        .send()
        .await
        .expect("update");
    assert_eq!(changed, created.clone().set_ack_deadline_seconds(60).set_labels([("c", "d")]));

    for n in 0..5 {
        topics.create_topic().set_name(format!("projects/p/topics/more-{n}")).send().await.expect("create");
    }
    let mut listed = Vec::new();
    let mut items = topics.list_topics().set_project("projects/p").set_page_size(2).by_item();
    while let Some(topic) = items.next().await {
        listed.push(topic.expect("a topic").name);
    }
    assert_eq!(listed.len(), 6);

    topics.delete_topic().set_topic(TOPIC).send().await.expect("delete");
    let orphan = subscriptions.get_subscription().set_subscription(WORK).send().await.expect("get");
    assert_eq!(orphan.topic, "_deleted-topic_");
    subscriptions.delete_subscription().set_subscription(WORK).send().await.expect("delete");
    let gone = subscriptions.get_subscription().set_subscription(WORK).send().await.expect_err("gone");
    assert_eq!(gone.http_status_code(), Some(404));
    assert_eq!(gone.status().expect("a status").message, "Resource not found (resource=work).");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_expiration_policy_is_kept_as_it_was_sent() {
    let server = Server::start().await;
    let never = set_up(&server, Subscription::new().set_expiration_policy(ExpirationPolicy::new())).await;
    assert_eq!(never.expiration_policy, Some(ExpirationPolicy::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_gone_and_the_rest_outlives_a_kill() {
    let server = Server::start().await;
    set_up(&server, Subscription::new()).await;
    let texts: Vec<String> = (0..20).map(|n| format!("item-{n:02}")).collect();
    publish(&server, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;

    let mut work = stream(&server, 5).await;
    let mut acked = Vec::new();
    for _ in 0..10 {
        let (text, handler) = next_text(&mut work).await;
        handler.ack();
        acked.push(text);
    }
    until_undelivered(&server, 10).await;
    drop(work);

    let server = server.restart().await;
    until_undelivered(&server, 10).await;
    let mut work = stream(&server, 100).await;
    let mut rest = Vec::new();
    for _ in 0..10 {
        let (text, handler) = next_text(&mut work).await;
        handler.ack();
        rest.push(text);
    }
    until_undelivered(&server, 0).await;
    rest.extend(acked);
    rest.sort();
    assert_eq!(rest, texts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_given_back_comes_again() {
    let server = Server::start().await;
    set_up(&server, Subscription::new()).await;
    publish(&server, &["once"]).await;
    let mut work = stream(&server, 1).await;
    let (first, handler) = next_text(&mut work).await;
    drop(handler);
    let (second, handler) = next_text(&mut work).await;
    assert_eq!((first.as_str(), second.as_str()), ("once", "once"));
    handler.ack();
    until_undelivered(&server, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_holds_no_more_than_it_asked_for() {
    let server = Server::start().await;
    set_up(&server, Subscription::new()).await;
    publish(&server, &["a", "b", "c", "d", "e"]).await;
    let (mut one, mut two) = (stream(&server, 1).await, stream(&server, 2).await);
    let held = [next(&mut one).await, next(&mut two).await, next(&mut two).await];
    let status = server.pubsub.status()[0].clone();
    assert_eq!((status.leased, status.undelivered), (3, 5), "{status:?}");
    // Whoever makes room gets the next: the other has none.
    let [(_, first), (_, second), (_, third)] = held;
    first.ack();
    let fourth = next(&mut one).await.1;
    second.ack();
    let fifth = next(&mut two).await.1;
    [third, fourth, fifth].into_iter().for_each(Handler::ack);
    until_undelivered(&server, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_decides_what_a_subscription_gets() {
    let server = Server::start().await;
    set_up(&server, Subscription::new().set_filter("hasPrefix(attributes.text, \"yes\")")).await;
    publish(&server, &["no-1", "yes-1", "no-2", "yes-2"]).await;
    let mut work = stream(&server, 10).await;
    for expected in ["yes-1", "yes-2"] {
        let (text, handler) = next_text(&mut work).await;
        assert_eq!(text, expected);
        handler.ack();
    }
    until_undelivered(&server, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_too_often_is_forwarded_with_where_it_came_from() {
    let server = Server::start().await;
    let target = server.target();
    let dead_topic = "projects/p/topics/dead";
    topics(&target).await.create_topic().set_name(dead_topic).send().await.expect("a topic");
    let policy = DeadLetterPolicy::new().set_dead_letter_topic(dead_topic).set_max_delivery_attempts(5);
    set_up(&server, Subscription::new().set_dead_letter_policy(policy)).await;
    let dead = "projects/p/subscriptions/dead";
    create(&server, Subscription::new().set_name(dead).set_topic(dead_topic)).await;
    let_the_agent(&server, dead_topic, "roles/pubsub.publisher").await;

    publish(&server, &["poison"]).await;
    let mut work = stream(&server, 1).await;
    for attempt in 1..=5 {
        let (_, handler) = next(&mut work).await;
        assert_eq!(handler.delivery_attempt(), Some(attempt));
        drop(handler);
    }
    // Pub/Sub itself may not take it off the subscription: the message goes on being delivered.
    let (_, handler) = next(&mut work).await;
    assert_eq!(handler.delivery_attempt(), Some(6));
    let_the_agent(&server, WORK, "roles/pubsub.subscriber").await;
    drop(handler);
    let mut letters = target.subscriber().await.expect("a client").subscribe(dead).build();
    let (letter, handler) = next(&mut letters).await;
    let attribute = |name: &str| letter.attributes.get(name).map(String::as_str);
    assert_eq!(attribute("text"), Some("poison"));
    assert_eq!(attribute("CloudPubSubDeadLetterSourceDeliveryCount"), Some("6"));
    assert_eq!(attribute("CloudPubSubDeadLetterSourceSubscription"), Some("work"));
    assert_eq!(attribute("CloudPubSubDeadLetterSourceSubscriptionProject"), Some("p"));
    assert!(attribute("CloudPubSubDeadLetterSourceTopicPublishTime").is_some());
    handler.ack();
    assert!(server.pubsub.status().iter().any(|s| s.name == WORK && s.undelivered == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_rests_as_the_retry_policy_says() {
    let server = Server::start().await;
    let rest = Duration::from_millis(300);
    let wkt = google_cloud_wkt::Duration::try_from(rest).expect("a duration");
    let policy = RetryPolicy::new().set_minimum_backoff(wkt).set_maximum_backoff(wkt);
    set_up(&server, Subscription::new().set_retry_policy(policy)).await;
    publish(&server, &["again"]).await;
    let mut work = stream(&server, 1).await;
    drop(next(&mut work).await);
    let began = Instant::now();
    next(&mut work).await.1.ack();
    assert!(began.elapsed() >= rest, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_subscription_ends_its_streams() {
    let server = Server::start().await;
    set_up(&server, Subscription::new()).await;
    publish(&server, &["one"]).await;
    let mut work = stream(&server, 10).await;
    next(&mut work).await.1.ack();
    let admin = subscriptions(&server.target()).await;
    admin.delete_subscription().set_subscription(WORK).send().await.expect("delete");
    let end = tokio::time::timeout(SOON, work.next()).await.expect("an end soon");
    let error = end.expect("a last word").expect_err("an error");
    assert_eq!(
        error.status().map(|status| status.message.as_str()),
        Some("Resource not found (resource=work).")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_changed_under_their_etag() {
    let server = Server::start().await;
    set_up(&server, Subscription::new()).await;
    let target = server.target();
    let admin = SchemaService::builder().with_endpoint(target.endpoint.expect("an endpoint"));
    let admin = admin.with_credentials(target.credentials).build().await.expect("a client");
    let policy = admin.get_iam_policy().set_resource(TOPIC).send().await.expect("a policy");
    let binding = google_cloud_iam_v1::model::Binding::new();
    let binding = binding.set_role("roles/pubsub.publisher").set_members(["user:a@example.com"]);
    let set = |policy| admin.set_iam_policy().set_resource(TOPIC).set_policy(policy).send();
    let changed = set(policy.clone().set_bindings([binding.clone()])).await.expect("set");
    assert_eq!(changed.bindings, [binding]);
    let stale = set(policy).await.expect_err("stale");
    assert_eq!(stale.http_status_code(), Some(409), "{stale:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_subscriber_gets_two_thousand_messages_a_second() {
    const COUNT: usize = 4_000;
    let server = Server::start().await;
    set_up(&server, Subscription::new()).await;
    let publisher = server.target().publisher().await.expect("a client").publisher(TOPIC).build();
    let sent: Vec<_> =
        (0..COUNT).map(|n| publisher.publish(Message::new().set_data(n.to_string()))).collect();
    for sent in sent {
        sent.await.expect("published");
    }
    let mut work = stream(&server, 1000).await;
    let began = Instant::now();
    for _ in 0..COUNT {
        next(&mut work).await.1.ack();
    }
    until_undelivered(&server, 0).await;
    // A quarter of the promise: other tests run beside this one.
    let most = Duration::from_secs(8);
    assert!(began.elapsed() < most, "{COUNT} messages took {:?}", began.elapsed());
}
