//! Flow control, and how several streams share.

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{StreamingPullRequest, Subscription};

use crate::pubsub::stage::{A_WHILE, Stage, ack_ids, gather};

fn acks(ack_ids: Vec<String>) -> StreamingPullRequest {
    StreamingPullRequest { ack_ids, ..Default::default() }
}

fn outstanding(messages: i64, bytes: i64) -> StreamingPullRequest {
    StreamingPullRequest {
        stream_ack_deadline_seconds: 60,
        max_outstanding_messages: messages,
        max_outstanding_bytes: bytes,
        ..Default::default()
    }
}

pub(super) async fn by_messages(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    stage.publish_texts(0..10).await;
    let mut stream = stage.stream("work", outstanding(3, 0));
    let held = gather(&mut stream, 10, A_WHILE * 8).await;
    stage.note("3 of 10 messages", held.len().to_string());
    stream.send(acks(ack_ids(&held[..1])));
    stage.note("after one acknowledgement", gather(&mut stream, 10, A_WHILE * 8).await.len().to_string());
}

pub(super) async fn by_bytes(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    stage.publish_texts((0..10).map(|n| n.to_string().repeat(1000))).await;
    let mut stream = stage.stream("work", outstanding(0, 2500));
    let held = gather(&mut stream, 10, A_WHILE * 8).await;
    stage.note("2,500 of 10,000 bytes in messages of 1,000", held.len().to_string());
    stream.send(acks(ack_ids(&held)));
    stage.note("after their acknowledgement", gather(&mut stream, 10, A_WHILE * 8).await.len().to_string());
}

pub(super) async fn is_shared(stage: &Stage) {
    stage.set_up(Subscription::default()).await;
    let (mut one, mut two) =
        (stage.stream("work", outstanding(100, 0)), stage.stream("work", outstanding(100, 0)));
    tokio::time::sleep(A_WHILE).await;
    for batch in 0..40 {
        stage.publish_texts([batch]).await;
        tokio::time::sleep(A_WHILE / 20).await;
    }
    let patience = A_WHILE * 8;
    let (first, second) = tokio::join!(gather(&mut one, 40, patience), gather(&mut two, 40, patience));
    let (to_one, to_two) = (first.len(), second.len());
    stage.note("together", (to_one + to_two).to_string());
    stage.note("each gets a fair part of 40", (to_one >= 10 && to_two >= 10).to_string());
}
