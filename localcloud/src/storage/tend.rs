//! What the service does by itself, once a day: rules of lifecycles, soft-deleted objects whose
//! time is up, uploads that nobody goes on with.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::error::Result;
use super::generations::{Generation, Key, Life};
use super::lifecycle::{self, Asked};
use super::objects::Source;
use super::precondition::Precondition;
use super::state::Storage;

const DAY: Duration = Duration::from_hours(24);

/// Tends a service until it is dropped.
pub(crate) struct Tending(JoinHandle<()>);

impl Drop for Tending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Storage {
    /// Looks after everything once a day by the clock, until what it returns is dropped. No step of
    /// it waits halfway.
    pub(crate) fn tend_daily(self: &Arc<Self>) -> Tending {
        let storage = self.clone();
        Tending(tokio::spawn(async move {
            loop {
                storage.clock.sleep(DAY).await;
                storage.tend();
            }
        }))
    }

    /// One look after everything. What fails is tried again by the next one.
    pub(super) fn tend(&self) {
        let names: Vec<String> = self.lock().buckets.keys().cloned().collect();
        let buckets = names.iter().try_for_each(|bucket| {
            self.remove_expired(bucket)?;
            self.follow_rules(bucket)
        });
        if let Err(error) = buckets.and_then(|()| self.forget_overdue_uploads()) {
            tracing::warn!(%error, "the buckets could not all be looked after");
        }
    }

    /// Removes soft-deleted generations whose time is up.
    fn remove_expired(&self, bucket: &str) -> Result<()> {
        let now = self.now();
        let mut state = self.lock();
        let Ok(live) = state.bucket_mut(bucket) else { return Ok(()) };
        let is_due =
            |row: &&Generation| matches!(row.object.life, Life::SoftDeleted { until, .. } if until <= now);
        let due: Vec<Generation> = live.generations.iter().filter(is_due).cloned().collect();
        for row in due {
            self.remove(&row)?;
            live.generations.remove(&row.key());
        }
        Ok(())
    }

    fn follow_rules(&self, bucket: &str) -> Result<()> {
        for ((name, generation), metageneration, asked) in self.asked_of(bucket) {
            let condition = Precondition { metageneration: Some(metageneration), ..Precondition::default() };
            let source = Source { bucket: bucket.to_owned(), name, generation: Some(generation), condition };
            // Somebody may have been faster, or keeps a hold on it.
            match self.follow(&source, asked) {
                Err(error) if error.status().is_server_error() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// What the bucket's rules ask for today, generation by generation.
    fn asked_of(&self, bucket: &str) -> Vec<(Key, i64, Asked)> {
        let now = self.now();
        let state = self.lock();
        let Ok(live) = state.bucket(bucket) else { return Vec::new() };
        let Some(lifecycle) = &live.row.bucket.settings.lifecycle else { return Vec::new() };
        let asked = |row: &Generation| {
            let newer = live.generations.newer_than(row);
            let asked = lifecycle::asked(&lifecycle.rule, row, newer, now)?;
            Some((row.key(), row.object.metageneration, asked))
        };
        live.generations.iter().filter_map(asked).collect()
    }

    fn follow(&self, source: &Source, asked: Asked) -> Result<()> {
        match asked {
            Asked::Delete => self.expire(source),
            Asked::SetStorageClass(class) => {
                let now = self.now();
                let set = self.amend(source, |object| {
                    object.storage_class = class;
                    (object.updated, object.classed) = (now, now);
                    Ok(())
                });
                set.map(drop)
            }
        }
    }

    /// A rule deletes a live object as a client does that names no generation.
    fn expire(&self, source: &Source) -> Result<()> {
        let live = self.get_object(source)?.life == Life::Live;
        let condition = Precondition { generation: source.generation, ..source.condition };
        let generation = source.generation.filter(|_| !live);
        self.delete_object(&Source { generation, condition, ..source.clone() })
    }
}
