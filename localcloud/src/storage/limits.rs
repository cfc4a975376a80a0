//! How often buckets may be created and deleted, if somebody asks for Google's limit.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::error::{Result, StorageError};
use super::state::Storage;

/// Google's: about one creation or deletion in two seconds, for each project.
const BETWEEN: SignedDuration = SignedDuration::from_secs(2);

/// When each project last created or deleted a bucket. None: nobody is limited.
#[derive(Default)]
pub(super) struct Limits(Mutex<Option<HashMap<String, Timestamp>>>);

impl Storage {
    /// Switches the limit on or off. It is off in a new local cloud.
    pub(crate) fn limit_bucket_changes(&self, on: bool) {
        *self.limits.0.lock().unwrap_or_else(PoisonError::into_inner) = on.then(HashMap::new);
    }

    /// Counts a creation or a deletion.
    pub(super) fn count_bucket_change(&self, project: &str) -> Result<()> {
        let mut limits = self.limits.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = limits.as_mut() else { return Ok(()) };
        let now = self.clock.now();
        if last.get(project).is_some_and(|last| now.duration_since(*last) < BETWEEN) {
            return Err(StorageError::too_many_bucket_changes());
        }
        last.insert(project.to_owned(), now);
        Ok(())
    }
}
