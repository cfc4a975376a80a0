//! Clients that go without a word, and one that is stopped past its lease.

use std::time::Instant;

use futures::future::select_all;
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{StreamingPullRequest, Subscription};

use super::lease::LEASE;
use crate::pubsub::child::Child;
use crate::pubsub::proxy::Proxy;
use crate::pubsub::show;
use crate::pubsub::stage::{A_WHILE, SOON, Stage, ack_ids, gather, timing};
use crate::pubsub::wire::{Stream, Wire};

fn one_at_a_time() -> StreamingPullRequest {
    StreamingPullRequest { max_outstanding_messages: 1, ..Default::default() }
}

/// What another stream gets after the first has gone, at once and after its lease.
async fn then(stage: &Stage, began: Instant) {
    let mut other = stage.stream("work", StreamingPullRequest::default());
    let quick = gather(&mut other, 3, A_WHILE * 7).await;
    stage.note("another stream gets at once", show::texts(&quick));
    let acks = |received: &[_]| StreamingPullRequest { ack_ids: ack_ids(received), ..Default::default() };
    other.send(acks(&quick));
    let late = gather(&mut other, 3 - quick.len(), SOON).await;
    other.send(acks(&late));
    stage.note("after the lease", format!("{} {}", show::texts(&late), timing(began.elapsed(), LEASE)));
}

pub(super) async fn a_cut_connection(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 10, ..Default::default() }).await;
    stage.publish_texts(["a", "b", "c"]).await;
    let proxy = Proxy::start(&stage.url).await;
    let wire = Wire::connect_through(proxy.url(), &stage.url).await;
    let mut doomed = wire.stream([StreamingPullRequest {
        subscription: stage.subscription("work"),
        stream_ack_deadline_seconds: 10,
        ..one_at_a_time()
    }]);
    let held = gather(&mut doomed, 1, SOON).await;
    stage.note("held when the connection is cut", held.len().to_string());
    let began = Instant::now();
    proxy.cut();
    then(stage, began).await;
}

pub(super) async fn a_stream_that_was_reset(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 10, ..Default::default() }).await;
    stage.publish_texts(["a", "b", "c"]).await;
    let mut doomed = stage.stream("work", one_at_a_time());
    let held = gather(&mut doomed, 1, SOON).await;
    stage.note("held when the stream is reset", held.len().to_string());
    let began = Instant::now();
    drop(doomed);
    then(stage, began).await;
}

pub(super) async fn a_stopped_process(stage: &Stage) {
    stage.set_up(Subscription { ack_deadline_seconds: 10, ..Default::default() }).await;
    stage.publish_texts(["a"]).await;
    let mut child = Child::start(&stage.url, &stage.subscription("work"));
    stage.note("the process holds", child.line().await);
    child.stop();
    let began = Instant::now();
    // Many, so that it hardly goes to the stopped process again: its stream is as open as theirs.
    let settings = StreamingPullRequest { stream_ack_deadline_seconds: 60, ..Default::default() };
    let mut others: Vec<Stream> = (0..9).map(|_| stage.stream("work", settings.clone())).collect();
    let first = select_all(others.iter_mut().map(|other| Box::pin(gather(other, 1, SOON))));
    let (got, holder, _) = first.await;
    stage.note("another stream gets", format!("{} {}", show::texts(&got), timing(began.elapsed(), LEASE)));
    child.go_on();
    stage.note("the process goes on and says", child.line().await);
    tokio::time::sleep(A_WHILE).await;
    others[holder].send(StreamingPullRequest {
        modify_deadline_ack_ids: ack_ids(&got),
        modify_deadline_seconds: vec![0],
        ..Default::default()
    });
    let again = select_all(others.iter_mut().map(|other| Box::pin(gather(other, 1, A_WHILE * 4))));
    stage.note("given back by the second holder, it comes again", show::texts(&again.await.0));
}
