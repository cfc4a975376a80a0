//! What the folder's owner steers of its Cloud Storage.

use super::{Daemon, call};
use crate::storage::admin::LIMITS;

impl Daemon {
    /// Has Google's limit on creating and deleting buckets or, as at the start, none.
    pub async fn limit_bucket_changes(&self, on: bool) -> anyhow::Result<()> {
        call::post::<bool>(&self.state, LIMITS, &on).await.map(drop)
    }
}
