//! Many publishers, and subscribers that acknowledge, give back and vanish at random. The clock
//! stands still while they run: no lease ends, so a message that comes to a second holder while the
//! first has it is a mistake, and so is one that comes after its acknowledgement was answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    ReceivedMessage, StreamingPullRequest, Subscription,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use super::local::Local;
use super::show;
use super::stage::{Stage, ack_ids, gather};

const PUBLISHERS: usize = 4;
const BATCHES: usize = 10;
const BATCH: usize = 25;
const SUBSCRIBERS: usize = 6;
/// A subscriber that hears nothing for so long believes that the queue is empty.
const QUIET: Duration = Duration::from_millis(400);
const LONGEST: Duration = Duration::from_mins(1);

/// Who has which message, as the subscribers know it.
#[derive(Default)]
struct Ledger {
    held: BTreeMap<String, usize>,
    acknowledged: BTreeSet<String>,
    mistakes: Vec<String>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    fn with<T>(&self, what: impl FnOnce(&mut Ledger) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn receives(&self, subscriber: usize, text: &str) {
        self.with(|ledger| {
            if ledger.acknowledged.contains(text) {
                ledger.mistakes.push(format!("{text} came to {subscriber} after its acknowledgement"));
            }
            if let Some(other) = ledger.held.insert(text.to_owned(), subscriber) {
                ledger.mistakes.push(format!("{text} came to {subscriber} while {other} held it"));
            }
        });
    }

    /// Before it is given back: from then on it may come to anybody.
    fn gives_back(&self, text: &str) {
        self.with(|ledger| ledger.held.remove(text));
    }

    /// After the acknowledgement was answered.
    fn has_acknowledged(&self, text: &str) {
        self.with(|ledger| {
            ledger.held.remove(text);
            ledger.acknowledged.insert(text.to_owned());
        });
    }
}

async fn publish(stage: Arc<Stage>, publisher: usize) {
    for batch in 0..BATCHES {
        stage.publish_texts((0..BATCH).map(|n| format!("{publisher}-{batch}-{n}"))).await;
    }
}

/// Works until it hears nothing, or vanishes with what it has.
async fn subscribe(stage: Arc<Stage>, shared: Shared, subscriber: usize, mut random: StdRng) {
    let settings = StreamingPullRequest {
        max_outstanding_messages: random.random_range(1..20),
        stream_ack_deadline_seconds: 10,
        ..Default::default()
    };
    let mut stream = stage.stream("work", settings);
    loop {
        let received = gather(&mut stream, 1, QUIET).await;
        if received.is_empty() {
            return;
        }
        for message in &received {
            shared.receives(subscriber, &show::text(message));
        }
        for message in received {
            match random.random_range(0..100) {
                0..5 => return,
                5..20 => give_back(&stage, &shared, message).await,
                20..30 => {
                    stage.modify("work", vec![message.ack_id.clone()], 60).await.expect("extended");
                    acknowledge(&stage, &shared, message).await;
                }
                _ => acknowledge(&stage, &shared, message).await,
            }
        }
    }
}

async fn give_back(stage: &Stage, shared: &Shared, message: ReceivedMessage) {
    shared.gives_back(&show::text(&message));
    stage.modify("work", ack_ids(&[message]), 0).await.expect("given back");
}

async fn acknowledge(stage: &Stage, shared: &Shared, message: ReceivedMessage) {
    let text = show::text(&message);
    stage.ack("work", ack_ids(&[message])).await.expect("acknowledged");
    shared.has_acknowledged(&text);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_acknowledged_once_or_still_there_and_has_one_holder_at_a_time() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let local = Local::start().await;
    let clock = local.cloud.clock();
    clock.freeze().expect("stopped");
    let stage = Arc::new(local.stage("stress").await);
    stage.set_up(Subscription::default()).await;
    let shared = Shared::default();
    let mut publishing: JoinSet<()> = (0..PUBLISHERS).map(|n| publish(stage.clone(), n)).collect();
    let all = PUBLISHERS * BATCHES * BATCH;
    let began = Instant::now();
    let mut rounds = 0;
    while shared.with(|ledger| ledger.acknowledged.len()) < all {
        assert!(began.elapsed() < LONGEST, "messages are lost: {:?}", shared.with(|l| l.acknowledged.len()));
        rounds += 1;
        let working: JoinSet<()> = (0..SUBSCRIBERS)
            .map(|n| subscribe(stage.clone(), shared.clone(), n, StdRng::seed_from_u64(random.random())))
            .collect();
        working.join_all().await;
        // Nobody is there any more; now the leases of those who vanished end.
        shared.with(|ledger| ledger.held.clear());
        clock.advance(Duration::from_secs(61)).expect("moved on");
    }
    while publishing.join_next().await.is_some() {}
    eprintln!("{all} messages in {rounds} rounds, {:.1?}", began.elapsed());
    assert_eq!(shared.with(|ledger| ledger.mistakes.clone()), Vec::<String>::new());
    assert_eq!(show::texts(&stage.pull("work", 10).await.expect("pulled")), "nothing");
    local.cloud.shutdown().await;
}
