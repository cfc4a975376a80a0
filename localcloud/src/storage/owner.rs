//! Whose a bucket is, for those who refuse calls by project.

use super::state::Storage;

impl Storage {
    /// The project that a bucket was made in.
    pub(crate) fn project_of(&self, bucket: &str) -> Option<String> {
        self.lock().buckets.get(bucket).map(|live| live.row.bucket.project.clone())
    }
}
