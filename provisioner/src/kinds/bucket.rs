//! `bucket`: a Cloud Storage bucket, closed to the public, with access by IAM alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contract::layout;
use futures::future::try_join_all;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_storage::model;
use google_cloud_storage::model::bucket::iam_config::UniformBucketLevelAccess;
use google_cloud_storage::model::bucket::lifecycle::{Rule, rule};
use google_cloud_storage::model::bucket::{IamConfig, Lifecycle, Versioning};
use google_cloud_wkt::FieldMask;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bucket_file::BucketFile;
use super::{Found, Kind, Place, Table, emptying};
use crate::cloud::{Cloud, PAGE, errors, limited, marks};
use crate::resource::{Desired, Owner, Revision};
use crate::stack::{FieldProblem, Labels, Scope};

/// In seconds.
const DAY: u64 = 86_400;

/// Least days that staged outputs are kept.
const STAGING_DAYS: u32 = 7;

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

/// A rule that deletes objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LifecycleRule {
    /// Only objects whose names begin so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prefix: String,
    /// Only objects whose names end so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    suffix: String,
    /// Deleted when this many days old.
    delete_after_days: u32,
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
        cloud.forget_answer::<Holds>(id);
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
        let bucket = self.wire(cloud, at).set_project(format!("projects/{}", cloud.project.id));
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

impl LifecycleRule {
    /// Of a bucket that holds runs: staged outputs that no worker came to delete go when every run
    /// that could promote them is over.
    fn of_staging(key: &str, scope: &Scope) -> Option<Self> {
        let longest = scope.longest_run_in.get(key)?;
        let days = u32::try_from(longest.div_ceil(DAY) + 1).unwrap_or(u32::MAX);
        Some(Self {
            prefix: layout::RUNS.to_owned(),
            suffix: layout::STAGED.to_owned(),
            delete_after_days: days.max(STAGING_DAYS),
        })
    }

    fn wire(&self) -> Rule {
        let days = i32::try_from(self.delete_after_days).unwrap_or(i32::MAX);
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let condition = rule::Condition::new()
            .set_age_days(days)
            .set_matches_prefix(given(&self.prefix))
            .set_matches_suffix(given(&self.suffix));
        Rule::new().set_action(rule::Action::new().set_type("Delete")).set_condition(condition)
    }

    pub(super) fn read(rule: &Rule) -> Option<Self> {
        let condition = rule.condition.as_ref()?;
        let read = Self {
            prefix: condition.matches_prefix.first().cloned().unwrap_or_default(),
            suffix: condition.matches_suffix.first().cloned().unwrap_or_default(),
            delete_after_days: condition.age_days.and_then(|days| u32::try_from(days).ok())?,
        };
        // A rule that moves objects, or that looks at more than this, is none of these.
        (read.wire() == *rule).then_some(read)
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
    let list = async {
        let list = cloud.buckets.list_buckets().set_parent(format!("projects/{}", cloud.project.id));
        let mut all = list.set_page_size(PAGE).by_item();
        let mut owned = Vec::new();
        while let Some(bucket) = limited("list buckets", async { all.next().await.transpose() }).await? {
            owned.extend(Some(bucket).filter(|live| cloud.unmarked(live.labels.clone()).0 == Owner::Ours));
        }
        Ok(owned)
    };
    cloud.once("buckets", list).await
}

/// The names of the buckets that the stack owns, each with its key: known before what they hold is.
pub(super) async fn owned_names(cloud: &Cloud) -> Result<Vec<(String, String)>> {
    let name = |bucket: &model::Bucket| {
        let id = bucket.name.rsplit('/').next().unwrap_or_default().to_owned();
        let key = cloud.unmarked(bucket.labels.clone()).1;
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
    let (owner, key, _) = cloud.unmarked(live.labels.clone());
    let id = live.name.rsplit('/').next().unwrap_or_default().to_owned();
    let fields = fields(cloud, live);
    let holds = cloud.once(&id, holds(cloud, &id)).await?.as_ref().0.clone();
    Ok(Found { key: super::key(key, &id), id, owner, fields, holds, inside: None, revision })
}

fn fields(cloud: &Cloud, live: model::Bucket) -> Bucket {
    let (_, _, labels) = cloud.unmarked(live.labels);
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

/// What is in a bucket, for people; none for nothing.
struct Holds(Option<String>);

/// Whether there are objects: one page tells, and no plan waits for a count of millions.
async fn holds(cloud: &Cloud, bucket: &str) -> Result<Holds> {
    let list = cloud.buckets.list_objects().set_parent(path(bucket)).set_page_size(1000).set_versions(true);
    let page = limited("list the bucket's objects", list.send()).await?;
    let more = if page.next_page_token.is_empty() { "" } else { "over " };
    let bytes: u64 = page.objects.iter().map(|object| u64::try_from(object.size).unwrap_or_default()).sum();
    Ok(Holds(match page.objects.len() {
        0 => None,
        1 => Some(format!("1 object, {}", size(bytes))),
        count => Some(format!("{more}{count} objects, {more}{}", size(bytes))),
    }))
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let unit = (0..UNITS.len()).rev().find(|unit| bytes >> (10 * (unit + 1)) > 0);
    match unit {
        Some(unit) => {
            let tenths = (u128::from(bytes) * 10) >> (10 * (unit + 1));
            format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
        }
        None => format!("{bytes} bytes"),
    }
}

/// What Cloud Storage calls a bucket, in full.
pub(super) fn path(name: &str) -> String {
    format!("projects/_/buckets/{name}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::stack::{Project, Stack};

    /// The lifecycles of the buckets `data`, which holds runs, and `other`, which does not.
    fn lifecycles(max_run_time: &str) -> Vec<Value> {
        let text = format!(
            r#"
            [stack]
            name = "fx"
            region = "europe-west1"
            [topic.items]
            [subscription.work]
            topic = "items"
            [bucket.data]
            lifecycle = [{{ prefix = "tmp/", delete_after_days = 3 }}]
            [bucket.other]
            [cluster.main.pool.workers]
            nodes = 1
            [job.fx]
            subscription = "work"
            bucket = "data"
            pool = "main/workers"
            max_run_time = "{max_run_time}"
            [job.fx.etl]
            extract = "gs://other/raw/{{item}}.parquet"
            load = "gs://other/{{item}}.parquet"
            "#
        );
        let stack = Stack::parse(Path::new("stack.toml"), &text).expect("a stack");
        let project = Project { id: "my-project".into(), number: 1, local: true };
        let resources = stack.resources(&project).expect("resources");
        let buckets = resources.into_iter().filter(|resource| resource.address.kind == Bucket::NAME);
        buckets.map(|bucket| bucket.fields["lifecycle"].clone()).collect()
    }

    #[test]
    fn what_a_run_staged_goes_when_the_longest_run_is_over_and_other_rules_stay() {
        let of = |days| {
            let own = json!({ "prefix": "tmp/", "delete_after_days": 3 });
            vec![
                json!([own, { "prefix": "runs/", "suffix": ".staged", "delete_after_days": days }]),
                json!([]),
            ]
        };
        assert_eq!(lifecycles("1d"), of(7));
        assert_eq!(lifecycles("10d"), of(11));
    }

    #[test]
    fn a_rule_is_read_back_as_it_was_written() {
        for (prefix, suffix) in [("runs/", ".staged"), ("", ".tmp"), ("a/", ""), ("", "")] {
            let (prefix, suffix) = (prefix.to_owned(), suffix.to_owned());
            let rule = LifecycleRule { prefix, suffix, delete_after_days: 9 };
            assert_eq!(LifecycleRule::read(&rule.wire()), Some(rule));
        }
    }

    #[test]
    fn a_rule_that_does_anything_else_is_not_taken_for_one_that_deletes() {
        let old = || rule::Condition::new().set_age_days(30);
        let delete = |condition| {
            Rule::new().set_action(rule::Action::new().set_type("Delete")).set_condition(condition)
        };
        let moves = rule::Action::new().set_type("SetStorageClass").set_storage_class("NEARLINE");
        for other in [
            Rule::new().set_action(moves).set_condition(old()),
            delete(old().set_num_newer_versions(3)),
            delete(old().set_matches_prefix(["a/", "b/"])),
            delete(old().set_is_live(false)),
        ] {
            assert_eq!(LifecycleRule::read(&other), None);
        }
    }

    #[test]
    fn sizes_are_said_in_units_of_1024() {
        let told = [0, 1023, 1024, 1536, 5 << 20, (3 << 30) + (1 << 29), u64::MAX].map(size);
        let expected =
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3.5 GiB", "16777215.9 TiB"];
        assert_eq!(told, expected);
    }
}
