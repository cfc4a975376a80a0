//! Publishes a run's items in batches, with a checkpoint after each. A crash may publish one batch
//! twice; effects stay once.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clients::{Metadata, Target};
use contract::{ItemLine, Message, RunRecord, layout};
use google_cloud_pubsub::model::Message as PubsubMessage;

use super::store::Store;

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
