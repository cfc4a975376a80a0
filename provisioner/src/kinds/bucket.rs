//! `bucket`: a Cloud Storage bucket, closed to the public, with access by IAM alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use google_cloud_storage::model;
use google_cloud_storage::model::bucket::iam_config::UniformBucketLevelAccess;
use google_cloud_storage::model::bucket::{IamConfig, Lifecycle, Versioning};
use google_cloud_wkt::FieldMask;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bucket_file::BucketFile;
use super::{Found, Kind, Place, Table};
use crate::cloud::{Cloud, Marked, errors, limited, marks};
use crate::resource::{Desired, Revision};
use crate::stack::{FieldProblem, Labels, Scope};

mod contents;
mod emptying;
mod lifecycle;

pub(super) use lifecycle::LifecycleRule;

/// How often a bucket is emptied that somebody still writes to.
const EMPTYINGS: u32 = 5;

/// `[bucket.NAME]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BucketSpec {
    /// Region or multi-region; the stack's region without it.
    #[serde(default)]
    location: Option<String>,
    /// Whether overwritten and deleted objects are kept.
    #[serde(default)]
    versioning: bool,
    /// Rules that delete objects by age.
    #[serde(default)]
    lifecycle: Vec<LifecycleRule>,
    /// Local files and folders kept in the bucket: `"rates/" = "examples/fx/rates"`. The key is the
    /// object's name, or a prefix if it ends in `/`; the value a path relative to the stack file.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Whether only IAM says who may use its objects, and no list of each object.
    #[serde(default = "yes")]
    uniform_access: bool,
    /// Whether nobody can make its objects public.
    #[serde(default = "yes")]
    public_access_prevention: bool,
    /// Labels of the bucket.
    #[serde(default)]
    labels: Labels,
}

fn yes() -> bool {
    true
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    location: String,
    versioning: bool,
    lifecycle: Vec<LifecycleRule>,
    uniform_access: bool,
    public_access_prevention: bool,
    #[serde(default)]
    labels: Labels,
}

impl Table for BucketSpec {
    const NAME: &'static str = "bucket";

    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem> {
        let mut problems = super::bucket_file::problems(&self.files, &scope.folder);
        let name = scope.name("bucket", key);
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if !(3..=63).contains(&name.len()) || !name.bytes().all(plain) || name.starts_with("goog") {
            let rule = "3 to 63 lower-case letters, digits, hyphens, underscores and dots, not beginning with `goog`";
            let what = format!("`{name}` cannot be the name of a bucket");
            problems.push(FieldProblem::at(&["name"], what).help(format!("{rule}; `name = …` overrides it")));
        }
        if self.lifecycle.iter().any(|rule| rule.delete_after_days == 0) {
            problems.push(FieldProblem::at(&["lifecycle"], "`delete_after_days` is at least 1"));
        }
        problems
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        let name = scope.name("bucket", key);
        let bucket = Bucket {
            location: self.location.as_ref().unwrap_or(&scope.region).to_uppercase(),
            versioning: self.versioning,
            lifecycle: self.lifecycle.iter().cloned().chain(LifecycleRule::of_staging(key, scope)).collect(),
            uniform_access: self.uniform_access,
            public_access_prevention: self.public_access_prevention,
            labels: scope.labels("bucket", key, &self.labels),
        };
        let own = Desired::new(key, name.clone(), &bucket)?;
        let files = BucketFile::all(key, &name, &self.files, &scope.folder)?;
        Ok([own].into_iter().chain(files).collect())
    }
}

impl Kind for Bucket {
    const NAME: &'static str = "bucket";
    const FIXED: &'static [(&'static str, &'static str)] =
        &[("location", "a bucket's location is fixed when it is made")];
    const ADOPTABLE: bool = true;
    // Emptying one of millions of objects takes hours.
    const LONGEST: Duration = Duration::from_hours(6);
    // As long as workers run, they write.
    const DELETED_AFTER: &'static [&'static str] = &["cluster", "node_pool", "job"];

    fn apis(&self) -> &'static [&'static str] {
        &["storage"]
    }

    async fn forget(cloud: &Cloud, id: &str) {
        cloud.seen.contents.forget(id).await;
    }

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let get = cloud.buckets.get_bucket().set_name(path(id));
        let bucket = errors::found(limited("look up the bucket", get.send()).await)?;
        let Some(bucket) = bucket else { return Ok(None) };
        found(cloud, bucket).await.map(Some)
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        let owned = owned(cloud).await?;
        try_join_all(owned.iter().map(|bucket| found(cloud, bucket.clone()))).await
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let bucket = self.wire(cloud, at).set_project(cloud.project.path());
        let create =
            cloud.buckets.create_bucket().set_parent("projects/_").set_bucket_id(at.id).set_bucket(bucket);
        limited("create the bucket", create.send()).await.map(drop)
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, fields: &[String]) -> Result<()> {
        let paths = fields.iter().map(|field| match field.as_str() {
            "uniform_access" | "public_access_prevention" => "iam_config",
            field => field,
        });
        // Marks travel with whatever is sent.
        let paths: BTreeSet<&str> = paths.chain(["labels"]).collect();
        let update = cloud
            .buckets
            .update_bucket()
            .set_bucket(self.wire(cloud, at).set_name(path(at.id)))
            .set_or_clear_if_metageneration_match(at.generation())
            .set_update_mask(FieldMask::default().set_paths(paths));
        limited("update the bucket", update.send()).await.map(drop)
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let mut tries = if at.delete_data { EMPTYINGS } else { 1 };
        loop {
            if at.delete_data {
                emptying::empty(cloud, at).await?;
            }
            tries -= 1;
            let delete = cloud.buckets.delete_bucket().set_name(path(at.id)).send();
            match errors::gone(limited("delete the bucket", delete).await) {
                // Somebody wrote meanwhile.
                Err(error) if tries > 0 && errors::is_not_empty(&error) => {}
                result => return result,
            }
        }
    }

    fn by_hand(&self, _: &str, id: &str) -> String {
        format!("gcloud storage rm --recursive gs://{id}")
    }
}

impl Bucket {
    fn wire(&self, cloud: &Cloud, at: &Place<'_>) -> model::Bucket {
        let prevention = if self.public_access_prevention { "enforced" } else { "inherited" };
        let access = IamConfig::new()
            .set_uniform_bucket_level_access(UniformBucketLevelAccess::new().set_enabled(self.uniform_access))
            .set_public_access_prevention(prevention);
        let rules = self.lifecycle.iter().map(LifecycleRule::wire);
        model::Bucket::new()
            .set_location(&self.location)
            .set_versioning(Versioning::new().set_enabled(self.versioning))
            .set_lifecycle(Lifecycle::new().set_rule(rules))
            .set_iam_config(access)
            .set_labels(at.labels(cloud, &self.labels))
    }
}

impl BucketSpec {
    /// What a file would say of a live bucket, but for its files.
    pub(super) fn read(cloud: &Cloud, live: model::Bucket) -> Self {
        let Bucket { location, versioning, lifecycle, uniform_access, public_access_prevention, labels } =
            fields(cloud, live);
        let location = Some(location.to_lowercase());
        let files = BTreeMap::new();
        Self { location, versioning, lifecycle, files, uniform_access, public_access_prevention, labels }
    }
}

/// The buckets that the stack owns, as the service lists them.
async fn owned(cloud: &Cloud) -> Result<Arc<Vec<model::Bucket>>> {
    let list = async { Ok(Arc::new(cloud.owned_buckets().await?)) };
    cloud.seen.buckets.once((), list).await
}

/// The names of the buckets that the stack owns, each with its key: known before what they hold is.
pub(super) async fn owned_names(cloud: &Cloud) -> Result<Vec<(String, String)>> {
    let name = |bucket: &model::Bucket| {
        let id = bucket.name.rsplit('/').next().unwrap_or_default().to_owned();
        let key = cloud.unmarked(bucket.labels.clone()).key;
        (id.clone(), super::key(key, &id))
    };
    Ok(owned(cloud).await?.iter().map(name).collect())
}

async fn found(cloud: &Cloud, live: model::Bucket) -> Result<Found<Bucket>> {
    let revision = Revision {
        identity: live.create_time.map(|time| format!("{}.{}", time.seconds(), time.nanos())),
        version: Some(live.metageneration.to_string()),
        marks: marks(&live.labels),
    };
    let Marked { owner, key, .. } = cloud.unmarked(live.labels.clone());
    let id = live.name.rsplit('/').next().unwrap_or_default().to_owned();
    let fields = fields(cloud, live);
    let holds = cloud.seen.contents.once(id.clone(), contents::told(cloud, &id)).await?;
    Ok(Found { key: super::key(key, &id), id, owner, fields, holds, inside: None, revision })
}

fn fields(cloud: &Cloud, live: model::Bucket) -> Bucket {
    let labels = cloud.unmarked(live.labels).labels;
    let access = live.iam_config.unwrap_or_default();
    let rules = live.lifecycle.map(|lifecycle| lifecycle.rule).unwrap_or_default();
    Bucket {
        location: live.location.to_uppercase(),
        versioning: live.versioning.is_some_and(|versioning| versioning.enabled),
        lifecycle: rules.iter().filter_map(LifecycleRule::read).collect(),
        uniform_access: access.uniform_bucket_level_access.is_some_and(|uniform| uniform.enabled),
        public_access_prevention: access.public_access_prevention == "enforced",
        labels,
    }
}

/// What Cloud Storage calls a bucket, in full.
pub(super) fn path(name: &str) -> String {
    format!("projects/_/buckets/{name}")
}
