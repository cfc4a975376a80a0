//! What a worker does when no messages come: it looks whether it must stay for its own run's open
//! items, and publishes again those that the queue seems to have lost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clients::{Bucket, Target};
use contract::{Attempt, ItemLine, Message, RetrySpacing, layout};
use google_cloud_pubsub::model;
use jiff::Timestamp;

use crate::guardian::{LastTried, guarded_by};
use crate::open_items::{OpenItem, OpenItems};
use crate::patience::patiently;
use crate::protocol::wait;
use crate::runs::Run;
use crate::settings::Settings;

/// Silence after which a worker looks for the first time.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// Longest time between two looks.
const SELDOM: Duration = Duration::from_secs(15);
/// Times that items are published again in vain before the worker gives them up as stalled.
const FRUITLESS: u32 = 2;

/// Whether an idle worker goes on waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Somebody has to be here for an open item.
    Stay,
    /// Nothing is left that this worker is needed for.
    Leave,
    /// Items are open, but no message for them comes, however often it is published.
    Stalled,
}

/// A worker's idleness.
pub(crate) struct Idle {
    settings: Settings,
    bucket: Bucket,
    /// The run's items, once they were needed.
    items: Option<OpenItems>,
    /// When the last message came, or items were published again.
    since: Instant,
    next_look: Instant,
    pause: Duration,
    /// Rounds of publishing that brought nothing.
    rounds: u32,
}

impl Idle {
    /// Idle from now on.
    #[must_use]
    pub(crate) fn new(settings: Settings, bucket: Bucket) -> Self {
        let now = Instant::now();
        let next_look = now + FIRST_LOOK;
        Self { settings, bucket, items: None, since: now, next_look, pause: FIRST_LOOK, rounds: 0 }
    }

    /// A message came that was worth its while.
    pub(crate) fn worked(&mut self) {
        self.rounds = 0;
        self.restart();
    }

    /// Waits until it is time to look, looks, and decides. Can be dropped and called again.
    pub(crate) async fn look(&mut self, run: &Run) -> Result<Decision> {
        tokio::time::sleep_until(self.next_look.into()).await;
        self.pause = (self.pause * 2).min(SELDOM);
        self.next_look = Instant::now() + self.pause;
        let (bucket, ours) = (self.bucket.clone(), self.settings.us.clone());
        let items = match &mut self.items {
            Some(items) => items,
            unread => unread.insert(patiently(OpenItems::of(&bucket, &ours.run)).await?),
        };
        let open = patiently(items.look(&bucket)).await?;
        let tried: Vec<LastTried> = open.iter().map(|open| open.history.latest_index_of(&ours.run)).collect();
        let guarded = guarded_by(ours.index, &tried, self.settings.concurrency, run.record.workers);
        tracing::debug!(open = open.len(), guarded = guarded.len(), "idle");
        if guarded.is_empty() {
            return Ok(Decision::Leave);
        }
        if self.since.elapsed() < self.settings.lease + self.settings.backoff {
            return Ok(Decision::Stay);
        }
        let mut lost = Vec::new();
        for open in guarded.into_iter().map(|at| &open[at]) {
            if !is_backing_off(&self.settings, run, open)
                && !patiently(is_live(&self.settings, &bucket, run, open)).await?
            {
                lost.push(open.line);
            }
        }
        if lost.is_empty() {
            return Ok(Decision::Stay);
        }
        if self.rounds == FRUITLESS {
            return Ok(Decision::Stalled);
        }
        patiently(republish(&self.settings, &lost)).await?;
        self.rounds += 1;
        self.since = Instant::now();
        Ok(Decision::Stay)
    }

    fn restart(&mut self) {
        self.since = Instant::now();
        self.pause = FIRST_LOOK;
        self.next_look = self.since + self.pause;
    }
}

/// Whether the item's message is to come later: after its rest, and what the service adds to it.
fn is_backing_off(settings: &Settings, run: &Run, open: &OpenItem<'_>) -> bool {
    let comes = |rest: Timestamp| rest.saturating_add(settings.lease + settings.backoff).ok();
    let comes = open.history.not_before().and_then(comes);
    let RetrySpacing { first_seconds, most_seconds } = run.record.config.retry;
    let most_seconds = most_seconds + (settings.lease + settings.backoff).as_secs();
    let spacing = RetrySpacing { first_seconds, most_seconds };
    comes.is_some_and(|comes| wait(spacing, comes, Timestamp::now()).is_some())
}

/// Whether somebody may still be at work on the item. An attempt of our own index is not: this
/// pod is idle, and an index has one pod at a time. Another's is as long as it may last.
async fn is_live(settings: &Settings, bucket: &Bucket, run: &Run, open: &OpenItem<'_>) -> Result<bool> {
    let Some((number, latest)) = open.history.latest() else { return Ok(false) };
    let ours = &settings.us;
    let by_us = latest.worker_run.as_ref() == Some(&ours.run) && latest.index == Some(ours.index);
    if latest.end.is_some() || by_us {
        return Ok(false);
    }
    let name = layout::attempt(&ours.run, &open.line.item, number);
    let Some((attempt, _)) = bucket.read_json::<Attempt>(&name).await? else { return Ok(false) };
    let longest = Duration::from_secs(run.record.config.item_timeout_seconds) + settings.lease;
    let age = Duration::try_from(Timestamp::now().duration_since(attempt.started)).unwrap_or_default();
    Ok(age < longest)
}

async fn republish(settings: &Settings, lost: &[&ItemLine]) -> Result<()> {
    tracing::warn!("publishing {} items again: no message for them has come for a while", lost.len());
    let publisher = Target::from_variable("PUBSUB_EMULATOR_HOST")?.publisher().await?;
    let publisher = publisher.publisher(&settings.topic).build();
    let sent = lost.iter().map(|line| {
        let message =
            Message { run: settings.us.run.clone(), item: line.item.clone(), payload: line.payload.clone() };
        let data = serde_json::to_vec(&message)?;
        Ok(publisher.publish(model::Message::new().set_data(data)))
    });
    let sent = sent.collect::<Result<Vec<_>>>()?;
    for answer in sent {
        answer.await.with_context(|| format!("cannot publish to {}", settings.topic))?;
    }
    Ok(())
}
