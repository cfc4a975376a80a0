//! Empties a bucket that is to go: every object and every noncurrent version, many at a time. Killed
//! at any point, it goes on with what is left. What somebody keeps on purpose, by a hold or a
//! retention policy, is named and not tried for ever.

use std::time::Duration;

use anyhow::{Context as _, Error, Result, bail};
use futures::StreamExt as _;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_storage::model;
use google_cloud_storage::model::bucket::SoftDeletePolicy;
use google_cloud_wkt::FieldMask;

use super::path;
use crate::cloud::{Cloud, errors, evidence, limited};
use crate::kinds::Place;

/// Objects deleted at the same time.
const AT_ONCE: usize = 32;
/// How often the deletion of one object is tried.
const TRIES: u32 = 6;
/// First pause between two tries; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(200);
/// Deletions between two words about them.
const TOLD_EVERY: u64 = 500;
/// Objects that cannot be deleted, told by name.
const NAMED: usize = 3;

/// How far it is.
#[derive(Default)]
struct Tally {
    deleted: u64,
    /// Objects that somebody keeps, and why; only the first by name.
    kept: Vec<String>,
    kept_more: u64,
}

/// Deletes everything in a bucket. One that is gone is empty.
pub(super) async fn empty(cloud: &Cloud, at: &Place<'_>) -> Result<()> {
    let look = limited("look up the bucket", cloud.buckets.get_bucket().set_name(path(at.id)).send()).await;
    let Some(bucket) = errors::found(look)? else { return Ok(()) };
    bill_nothing_for_what_is_deleted(cloud, at, &bucket).await?;

    let list = cloud.buckets.list_objects().set_parent(path(at.id)).set_versions(true).by_item();
    let objects = futures::stream::unfold(list, |mut list| async move {
        let next = list.next().await?;
        Some((next, list))
    });
    let deletions = objects.map(|object| async move {
        let object = object.map_err(Error::from).context("cannot list the bucket's objects")?;
        delete(cloud, at.id, object).await
    });
    let mut deletions = std::pin::pin!(deletions.buffer_unordered(AT_ONCE));
    let mut tally = Tally::default();
    while let Some(deletion) = deletions.next().await {
        tally.count(deletion?);
        if tally.deleted.is_multiple_of(TOLD_EVERY) {
            (at.progress)(format!("{} objects deleted", tally.deleted));
        }
    }
    tally.told(at.id, &bucket)
}

/// Soft delete keeps, and bills, what is deleted while it is on.
async fn bill_nothing_for_what_is_deleted(
    cloud: &Cloud,
    at: &Place<'_>,
    bucket: &model::Bucket,
) -> Result<()> {
    let kept = bucket.soft_delete_policy.as_ref().and_then(|policy| policy.retention_duration);
    if kept.is_none_or(|kept| kept.seconds() == 0) {
        return Ok(());
    }
    let off = SoftDeletePolicy::new().set_retention_duration(google_cloud_wkt::Duration::clamp(0, 0));
    let bucket = model::Bucket::new().set_name(path(at.id)).set_soft_delete_policy(off);
    let mask = FieldMask::default().set_paths(["soft_delete_policy"]);
    let update = cloud.buckets.update_bucket().set_bucket(bucket).set_update_mask(mask);
    errors::gone(limited("switch off soft delete", update.send()).await)
}

/// Deletes one version of one object, or says why somebody keeps it. One that is gone is deleted.
async fn delete(cloud: &Cloud, bucket: &str, object: model::Object) -> Result<Option<String>> {
    let mut pause = PAUSE;
    let mut tries = TRIES;
    loop {
        let delete = cloud.buckets.delete_object().set_bucket(path(bucket)).set_object(&object.name);
        let delete = delete.set_generation(object.generation);
        tries -= 1;
        match errors::gone(limited("delete an object", delete.send()).await) {
            Ok(()) => return Ok(None),
            Err(error) if is_kept(&error) => return Ok(Some(format!("{:#}", error.root_cause()))),
            Err(error) if tries == 0 || !evidence::is_worth_another_try(&error) => {
                return Err(error.context(format!("cannot delete gs://{bucket}/{}", object.name)));
            }
            Err(error) => {
                let wait = errors::retry_after(&error).unwrap_or_else(|| pause.mul_f64(rand::random()));
                tokio::time::sleep(wait).await;
                pause *= 2;
            }
        }
    }
}

/// Whether somebody wants the object to stay.
fn is_kept(error: &Error) -> bool {
    let said = format!("{error:#}");
    said.contains("cannot be deleted") && (said.contains(" hold") || said.contains("retention policy"))
}

impl Tally {
    fn count(&mut self, kept: Option<String>) {
        match kept {
            None => self.deleted += 1,
            Some(kept) if self.kept.len() < NAMED => self.kept.push(kept),
            Some(_) => self.kept_more += 1,
        }
    }

    /// What cannot be deleted, and what to do about it.
    fn told(&self, id: &str, bucket: &model::Bucket) -> Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let more =
            if self.kept_more > 0 { format!("\n    and {} more", self.kept_more) } else { String::new() };
        let held = "`gcloud storage objects update 'gs://BUCKET/**' --no-temporary-hold --no-event-based-hold` takes holds off";
        let policy = match &bucket.retention_policy {
            None => "",
            Some(policy) if policy.is_locked => {
                "; the bucket's retention policy is locked: what it keeps goes when its time is over, and no sooner"
            }
            Some(_) => {
                "; `gcloud storage buckets update gs://BUCKET --clear-retention-period` ends its retention policy"
            }
        };
        let kept = match self.kept.len() as u64 + self.kept_more {
            1 => "1 object is".to_owned(),
            count => format!("{count} objects are"),
        };
        bail!(
            "{kept} kept on purpose, {} deleted:\n    {}{more}\n    {}",
            self.deleted,
            self.kept.join("\n    "),
            format!("{held}{policy}").replace("BUCKET", id),
        )
    }
}

#[cfg(test)]
mod tests {
    use google_cloud_storage::model::bucket::RetentionPolicy;

    use super::*;

    #[test]
    fn what_is_kept_on_purpose_is_named_with_what_to_do() {
        let mut tally = Tally { deleted: 7, ..Tally::default() };
        for object in ["a", "b", "c", "d", "e"] {
            tally.count(Some(format!("Object 'x/{object}' is under active Temporary hold")));
        }
        let locked = model::Bucket::new().set_retention_policy(RetentionPolicy::new().set_is_locked(true));
        insta::assert_snapshot!(tally.told("x", &locked).expect_err("kept").to_string(), @"
        5 objects are kept on purpose, 7 deleted:
            Object 'x/a' is under active Temporary hold
            Object 'x/b' is under active Temporary hold
            Object 'x/c' is under active Temporary hold
            and 2 more
            `gcloud storage objects update 'gs://x/**' --no-temporary-hold --no-event-based-hold` takes holds off; the bucket's retention policy is locked: what it keeps goes when its time is over, and no sooner
        ");
        assert!(Tally { deleted: 7, ..Tally::default() }.told("x", &locked).is_ok());
    }

    #[test]
    fn holds_and_retention_are_told_from_missing_permission() {
        let said = |text: &str| is_kept(&anyhow::anyhow!(text.to_owned()));
        assert!(said(
            "Object 'b/o' is under active Event-Based hold and cannot be deleted, overwritten or archived until hold is removed."
        ));
        assert!(said(
            "Object 'b/o' is subject to bucket's retention policy or object retention and cannot be deleted or overwritten until 2027-01-01T00:00:00Z"
        ));
        assert!(!said("x does not have storage.objects.delete access to the Google Cloud Storage object."));
    }
}
