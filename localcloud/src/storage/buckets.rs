//! Buckets: create, get, list, update, delete, and their policies.

use super::bucket::{Bucket, Settings};
use super::error::{Result, StorageError};
use super::generations::Generations;
use super::listing::{Page, PageOf, cut};
use super::precondition::Precondition;
use super::state::{BucketRow, LiveBucket, Storage};
use super::{patch, place};
use crate::folder;
use crate::iam::{Binding, Policy};

/// A change to settings.
pub(super) enum Change<'a, T> {
    /// JSON's merge patch.
    Merge(&'a serde_json::Value),
    /// What the paths name, from these settings.
    Masked(&'a T, Vec<Vec<String>>),
    /// These settings.
    Whole(T),
}

impl Storage {
    pub(super) fn create_bucket(
        &self,
        name: &str,
        project: &str,
        location: &str,
        settings: Settings,
    ) -> Result<Bucket> {
        let bucket = Bucket::new(name, project, location, settings, self.now())?;
        let mut state = self.lock();
        match state.buckets.get(name) {
            Some(live) if live.row.bucket.project == project => return Err(StorageError::own_bucket_exists()),
            Some(_) => return Err(StorageError::bucket_taken()),
            None => {}
        }
        self.count_bucket_change(project)?;
        folder::make(&self.bucket_folder(name))?;
        let row = BucketRow { bucket: bucket.clone(), policy: owners(project) };
        self.save_bucket(&row)?;
        state.buckets.insert(name.to_owned(), LiveBucket { row, generations: Generations::default() });
        Ok(bucket)
    }

    pub(super) fn get_bucket(&self, name: &str, condition: &Precondition) -> Result<Bucket> {
        let bucket = self.lock().bucket(name)?.row.bucket.clone();
        condition.check_read((0, bucket.metageneration))?;
        Ok(bucket)
    }

    pub(super) fn list_buckets(&self, project: &str, prefix: &str, page: &PageOf) -> Result<Page<Bucket>> {
        let after = page.after()?.map(|(name, _)| name).unwrap_or_default();
        let state = self.lock();
        let rows = state.buckets.iter().filter(|(name, live)| {
            live.row.bucket.project == project && name.starts_with(prefix) && **name > after
        });
        Ok(cut(rows.map(|(name, live)| (name.clone(), live.row.bucket.clone())), page.size()))
    }

    pub(super) fn update_bucket(
        &self,
        name: &str,
        change: &Change<'_, Settings>,
        condition: &Precondition,
    ) -> Result<Bucket> {
        let now = self.now();
        let mut state = self.lock();
        let live = state.bucket_mut(name)?;
        let mut row = live.row.clone();
        condition.check(Some((0, row.bucket.metageneration)))?;
        let settings = change.apply(&row.bucket.settings)?;
        row.bucket.update(settings, now)?;
        self.save_bucket(&row)?;
        live.row = row;
        Ok(live.row.bucket.clone())
    }

    /// Deletes a bucket that holds no objects, live or noncurrent. Soft-deleted ones go with it.
    pub(super) fn delete_bucket(&self, name: &str, condition: &Precondition) -> Result<()> {
        let mut state = self.lock();
        let live = state.bucket(name)?;
        condition.check(Some((0, live.row.bucket.metageneration)))?;
        if !live.generations.is_empty() {
            return Err(StorageError::not_empty());
        }
        self.count_bucket_change(&live.row.bucket.project)?;
        self.erase_bucket(name)?;
        // Rows of a bucket that is gone are erased by the next start, if not now.
        for row in live.generations.iter() {
            self.erase(&row.object)?;
        }
        place::remove_bucket(&self.bucket_folder(name));
        state.buckets.remove(name);
        Ok(())
    }

    /// The policy of a bucket as it is stored, and its project, if it is there.
    pub(crate) fn policy_of(&self, bucket: &str) -> Option<(Policy, String)> {
        let state = self.lock();
        let row = &state.buckets.get(bucket)?.row;
        Some((row.policy.clone(), row.bucket.project.clone()))
    }

    /// Whether a bucket is there and an object of it is not.
    pub(crate) fn lacks(&self, bucket: &str, object: &str) -> bool {
        self.lock().buckets.get(bucket).is_some_and(|live| live.object(object, None).is_err())
    }

    /// Of permissions on a bucket, those that whoever asks has.
    pub(super) fn permissions(&self, bucket: &str, asked: Vec<String>) -> Result<Vec<String>> {
        let resource = self.lock().bucket(bucket)?.resource("");
        Ok(self.iam.held(asked, &resource))
    }

    pub(super) fn policy(&self, bucket: &str) -> Result<Policy> {
        Ok(self.iam.shown(&self.lock().bucket(bucket)?.row.policy))
    }

    pub(super) fn set_policy(&self, bucket: &str, new: Policy) -> Result<Policy> {
        let mut state = self.lock();
        let live = state.bucket_mut(bucket)?;
        let mut row = live.row.clone();
        self.iam.replace(&mut row.policy, new).map_err(StorageError::policy)?;
        self.save_bucket(&row)?;
        live.row = row;
        Ok(self.iam.shown(&live.row.policy))
    }
}

impl<T: serde::Serialize + serde::de::DeserializeOwned + Clone> Change<'_, T> {
    pub(super) fn apply(&self, settings: &T) -> Result<T> {
        match self {
            Self::Merge(patch) => patch::merge(settings, patch),
            Self::Masked(new, paths) => patch::masked(settings, new, paths),
            Self::Whole(new) => Ok(new.clone()),
        }
    }
}

/// The bindings that every new bucket has.
fn owners(project: &str) -> Policy {
    let binding = |role: &str, teams: &[&str]| Binding {
        role: format!("roles/storage.{role}"),
        members: teams.iter().map(|team| format!("{team}:{project}")).collect(),
        condition: None,
    };
    let bindings = vec![
        binding("legacyBucketOwner", &["projectEditor", "projectOwner"]),
        binding("legacyBucketReader", &["projectViewer"]),
    ];
    Policy { bindings, ..Policy::default() }
}
