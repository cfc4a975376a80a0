//! What becomes of a generation that is replaced or deleted: noncurrent, soft-deleted, or gone.
//! Decides by the bucket's settings alone; moves nothing.

use jiff::{SignedDuration, Timestamp};

use super::bucket::Bucket;
use super::generations::{Generation, Life};

/// How a generation leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Its name is deleted, or stands for another generation now.
    Name,
    /// Somebody deletes this very generation.
    Generation,
}

/// The generation as it is kept. None: it is gone.
pub(super) fn retired(
    bucket: &Bucket,
    row: &Generation,
    leaving: Leaving,
    now: Timestamp,
) -> Option<Generation> {
    let versions = bucket.settings.versioning.as_ref().is_some_and(|versioning| versioning.enabled);
    let kept = SignedDuration::from_secs(bucket.settings.soft_delete_policy.retention_duration_seconds);
    let soft_deleted = |noncurrent| {
        let until = now.checked_add(kept).unwrap_or(Timestamp::MAX);
        (!kept.is_zero()).then_some(Life::SoftDeleted { since: now, until, noncurrent })
    };
    let life = match (row.object.life, leaving) {
        (Life::Live, Leaving::Name) if versions => Some(Life::Noncurrent { since: now }),
        (Life::Live, _) => soft_deleted(None),
        (Life::Noncurrent { since }, _) => soft_deleted(Some(since)),
        (Life::SoftDeleted { .. }, _) => None,
    }?;
    let mut kept = row.clone();
    kept.object.life = life;
    Some(kept)
}

/// What became of a generation that a newer one replaced.
pub(super) fn after_replacement(bucket: &Bucket, row: &Generation, at: Timestamp) -> Option<Generation> {
    retired(bucket, row, Leaving::Name, at)
}
