//! Publishes a run's items in batches, with a checkpoint after each. A crash may publish one batch
//! twice; effects stay once. Tells, too, whether somebody stopped halfway.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clients::{Metadata, Target};
use contract::{ItemLine, Message, RunRecord, layout};
use google_cloud_pubsub::model::Message as PubsubMessage;
use jiff::{SignedDuration, Timestamp};

use super::store::Store;
use super::watch::STILL;

/// Items between two checkpoints.
const BATCH: usize = 1000;

/// Publishes what of the run's items is not published yet.
pub(crate) async fn all(store: &Store, pubsub: &Target, record: &RunRecord) -> Result<()> {
    let bucket = &store.bucket;
    if bucket.stat(&layout::published(&record.run)).await?.is_some() {
        return Ok(());
    }
    let lines = store.items(&record.run).await?;
    let done = bucket.list(&layout::batches(&record.run)).await?;
    let done: HashSet<String> = done.into_iter().map(|stored| stored.name).collect();

    let client = pubsub.publisher().await?;
    let publisher = client.publisher(&record.topic).build();
    for (number, batch) in lines.chunks(BATCH).enumerate() {
        let checkpoint = layout::batch(&record.run, number);
        if done.contains(&checkpoint) {
            continue;
        }
        let mut answers = Vec::with_capacity(batch.len());
        for line in batch {
            let ItemLine { item, payload } = line.clone();
            let message = Message { run: record.run.clone(), item, payload };
            let data = Bytes::from(serde_json::to_vec(&message)?);
            answers.push(publisher.publish(PubsubMessage::new().set_data(data)));
        }
        publisher.flush().await;
        for answer in answers {
            answer.await.with_context(|| format!("cannot publish to {}", record.topic))?;
        }
        bucket.create(&checkpoint, Bytes::from_static(b"{}"), Metadata::new()).await?;
    }
    bucket.create(&layout::published(&record.run), Bytes::from_static(b"{}"), Metadata::new()).await?;
    Ok(())
}

/// Why items of an open run are in no queue, if whoever published them has stopped before the end.
pub(crate) async fn interrupted(store: &Store, record: &RunRecord, now: Timestamp) -> Result<Option<String>> {
    if store.bucket.stat(&layout::published(&record.run)).await?.is_some() {
        return Ok(None);
    }
    let checkpoints = store.bucket.list(&layout::batches(&record.run)).await?;
    let last = checkpoints.iter().filter_map(|stored| Timestamp::from_second(stored.created).ok()).max();
    let since = now.duration_since(last.unwrap_or(record.created).max(record.created));
    if since <= STILL.try_into().unwrap_or(SignedDuration::MAX) {
        return Ok(None);
    }
    let published = ((checkpoints.len() * BATCH) as u64).min(record.count);
    Ok(Some(format!(
        "publishing was interrupted {} s ago: {published} of {} items are in the queue; `provision runs watch {}` publishes the rest",
        since.as_secs(),
        record.count,
        record.run
    )))
}
