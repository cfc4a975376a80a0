//! The kinds of resources: one file each, and a line in each of the two lists below.
//!
//! A kind says how a resource of it is observed, created, updated and deleted. It knows nothing of
//! plans: diff, graph, apply and reports see every kind through [`Kind`].

use std::future::Future;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cloud::Cloud;
use crate::resource::{Address, Desired, Live, Owner};
use crate::stack::{FieldProblem, Reference, Scope};

mod bucket;
mod bucket_file;
mod cluster;
mod command;
mod etl;
mod grant;
mod in_cluster;
mod job;
mod kubernetes_service_account;
mod machine;
mod manifest;
mod namespace;
mod node_pool;
mod operation;
mod secret;
mod service_account;
mod subscription;
mod topic;

pub(crate) use job::{JOB, JobSpec};
pub(crate) use machine::shape;
pub(crate) use node_pool::POOL;
pub(crate) use secret::{Kept, SecretSpec};
pub(crate) use service_account::marks_in as account_marks;
pub(crate) use subscription::dead as dead_letters;

/// Every kind, in the order that lists are shown in.
pub(crate) static ALL: [&dyn AnyKind; 12] = [
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
pub(crate) static TABLES: [&dyn AnyTable; 8] = [
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
pub(crate) trait Kind: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind, as addresses name it.
    const NAME: &'static str;
    /// Fields that are fixed once a resource is made, each with what fixes it.
    const FIXED: &'static [(&'static str, &'static str)] = &[];
    /// Kinds that must be deleted before one of this kind is.
    const DELETED_AFTER: &'static [&'static str] = &[];
    /// How long Google takes to create one, where that is minutes.
    const TAKES: Option<&'static str> = None;

    /// What the cloud has in place of this one.
    fn observe(&self, cloud: &Cloud, id: &str) -> impl Future<Output = Result<Option<Found<Self>>>> + Send;

    /// Everything of this kind that the stack owns, whether or not it is still declared.
    fn owned(cloud: &Cloud) -> impl Future<Output = Result<Vec<Found<Self>>>> + Send;

    /// Creates it, and returns when it can be used.
    fn create(&self, cloud: &Cloud, at: &Place<'_>) -> impl Future<Output = Result<()>> + Send;

    /// Brings the named top-level fields of the live one to what they are here.
    fn update(
        &self,
        cloud: &Cloud,
        at: &Place<'_>,
        fields: &[String],
    ) -> impl Future<Output = Result<()>> + Send;

    /// Deletes the live one, and returns when it is gone. One that is gone already is no error.
    fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> impl Future<Output = Result<()>> + Send;
}

/// Where a change is made.
pub(crate) struct Place<'a> {
    /// The resource's key in the stack.
    pub key: &'a str,
    /// What the cloud calls it.
    pub id: &'a str,
    /// What a deletion may take along.
    pub delete_data: bool,
    /// Hears how far a long operation is.
    pub progress: &'a (dyn Fn(String) + Send + Sync),
}

/// A live resource of one kind.
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
}

/// A table of stack.toml, `[topic.NAME]`, as a type.
pub(crate) trait Table: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The name of the table.
    const NAME: &'static str;

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

/// A declared table whose type is forgotten.
pub(crate) trait AnyDeclared: Send + Sync {
    fn references(&self) -> Vec<Reference>;
    fn introduce(&self, key: &str, scope: &mut Scope);
    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem>;
    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>>;
    /// As a file would say it, with every default in place.
    fn written(&self) -> Result<Value>;
    fn as_any(&self) -> &dyn std::any::Any;
}

impl<T: Table> AnyDeclared for T {
    fn references(&self) -> Vec<Reference> {
        Table::references(self)
    }

    fn introduce(&self, key: &str, scope: &mut Scope) {
        Table::introduce(self, key, scope);
    }

    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem> {
        Table::problems(self, key, scope)
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        Table::resources(self, key, scope)
    }

    fn written(&self) -> Result<Value> {
        Ok(serde_json::to_value(self)?)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A table of stack.toml whose type is forgotten.
pub(crate) trait AnyTable: Sync {
    fn name(&self) -> &'static str;
    fn schema(&self) -> Value;
    fn read(
        &self,
        value: &crate::stack::read::Node<'_>,
        head: &std::ops::Range<usize>,
        problems: &mut Vec<crate::stack::Problem>,
    ) -> Option<Box<dyn AnyDeclared>>;
}

/// A kind whose type is forgotten: resources are JSON.
pub(crate) trait AnyKind: Sync {
    fn name(&self) -> &'static str;
    fn fixed(&self) -> &'static [(&'static str, &'static str)];
    fn deleted_after(&self) -> &'static [&'static str];
    fn takes(&self) -> Option<&'static str>;
    fn observe<'a>(&self, cloud: &'a Cloud, want: &'a Desired) -> BoxFuture<'a, Result<Option<Live>>>;
    fn owned<'a>(&self, cloud: &'a Cloud) -> BoxFuture<'a, Result<Vec<Live>>>;
    fn create<'a>(&self, cloud: &'a Cloud, fields: &'a Value, at: &'a Place<'a>)
    -> BoxFuture<'a, Result<()>>;
    fn update<'a>(
        &self,
        cloud: &'a Cloud,
        fields: &'a Value,
        at: &'a Place<'a>,
        changed: &'a [String],
    ) -> BoxFuture<'a, Result<()>>;
    fn delete<'a>(&self, cloud: &'a Cloud, fields: &'a Value, at: &'a Place<'a>)
    -> BoxFuture<'a, Result<()>>;
}

/// Forgets the type of a kind or a table.
struct Of<T>(std::marker::PhantomData<fn() -> T>);

impl<T: Kind> Of<T> {
    const KIND: Self = Self(std::marker::PhantomData);
}

impl<T: Table> Of<T> {
    const TABLE: Self = Self(std::marker::PhantomData);
}

impl<T: Table> AnyTable for Of<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn schema(&self) -> Value {
        crate::stack::read::schema::<T>()
    }

    fn read(
        &self,
        value: &crate::stack::read::Node<'_>,
        head: &std::ops::Range<usize>,
        problems: &mut Vec<crate::stack::Problem>,
    ) -> Option<Box<dyn AnyDeclared>> {
        crate::stack::read::table::<T>(value, head, problems).map(|t| Box::new(t) as Box<dyn AnyDeclared>)
    }
}

impl<T: Kind> AnyKind for Of<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        T::FIXED
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        T::DELETED_AFTER
    }

    fn takes(&self) -> Option<&'static str> {
        T::TAKES
    }

    fn observe<'a>(&self, cloud: &'a Cloud, want: &'a Desired) -> BoxFuture<'a, Result<Option<Live>>> {
        Box::pin(async move {
            let typed: T = typed(&want.fields)?;
            let found = typed.observe(cloud, &want.id).await?;
            // The file's address counts, not the one that the marks tell.
            let as_declared =
                |live| Live { address: want.address.clone(), inside: want.inside.clone(), ..live };
            found.map(|found| erased(found).map(as_declared)).transpose()
        })
    }

    fn owned<'a>(&self, cloud: &'a Cloud) -> BoxFuture<'a, Result<Vec<Live>>> {
        Box::pin(async move { T::owned(cloud).await?.into_iter().map(erased).collect() })
    }

    fn create<'a>(
        &self,
        cloud: &'a Cloud,
        fields: &'a Value,
        at: &'a Place<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { typed::<T>(fields)?.create(cloud, at).await })
    }

    fn update<'a>(
        &self,
        cloud: &'a Cloud,
        fields: &'a Value,
        at: &'a Place<'a>,
        changed: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { typed::<T>(fields)?.update(cloud, at, changed).await })
    }

    fn delete<'a>(
        &self,
        cloud: &'a Cloud,
        fields: &'a Value,
        at: &'a Place<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { typed::<T>(fields)?.delete(cloud, at).await })
    }
}

fn typed<T: Kind>(fields: &Value) -> Result<T> {
    T::deserialize(fields)
        .with_context(|| format!("internal error: these are not the fields of a {}", T::NAME))
}

fn erased<T: Kind>(found: Found<T>) -> Result<Live> {
    Ok(Live {
        address: Address::new(T::NAME, found.key),
        id: found.id,
        fields: serde_json::to_value(&found.fields)?,
        owner: found.owner,
        holds: found.holds,
        inside: found.inside,
    })
}

/// The kind of that name.
pub(crate) fn named(kind: &str) -> Option<&'static dyn AnyKind> {
    ALL.into_iter().find(|k| k.name() == kind)
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
