//! Streaming pull: its requests, its deadline, its end.

use std::time::{Duration, Instant};

use futures::future::join_all;
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    DeleteSubscriptionRequest, StreamingPullRequest, Subscription,
};

use super::lease::LEASE;
use crate::pubsub::show;
use crate::pubsub::stage::{A_WHILE, SOON, Stage, ack_ids, end, gather, timing};
use crate::pubsub::wire::Stream;

fn acks(ack_ids: Vec<String>) -> StreamingPullRequest {
    StreamingPullRequest { ack_ids, ..Default::default() }
}

fn modifies(ack_ids: Vec<String>, seconds: Vec<i32>) -> StreamingPullRequest {
    StreamingPullRequest {
        modify_deadline_ack_ids: ack_ids,
        modify_deadline_seconds: seconds,
        ..Default::default()
    }
}

/// How each of the streams ends, if it does.
async fn ends<const N: usize>(stage: &Stage, streams: [(&str, Stream); N]) {
    let ends = streams.map(async |(step, mut stream)| (step, end(&mut stream, A_WHILE * 10).await));
    for (step, end) in join_all(ends).await {
        stage.note(step, end);
    }
}

pub(super) async fn first_request(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    let work = || StreamingPullRequest {
        subscription: stage.subscription("work"),
        stream_ack_deadline_seconds: 10,
        ..Default::default()
    };
    let deadline = |seconds| StreamingPullRequest { stream_ack_deadline_seconds: seconds, ..work() };
    let steps = [
        ("without a subscription", StreamingPullRequest { subscription: String::new(), ..work() }),
        ("not a name", StreamingPullRequest { subscription: "work".into(), ..work() }),
        (
            "no such subscription",
            StreamingPullRequest { subscription: stage.subscription("absent"), ..work() },
        ),
        ("without a deadline", deadline(0)),
        ("a deadline of 9 s", deadline(9)),
        ("a deadline of 601 s", deadline(601)),
        ("a deadline of -1 s", deadline(-1)),
        ("a negative number of messages", StreamingPullRequest { max_outstanding_messages: -1, ..work() }),
        ("a negative number of bytes", StreamingPullRequest { max_outstanding_bytes: -1, ..work() }),
        (
            "with an ack id that nobody gave",
            StreamingPullRequest { ack_ids: vec!["nonsense".into()], ..work() },
        ),
        ("a client id", StreamingPullRequest { client_id: "me".into(), ..work() }),
        ("right", work()),
    ];
    ends(stage, steps.map(|(step, first)| (step, stage.wire.stream([first])))).await;
    let mut stream = stage.wire.stream([]);
    stream.half_close();
    stage.note("none at all", end(&mut stream, SOON).await);
}

pub(super) async fn later_requests(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    stage.subscribe("other", Subscription::default()).await;
    let base = StreamingPullRequest::default;
    let steps = [
        (
            "the same subscription",
            StreamingPullRequest { subscription: stage.subscription("work"), ..base() },
        ),
        (
            "another subscription",
            StreamingPullRequest { subscription: stage.subscription("other"), ..base() },
        ),
        ("a deadline of 9 s", StreamingPullRequest { stream_ack_deadline_seconds: 9, ..base() }),
        ("a deadline of 60 s", StreamingPullRequest { stream_ack_deadline_seconds: 60, ..base() }),
        ("a client id", StreamingPullRequest { client_id: "me".into(), ..base() }),
        ("flow control", StreamingPullRequest { max_outstanding_messages: 5, ..base() }),
        ("an empty one", base()),
        ("more ids than deadlines", modifies(vec!["a".into(), "b".into()], vec![10])),
        ("an ack id that nobody gave", acks(vec!["nonsense".into()])),
        ("a deadline for an ack id that nobody gave", modifies(vec!["nonsense".into()], vec![10])),
    ];
    let later = |(step, later)| {
        let stream = stage.stream("work", base());
        stream.send(later);
        (step, stream)
    };
    ends(stage, steps.map(later)).await;
}

pub(super) async fn half_close(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    stage.publish_texts(["a"]).await;
    let mut stream = stage.stream("work", StreamingPullRequest::default());
    stage.note("a message", show::texts(&gather(&mut stream, 1, SOON).await));
    stream.half_close();
    stage.note("after the last request", end(&mut stream, SOON).await);
}

pub(super) async fn answers_to_stream(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 60, ..Default::default() }).await;
    stage.publish_texts(["a", "b", "c"]).await;
    let settings = StreamingPullRequest { stream_ack_deadline_seconds: 60, ..Default::default() };
    let mut stream = stage.stream("work", settings);
    let mut held = gather(&mut stream, 3, SOON).await;
    held.sort_by_key(show::text);
    stage.note("messages", show::texts(&held));
    let attempts: Vec<i32> = held.iter().map(|received| received.delivery_attempt).collect();
    stage.note("attempts", format!("{attempts:?}"));
    stream.send(acks(ack_ids(&held[..1])));
    stream.send(modifies(ack_ids(&held[1..]), vec![0, 120]));
    let again = gather(&mut stream, 1, SOON).await;
    stage.note("what is given back comes again", show::texts(&again));
    stream.send(acks(ack_ids(&again)));
    stage.note("nothing else does", show::texts(&gather(&mut stream, 1, A_WHILE).await));
}

pub(super) async fn deleted_subscription(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    stage.publish_texts(["a"]).await;
    let mut stream = stage.stream("work", StreamingPullRequest::default());
    gather(&mut stream, 1, SOON).await;
    let delete = DeleteSubscriptionRequest { subscription: stage.subscription("work") };
    stage.wire.call::<_, ()>("Subscriber/DeleteSubscription", delete).await.expect("deleted");
    stage.note("the stream", end(&mut stream, SOON).await);
}

pub(super) async fn own_deadline(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 600, ..Default::default() }).await;
    stage.publish_texts(["a"]).await;
    let mut stream = stage.stream("work", StreamingPullRequest::default());
    gather(&mut stream, 1, SOON).await;
    let began = Instant::now();
    let again = gather(&mut stream, 1, SOON).await;
    stage.note(
        "a lease of 10 s instead of 600",
        format!("{} {}", show::texts(&again), timing(began.elapsed(), LEASE)),
    );
}

pub(super) async fn changed_deadline(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 600, ..Default::default() }).await;
    stage.publish_texts(["a"]).await;
    let settings = StreamingPullRequest { stream_ack_deadline_seconds: 600, ..Default::default() };
    let mut stream = stage.stream("work", settings);
    let held = gather(&mut stream, 1, SOON).await;
    // Given back with the same request, it comes again under the new deadline.
    let given_back = modifies(ack_ids(&held), vec![0]);
    stream.send(StreamingPullRequest { stream_ack_deadline_seconds: 12, ..given_back });
    gather(&mut stream, 1, SOON).await;
    let began = Instant::now();
    let again = gather(&mut stream, 1, SOON).await;
    let when = timing(began.elapsed(), Duration::from_secs(12));
    stage.note("a lease of 12 s instead of 600", format!("{} {when}", show::texts(&again)));
}
