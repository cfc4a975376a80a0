//! What goes on within a streaming pull is seen and struck like every other call.

use std::sync::Arc;

use clients::Target;
use google_cloud_pubsub::model::{Message, Subscription};
use google_cloud_pubsub::subscriber::MessageStream;
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{StreamingPullRequest, StreamingPullResponse};
use http::uri::PathAndQuery;
use localcloud::calls::{Fate, Fault, Point, What};
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

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

/// A streaming pull of raw gRPC: the official clients acknowledge by calls of their own.
async fn raw_stream(
    local: &Local,
) -> (mpsc::UnboundedSender<StreamingPullRequest>, Streaming<StreamingPullResponse>) {
    let channel =
        Endpoint::from_shared(local.url().to_owned()).expect("a URL").connect().await.expect("connected");
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.expect("ready");
    let (requests, queue) = mpsc::unbounded_channel();
    let subscription = named("subscriptions", "work");
    let first = StreamingPullRequest {
        subscription,
        stream_ack_deadline_seconds: 60,
        ..StreamingPullRequest::default()
    };
    requests.send(first).expect("sent");
    let queue = futures::stream::unfold(queue, |mut queue| async { Some((queue.recv().await?, queue)) });
    let path = PathAndQuery::from_static("/google.pubsub.v1.Subscriber/StreamingPull");
    let answers = grpc.streaming(Request::new(queue), path, ProstCodec::default()).await.expect("a stream");
    (requests, answers.into_inner())
}

fn acks(delivered: &StreamingPullResponse) -> StreamingPullRequest {
    let ack_ids = delivered.received_messages.iter().map(|message| message.ack_id.clone()).collect();
    StreamingPullRequest { ack_ids, ..StreamingPullRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_counts_if_its_stream_is_cut_after_its_effect_and_not_if_before() {
    for (point, comes_again) in [(Point::before(ACKNOWLEDGE), true), (Point::after(ACKNOWLEDGE), false)] {
        let local = Local::start().await;
        let calls = local.cloud.calls();
        drop(set_up(&local).await);
        let cut = calls.fault(Fault::next(1, point, What::Drop));
        let (requests, mut answers) = raw_stream(&local).await;
        let delivered = soon(answers.message()).await.expect("an answer").expect("a message");
        requests.send(acks(&delivered)).expect("sent");
        soon(answers.message()).await.expect_err("the connection is cut");
        assert_eq!(soon(calls.struck(cut, 0)).await.fate, Fate::Faulted);

        local.cloud.clock().advance(Duration::from_mins(11)).expect("advanced");
        let mark = calls.mark();
        let (_requests, mut answers) = raw_stream(&local).await;
        if comes_again {
            let again = soon(answers.message()).await.expect("an answer").expect("a message");
            assert_eq!(again.received_messages.len(), 1);
        } else {
            soon(calls.reached(&Point::after("pubsub.subscriptions.streamingPull"), mark)).await;
            assert_eq!(told(&calls.since(mark), DELIVER), [""; 0]);
        }
    }
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
    let error = soon(stream.next()).await.expect("an answer").expect_err("an error").to_string();
    assert!(error.contains("does not have permission"), "{error}");
    assert_eq!(soon(calls.struck(failed, 0)).await.fate, Fate::Faulted);
}
