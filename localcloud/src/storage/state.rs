//! Everything that Cloud Storage knows, and how it survives a kill.
//!
//! Content is written to `uploads/<id>` first. The journal's row of the object names that id and
//! the object's place; then the file moves to the place. After a kill in between, the next start
//! finds `uploads/<id>` and moves it. A deletion goes the same way backwards: the file moves back
//! to `uploads/<id>`, the row goes, the file goes. What then is in `uploads/` without a row of an
//! object or of an unfinished upload is garbage.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{fs, iter};

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::error::{Result, StorageError};
use super::object::Object;
use super::place;
use super::uploads::Sessions;
use crate::clock::Clock;
use crate::folder;
use crate::iam::{Iam, Policy, Resource};
use crate::journal::{Journal, Tables};

const BUCKETS: &str = "storage.buckets";
const OBJECTS: &str = "storage.objects";

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
    origin: OnceLock<String>,
}

/// Row of a bucket.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct BucketRow {
    pub(super) bucket: Bucket,
    pub(super) policy: Policy,
}

/// Row of an object's live generation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ObjectRow {
    pub(super) object: Object,
    /// Name of the content below `uploads/` until it is in its place.
    pub(super) content: String,
    /// Below the bucket's folder.
    pub(super) place: PathBuf,
}

/// A bucket at work.
pub(super) struct LiveBucket {
    pub(super) row: BucketRow,
    /// By name. What has noncurrent generations will keep them here, behind [`LiveBucket::object`].
    pub(super) objects: BTreeMap<String, ObjectRow>,
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
            state.buckets.insert(name, LiveBucket { row, objects: BTreeMap::new() });
        }
        for row in tables.take::<ObjectRow>(OBJECTS)?.into_values() {
            state.take_in(row, &buckets, &uploads)?;
        }
        let sessions = Sessions::open(journal, tables, &uploads)?;
        let storage = Self {
            state: Mutex::new(state),
            journal: journal.clone(),
            clock: clock.clone(),
            iam: iam.clone(),
            buckets,
            uploads,
            sessions,
            origin: OnceLock::new(),
        };
        storage.sweep()?;
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

    pub(super) fn save_object(&self, row: &ObjectRow) -> Result<()> {
        Ok(self.journal.put(OBJECTS, &key(&row.object.bucket, &row.object.name), row)?)
    }

    pub(super) fn erase_object(&self, object: &Object) -> Result<()> {
        Ok(self.journal.delete(OBJECTS, &key(&object.bucket, &object.name))?)
    }

    /// Removes content that belongs to nothing.
    fn sweep(&self) -> io::Result<()> {
        for file in fs::read_dir(&self.uploads)? {
            let file = file?;
            if !self.sessions.owns(&file.file_name().to_string_lossy()) {
                fs::remove_file(file.path())?;
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

    fn take_in(&mut self, row: ObjectRow, buckets: &Path, uploads: &Path) -> io::Result<()> {
        self.last_generation = self.last_generation.max(row.object.generation);
        let Some(live) = self.buckets.get_mut(&row.object.bucket) else { return Ok(()) };
        let content = uploads.join(&row.content);
        if content.exists() {
            place::put(&content, &buckets.join(&row.object.bucket), &row.place)?;
        }
        live.objects.insert(row.object.name.clone(), row);
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
    pub(super) fn object(&self, name: &str, generation: Option<i64>) -> Result<&ObjectRow> {
        let found = self.objects.get(name);
        found
            .filter(|row| generation.is_none_or(|generation| generation == row.object.generation))
            .ok_or_else(|| StorageError::no_object(&self.row.bucket.name, name))
    }
}

/// A name for content on its way in: 128 random bits.
pub(super) fn new_content() -> String {
    let bytes: Vec<u8> = iter::repeat_with(rand::random::<u8>).take(16).collect();
    hex::encode(bytes)
}

fn key(bucket: &str, object: &str) -> String {
    format!("{bucket}/{object}")
}
