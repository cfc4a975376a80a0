//! Everything that Cloud Storage knows, and how it survives a kill.
//!
//! Content is written to `uploads/<id>` first. The journal's row of the generation names that id and
//! the object's place; then the file moves to the place. What it replaces has moved aside before. A
//! kill in between is seen at the next start, row by row, in [`State::take_in`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{fs, iter};

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::error::{Result, StorageError};
use super::generations::{Generation, Generations, Life};
use super::limits::Limits;
use super::object::Object;
use super::uploads::Sessions;
use super::{place, retire};
use crate::clock::Clock;
use crate::folder;
use crate::iam::{Iam, Policy, Resource};
use crate::journal::{Journal, Tables};

const BUCKETS: &str = "storage.buckets";
const GENERATIONS: &str = "storage.generations";

/// The service.
pub(crate) struct Storage {
    state: Mutex<State>,
    pub(super) journal: Journal,
    pub(super) clock: Clock,
    /// Who is who in policies.
    pub(super) iam: Arc<Iam>,
    buckets: PathBuf,
    uploads: PathBuf,
    pub(super) sessions: Sessions,
    pub(super) limits: Limits,
    origin: OnceLock<String>,
}

/// Row of a bucket.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct BucketRow {
    pub(super) bucket: Bucket,
    pub(super) policy: Policy,
}

/// A bucket at work.
pub(super) struct LiveBucket {
    pub(super) row: BucketRow,
    pub(super) generations: Generations,
}

/// What the lock protects.
#[derive(Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, LiveBucket>,
    last_generation: i64,
}

impl Storage {
    /// Takes what the journal holds, and finishes what a kill left half-done. `folder` is where
    /// `buckets/` and `uploads/` lie.
    pub(crate) fn open(
        journal: &Journal,
        tables: &mut Tables,
        clock: &Clock,
        iam: &Arc<Iam>,
        folder: &Path,
    ) -> io::Result<Arc<Self>> {
        let (buckets, uploads) = (folder.join("buckets"), folder.join("uploads"));
        folder::make(&buckets)?;
        folder::make(&uploads)?;
        let mut state = State::default();
        for (name, row) in tables.take::<BucketRow>(BUCKETS)? {
            folder::make(&buckets.join(&name))?;
            state.buckets.insert(name, LiveBucket { row, generations: Generations::default() });
        }
        let mut rows: Vec<Generation> = tables.take(GENERATIONS)?.into_values().collect();
        rows.sort_by_key(|row| row.object.generation);
        let sessions = Sessions::open(journal, tables, &uploads, &rows)?;
        let storage = Self {
            state: Mutex::default(),
            journal: journal.clone(),
            clock: clock.clone(),
            iam: iam.clone(),
            buckets,
            uploads,
            sessions,
            limits: Limits::default(),
            origin: OnceLock::new(),
        };
        for row in rows {
            state.take_in(row, &storage)?;
        }
        state.settle(&storage)?;
        storage.sweep(&state)?;
        *storage.lock() = state;
        storage.tend();
        Ok(Arc::new(storage))
    }

    /// Says where clients reach the service: `http://127.0.0.1:PORT`. Answers link there.
    pub(crate) fn serve_at(&self, origin: String) {
        // Whoever says it twice says the same.
        let _ = self.origin.set(origin);
    }

    pub(super) fn origin(&self) -> Option<&str> {
        self.origin.get().map(String::as_str)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked held the lock between two whole steps: no step here can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, to the millisecond, as Google shows times.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        now.round(Unit::Millisecond).unwrap_or(now)
    }

    pub(super) fn bucket_folder(&self, bucket: &str) -> PathBuf {
        self.buckets.join(bucket)
    }

    pub(super) fn upload_file(&self, content: &str) -> PathBuf {
        self.uploads.join(content)
    }

    pub(super) fn save_bucket(&self, row: &BucketRow) -> Result<()> {
        Ok(self.journal.put(BUCKETS, &row.bucket.name, row)?)
    }

    pub(super) fn erase_bucket(&self, name: &str) -> Result<()> {
        Ok(self.journal.delete(BUCKETS, name)?)
    }

    pub(super) fn save(&self, row: &Generation) -> io::Result<()> {
        self.journal.put(GENERATIONS, &row_key(&row.object), row)
    }

    pub(super) fn erase(&self, object: &Object) -> io::Result<()> {
        self.journal.delete(GENERATIONS, &row_key(object))
    }

    /// Removes content that belongs to nothing, and what is left of buckets that are gone.
    fn sweep(&self, state: &State) -> io::Result<()> {
        for file in fs::read_dir(&self.uploads)? {
            let file = file?;
            if !self.sessions.owns(&file.file_name().to_string_lossy()) {
                fs::remove_file(file.path())?;
            }
        }
        for folder in fs::read_dir(&self.buckets)? {
            let folder = folder?;
            if !state.buckets.contains_key(folder.file_name().to_string_lossy().as_ref()) {
                place::remove_bucket(&folder.path());
            }
        }
        Ok(())
    }
}

impl State {
    pub(super) fn bucket(&self, name: &str) -> Result<&LiveBucket> {
        self.buckets.get(name).ok_or_else(StorageError::no_bucket)
    }

    pub(super) fn bucket_mut(&mut self, name: &str) -> Result<&mut LiveBucket> {
        self.buckets.get_mut(name).ok_or_else(StorageError::no_bucket)
    }

    /// Microseconds of the clock, and never twice the same.
    pub(super) fn next_generation(&mut self, now: Timestamp) -> i64 {
        self.last_generation = now.as_microsecond().max(self.last_generation + 1);
        self.last_generation
    }

    /// Takes in one row, older generations first. A live one that finds another live one of its name
    /// has replaced it.
    fn take_in(&mut self, row: Generation, storage: &Storage) -> io::Result<()> {
        self.last_generation = self.last_generation.max(row.object.generation);
        let Some(live) = self.buckets.get_mut(&row.object.bucket) else {
            return storage.erase(&row.object);
        };
        if row.object.life == Life::Live
            && let Some(before) = live.generations.live(&row.object.name).cloned()
        {
            if let Some(retired) = retire::after_replacement(&live.row.bucket, &before, row.object.created) {
                storage.save(&retired)?;
                live.generations.put(retired);
            } else {
                storage.erase(&before.object)?;
                live.generations.remove(&before.key());
            }
        }
        live.generations.put(row);
        Ok(())
    }

    /// Moves every content to where its row has it.
    fn settle(&self, storage: &Storage) -> io::Result<()> {
        for (name, live) in &self.buckets {
            let folder = storage.bucket_folder(name);
            for row in live.generations.iter() {
                let (content, aside) = (storage.upload_file(&row.content), folder.join(row.aside()));
                let file = folder.join(row.file());
                if content.exists() {
                    // On its way in, or out again for good.
                    place::put(&content, &folder, &row.file())?;
                } else if aside != file && aside.exists() && !file.exists() {
                    // On its way aside.
                    place::put(&aside, &folder, &row.file())?;
                }
            }
        }
        Ok(())
    }
}

impl LiveBucket {
    /// One of its objects, or itself for an empty name, as something that callers need permissions on.
    pub(super) fn resource(&self, object: &str) -> Resource {
        let bucket = format!("projects/_/buckets/{}", self.row.bucket.name);
        let name = match object {
            "" => bucket.clone(),
            object => format!("{bucket}/objects/{object}"),
        };
        let project = Some(self.row.bucket.project.clone());
        Resource { name, policy: Some((bucket, self.row.policy.clone())), project }
    }

    /// An object's generation, or its live one.
    pub(super) fn object(&self, name: &str, generation: Option<i64>) -> Result<&Generation> {
        self.generations
            .find(name, generation)
            .ok_or_else(|| StorageError::no_object(&self.row.bucket.name, name))
    }
}

/// A name for content on its way in: 128 random bits.
pub(super) fn new_content() -> String {
    let bytes: Vec<u8> = iter::repeat_with(rand::random::<u8>).take(16).collect();
    hex::encode(bytes)
}

fn row_key(object: &Object) -> String {
    format!("{}/{}#{}", object.bucket, object.name, object.generation)
}
