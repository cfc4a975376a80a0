//! What goes on within a streaming pull is seen and struck like every other call.

use std::sync::Arc;

use clients::Target;
use google_cloud_pubsub::model::{Message, Subscription};
use google_cloud_pubsub::subscriber::MessageStream;
use localcloud::calls::{Fate, Fault, Point, What};

use super::*;

const DELIVER: &str = "pubsub.subscriptions.deliver";
const ACKNOWLEDGE: &str = "pubsub.subscriptions.acknowledge";

/// A topic with a message, and a subscription that has it.
async fn set_up(local: &Local) -> MessageStream {
    let (items, work) = (topic("items"), named("subscriptions", "work"));
    topics(local).await.create_topic().set_name(&items).send().await.expect("a topic");
    let subscription = Subscription::new().set_name(&work).set_topic(&items);
    let create = subscriptions(local).await.create_subscription().with_request(subscription);
    create.send().await.expect("a subscription");
    let target = Target::anonymous(local.url());
    let publisher = target.publisher().await.expect("a client").publisher(&items).build();
    publisher.publish(Message::new().set_data("AUD")).await.expect("published");
    target.subscriber().await.expect("a client").subscribe(&work).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delivery_and_acknowledgement_is_a_call() {
    let local = Local::start().await;
    let calls = local.cloud.calls();
    let mut stream = set_up(&local).await;
    let (_, handler) = soon(stream.next()).await.expect("open").expect("a message");
    handler.ack();
    let acked = soon(calls.reached(&Point::after(ACKNOWLEDGE), 0)).await;
    assert_eq!((acked.resource, acked.status.as_deref()), (named("subscriptions", "work"), Some("OK")));
    assert_eq!(told(&calls.since(0), DELIVER), ["OK Answered"]);
    assert_eq!(told(&calls.since(0), "pubsub.topics.publish"), ["OK Answered"]);
    assert_eq!(told(&calls.since(0), "pubsub.subscriptions.streamingPull"), ["OK Effected"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_is_cut_off_before_its_effect_is_none() {
    let local = Local::start().await;
    let calls = local.cloud.calls();
    let cut = calls.fault(Fault::next(1, Point::before(ACKNOWLEDGE), What::Drop));
    let mut stream = set_up(&local).await;
    let (_, handler) = soon(stream.next()).await.expect("open").expect("a message");
    handler.ack();
    assert_eq!(soon(calls.struck(cut, 0)).await.fate, Fate::Faulted);
    // The client opens another stream; the lease ends, and the message comes again.
    let mark = calls.mark();
    soon(calls.reached(&Point::before("pubsub.subscriptions.streamingPull"), mark)).await;
    local.cloud.clock().advance(Duration::from_mins(11)).expect("advanced");
    let (message, handler) = soon(stream.next()).await.expect("open").expect("a message");
    assert_eq!(message.data, "AUD");
    handler.ack();
    soon(calls.reached(&Point::after(ACKNOWLEDGE), mark)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_held_until_it_is_released() {
    let local = Local::start().await;
    let calls = local.cloud.calls();
    let stall = calls.fault(Fault::always(Point::before(DELIVER), What::Stall));
    let mut stream = set_up(&local).await;
    let received = tokio::spawn(async move { stream.next().await.expect("open").expect("a message").0 });
    assert_eq!(soon(calls.struck(stall, 0)).await.fate, Fate::Held);
    assert!(!received.is_finished());
    calls.release(stall);
    assert_eq!(soon(received).await.expect("no panic").data, "AUD");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_error_of_an_action() {
    let local = Local::start().await;
    let calls = Arc::new(local.cloud.calls().clone());
    let failed = calls.fault(Fault::next(1, Point::before(DELIVER), fail("permission-denied")));
    let mut stream = set_up(&local).await;
    let error = soon(stream.next()).await.expect("an answer").err().expect("an error").to_string();
    assert!(error.contains("does not have permission"), "{error}");
    assert_eq!(soon(calls.struck(failed, 0)).await.fate, Fate::Faulted);
}
