//! Long queues: how fast they fill and drain, and what a message costs in memory.

use std::time::{Duration, Instant};

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{StreamingPullRequest, Subscription};

use super::local::Local;
use super::stage::{Stage, ack_ids, message};
use super::wire::Stream;

/// Messages of one publish.
const BATCH: usize = 1000;
/// What a message carries.
const BYTES: usize = 100;
/// Most that a queued message may take, all told: content, queue and journal buffers.
const MOST_MEMORY: usize = 2048;

/// Resident memory of this process, which is server and client.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "for people"
)]
fn rate(count: usize, time: Duration) -> usize {
    (count as f64 / time.as_secs_f64()) as usize
}

async fn drain(stage: &Stage, count: usize) {
    let settings = StreamingPullRequest {
        stream_ack_deadline_seconds: 600,
        max_outstanding_messages: 1000,
        ..Default::default()
    };
    let mut stream: Stream = stage.stream("work", settings);
    let mut drained = 0;
    while drained < count {
        let answer = tokio::time::timeout(super::stage::SOON, stream.answer()).await.expect("messages soon");
        let received = answer.expect("an open stream").expect("messages").received_messages;
        drained += received.len();
        stream.send(StreamingPullRequest { ack_ids: ack_ids(&received), ..Default::default() });
    }
}

async fn queue(count: usize, least_rate: usize) {
    let local = Local::start().await;
    let stage = local.stage("load").await;
    stage.set_up(Subscription::default()).await;
    let before = memory();
    let began = Instant::now();
    for _ in 0..count / BATCH {
        stage.publish(vec![message("x".repeat(BYTES)); BATCH]).await.expect("published");
    }
    let published = rate(count, began.elapsed());
    let each = memory().saturating_sub(before) / count;
    let began = Instant::now();
    drain(&stage, count).await;
    let delivered = rate(count, began.elapsed());
    eprintln!("{count} messages: {published}/s published, {each} bytes each, {delivered}/s delivered");
    assert!(each < MOST_MEMORY, "{each} bytes each");
    assert!(published >= least_rate && delivered >= least_rate, "{published}/s, {delivered}/s");
    local.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_messages_are_queued_and_delivered() {
    queue(20_000, 500).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, unless optimised: just million"]
async fn a_million_messages_are_queued_and_delivered() {
    queue(1_000_000, 2_000).await;
}
