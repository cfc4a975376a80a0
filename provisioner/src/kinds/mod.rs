//! The kinds of resources: one file each, and a line in each of the two lists below.
//!
//! A kind says how a resource of it is observed, created, updated and deleted. It knows nothing of
//! plans: diff, graph, apply and reports see every kind through [`Kind`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cloud::{Cloud, MARK};
use crate::resource::{Address, Desired, Health, Live, Owner, Revision};
use crate::stack::{FieldProblem, Labels, Reference, Scope};

mod any;
mod api;
mod bucket;
mod bucket_file;
mod cluster;
mod command;
mod etl;
mod grant;
mod health;
mod import;
mod in_cluster;
mod job;
mod kubernetes_service_account;
mod machine;
mod manifest;
mod namespace;
mod node_pool;
mod operation;
mod others;
mod readiness;
mod secret;
mod service_account;
mod shortage;
mod subscription;
mod topic;

use any::Of;
pub(crate) use any::{AnyDeclared, AnyKind, AnyTable};
pub(crate) use api::with_apis;
pub(crate) use import::{Granted, IMPORTED, Sighting, grants, sightings};
pub(crate) use job::{JOB, JobSpec, buckets_of_jobs};
pub(crate) use machine::shape;
pub(crate) use manifest::unowned;
pub(crate) use node_pool::{POOL, billed, is_ready};
pub(crate) use others::told;
pub(crate) use secret::{Kept, SecretSpec};
pub(crate) use service_account::marks_in as account_marks;
pub(crate) use subscription::dead as dead_letters;

/// Every kind, in the order that lists are shown in.
pub(crate) static ALL: [&dyn AnyKind; 13] = [
    &Of::<api::Api>::KIND,
    &Of::<topic::Topic>::KIND,
    &Of::<subscription::Subscription>::KIND,
    &Of::<bucket::Bucket>::KIND,
    &Of::<bucket_file::BucketFile>::KIND,
    &Of::<service_account::ServiceAccount>::KIND,
    &Of::<grant::Grant>::KIND,
    &Of::<cluster::Cluster>::KIND,
    &Of::<node_pool::NodePool>::KIND,
    &Of::<namespace::Namespace>::KIND,
    &Of::<kubernetes_service_account::KubernetesServiceAccount>::KIND,
    &Of::<secret::object::Secret>::KIND,
    &Of::<job::Job>::KIND,
];

/// Every table of stack.toml that declares resources.
pub(crate) static TABLES: [&dyn AnyTable; 9] = [
    &Of::<api::Api>::TABLE,
    &Of::<topic::Topic>::TABLE,
    &Of::<subscription::Subscription>::TABLE,
    &Of::<bucket::BucketSpec>::TABLE,
    &Of::<service_account::ServiceAccount>::TABLE,
    &Of::<grant::GrantSpec>::TABLE,
    &Of::<cluster::ClusterSpec>::TABLE,
    &Of::<SecretSpec>::TABLE,
    &Of::<JobSpec>::TABLE,
];

/// One kind of resource, desired and live alike: a type whose fields are those that stack.toml may
/// declare or that we have an opinion on.
pub(crate) trait Kind: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The kind, as addresses name it.
    const NAME: &'static str;
    /// Fields that are fixed once a resource is made, each with what fixes it.
    const FIXED: &'static [(&'static str, &'static str)] = &[];
    /// Kinds that must be deleted before one of this kind is.
    const DELETED_AFTER: &'static [&'static str] = &[];
    /// How long one change may take, with all its tries, unless the file says otherwise.
    const LONGEST: Duration = Duration::from_mins(10);
    /// How long Google takes to create one, where that is minutes.
    const TAKES: Option<&'static str> = None;
    /// Whether a creation would overwrite what is there, instead of being refused.
    const CREATES_OVER: bool = false;
    /// Whether an update cannot say which state it is meant for: then only a look afterwards tells
    /// that somebody else wrote at the same time.
    const UPDATES_BLINDLY: bool = false;

    /// Whether one that is there can be taken over, and let go again: it bears marks of its own.
    const ADOPTABLE: bool = false;
    /// Whether one can be let go while the stack goes on: what it stands on is not the stack's then.
    const LETS_GO: bool = Self::ADOPTABLE;
    /// Whether it bears the stack's marks itself, and does not just go with what it lies on.
    const IS_MARKED: bool = true;
    /// Whether an open run stands on it.
    const CARRIES_RUNS: bool = true;

    /// The APIs that calls for this one need, without `.googleapis.com`.
    fn apis(&self) -> &'static [&'static str] {
        &[]
    }

    /// Forgets what was seen of one: the next look asks the service.
    fn forget(_cloud: &Cloud, _id: &str) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// What the cloud has in place of this one.
    fn observe(&self, cloud: &Cloud, id: &str) -> impl Future<Output = Result<Option<Found<Self>>>> + Send;

    /// Everything of this kind that the stack owns, whether or not it is still declared; and of what
    /// lies on its resources, what nobody here speaks of.
    fn owned(cloud: &Cloud) -> impl Future<Output = Result<Vec<Found<Self>>>> + Send;

    /// How a live one is, where its service tells.
    fn health(_cloud: &Cloud, _id: &str) -> impl Future<Output = Result<Option<Health>>> + Send {
        async { Ok(None) }
    }

    /// Creates it, and returns when it can be used.
    fn create(&self, cloud: &Cloud, at: &Place<'_>) -> impl Future<Output = Result<()>> + Send;

    /// Brings the named top-level fields of the live one to what they are here.
    fn update(
        &self,
        cloud: &Cloud,
        at: &Place<'_>,
        fields: &[String],
    ) -> impl Future<Output = Result<()>> + Send;

    /// Has the marks of the live one name their stack by its present name. Nothing else is changed.
    fn relabel(&self, cloud: &Cloud, at: &Place<'_>) -> impl Future<Output = Result<()>> + Send {
        async { self.update(cloud, at, &["labels".to_owned()]).await }
    }

    /// Deletes the live one, and returns when it is gone. One that is gone already is no error.
    fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> impl Future<Output = Result<()>> + Send;

    /// The command that deletes the live one without this program.
    fn by_hand(&self, project: &str, id: &str) -> String;

    /// What lies in one and is not the stack's, for people: it would go along.
    fn others(_cloud: &Cloud, _id: &str) -> impl Future<Output = Result<Vec<String>>> + Send {
        async { Ok(Vec::new()) }
    }
}

/// Where a change is made.
pub(crate) struct Place<'a> {
    /// The resource's key in the stack.
    pub key: &'a str,
    /// What the cloud calls it.
    pub id: &'a str,
    /// What a deletion may take along.
    pub delete_data: bool,
    /// What was there a moment ago: which one it was, and in which state.
    pub revision: &'a Revision,
    /// The marks that it is to bear beside its owner and its key; none if it is let go.
    pub marks: Option<&'a Labels>,
    /// Hears how far a long operation is.
    pub progress: &'a (dyn Fn(String) + Send + Sync),
}

impl Place<'_> {
    /// The labels of the resource, its marks and its own.
    fn labels(&self, cloud: &Cloud, own: &Labels) -> Labels {
        match self.marks {
            Some(marks) => marks.clone().into_iter().chain(cloud.marked(self.key, own)).collect(),
            None => own.clone().into_iter().filter(|(label, _)| !label.starts_with(MARK)).collect(),
        }
    }

    /// The version that a conditional write carries, where it is a number.
    fn generation(&self) -> Option<i64> {
        self.revision.version.as_ref().and_then(|version| version.parse().ok())
    }

    /// The version that a conditional write carries.
    fn version(&self) -> String {
        self.revision.version.clone().unwrap_or_default()
    }
}

/// A live resource of one kind.
#[derive(Clone)]
pub(crate) struct Found<T> {
    /// What the cloud calls it.
    pub id: String,
    /// Its key in the stack.
    pub key: String,
    /// Whose it is.
    pub owner: Owner,
    /// Its fields.
    pub fields: T,
    /// What is lost with it.
    pub holds: Option<String>,
    /// The resource that it vanishes with.
    pub inside: Option<Address>,
    /// Which state of it this is.
    pub revision: Revision,
}

/// A table of stack.toml, `[topic.NAME]`, as a type.
pub(crate) trait Table: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The name of the table.
    const NAME: &'static str;
    /// Whether it has a name in the cloud that `name` can choose.
    const IS_NAMED: bool = true;

    /// The tables that this one refers to by key.
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }

    /// Tells the other tables what they may need to know of it.
    fn introduce(&self, _key: &str, _scope: &mut Scope) {}

    /// What is wrong with it that no single value shows.
    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem>;

    /// The resources it stands for: itself first, then what it implies. Called only if nothing in
    /// the whole file is wrong.
    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>>;
}

/// Everything of a kind that the stack owns, asked for once per round of observation.
async fn listed<T: Kind>(cloud: &Cloud) -> Result<Arc<Vec<Live>>> {
    let list = async {
        let owned = T::owned(cloud).await?.into_iter().map(any::erased);
        owned.collect::<Result<_>>().map(Arc::new)
    };
    // Boxed: kinds ask for each other's.
    Box::pin(cloud.seen.owned.once(T::NAME, list)).await
}

/// The kind of that name.
pub(crate) fn named(kind: &str) -> Option<&'static dyn AnyKind> {
    ALL.into_iter().find(|k| k.name() == kind)
}

/// A word of a command line.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@=+,".contains(&b);
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Seconds as the clients have them.
fn wkt<const MIN: u64, const MAX: u64>(time: crate::stack::Seconds<MIN, MAX>) -> google_cloud_wkt::Duration {
    google_cloud_wkt::Duration::clamp(i64::try_from(time.get()).unwrap_or(i64::MAX), 0)
}

/// Seconds as we have them.
fn seconds<const MIN: u64, const MAX: u64>(
    time: google_cloud_wkt::Duration,
) -> crate::stack::Seconds<MIN, MAX> {
    crate::stack::Seconds::clamped(u64::try_from(time.seconds()).unwrap_or_default())
}

/// A resource's key as its marks tell it, or else the last part of its name.
fn key(marked: Option<String>, name: &str) -> String {
    marked.unwrap_or_else(|| name.rsplit('/').next().unwrap_or(name).to_owned())
}
