//! What the kinds that live in a cluster share: each is one object of the cluster's API, applied as
//! a manifest. Knows nothing of what a manifest says.

use std::fmt::Debug;

use anyhow::{Context as _, Result, bail};
use kube::Resource;
use kube::api::Api;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Found, Kind, Place, cluster, manifest, others};
use crate::cloud::{Cloud, Home, Kubernetes};
use crate::resource::{Address, Desired, Revision};
use crate::stack::Scope;

/// A kind whose resources are objects of one type in a cluster.
pub(super) trait InCluster: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The object, as its API has it.
    type Object: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug + Send + Sync;

    /// The kind, as addresses name it.
    const NAME: &'static str;
    /// Kinds that must be deleted before one of this kind is.
    const DELETED_AFTER: &'static [&'static str] = &[];
    /// Whether it is the first of its cluster, which may not be running yet.
    const COMES_FIRST: bool = false;
    /// Whether others may put things of theirs into one.
    const IS_SHARED: bool = false;

    /// Where such objects are: in a namespace, or in the cluster itself.
    fn api(kubernetes: &Kubernetes, namespace: &str) -> Api<Self::Object>;

    /// The resource that a live object's manifest describes.
    fn of(manifest: Value) -> Self;

    /// What is applied.
    fn manifest(&self) -> Value;

    /// The key of a live object.
    fn key(cluster: Option<&Address>, name: Option<&str>) -> String {
        manifest::key(cluster, name)
    }
}

/// What the stack wants of a cluster.
pub(super) fn desired<T: InCluster>(
    key: &str,
    cluster_key: &str,
    resource: &T,
    scope: &Scope,
) -> Result<Desired> {
    let id = id::<T>(&scope.cluster(cluster_key), &resource.manifest());
    Ok(Desired::new(key, id, resource)?.inside(Address::new("cluster", cluster_key)))
}

impl<T: InCluster> Kind for T {
    const NAME: &'static str = T::NAME;
    const DELETED_AFTER: &'static [&'static str] = T::DELETED_AFTER;
    // Server-side apply makes what is not there and changes what is.
    const CREATES_OVER: bool = true;

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let (cluster, namespace, name) = split(id);
        let Some(kubernetes) = cloud.kubernetes(cluster).await? else { return Ok(None) };
        let live = kubernetes.get(&T::api(&kubernetes, namespace), name).await?;
        live.map(|live| found(cloud, cluster, &live, None)).transpose()
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        let list = async |home: Home| {
            let api = T::api(&home.kubernetes, &cloud.prefix);
            let objects = home.kubernetes.owned(&api, &cloud.owner).await?;
            objects.iter().map(|object| found(cloud, &home.id, object, Some(&home))).collect()
        };
        cloud.at_home(list).await
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, namespace, name) = split(at.id);
        if T::COMES_FIRST {
            cluster::running(cloud, cluster, at.progress).await?;
        }
        let kubernetes = cloud.kubernetes(cluster).await?.context("the cluster's API does not answer")?;
        let manifest = manifest::marked(self.manifest(), at);
        kubernetes.apply(&T::api(&kubernetes, namespace), name, &manifest).await.map(drop)
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, _: &[String]) -> Result<()> {
        let (cluster, namespace, name) = split(at.id);
        let kubernetes = cloud.kubernetes(cluster).await?.context("the cluster's API does not answer")?;
        let mut manifest = manifest::marked(self.manifest(), at);
        manifest["metadata"]["resourceVersion"] = at.version().into();
        kubernetes.apply(&T::api(&kubernetes, namespace), name, &manifest).await.map(drop)
    }

    async fn relabel(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, namespace, name) = split(at.id);
        let kubernetes = cloud.kubernetes(cluster).await?.context("the cluster's API does not answer")?;
        let mut owner = manifest::renamed(&self.manifest(), &cloud.owner).unwrap_or_default();
        owner["metadata"]["resourceVersion"] = at.version().into();
        kubernetes.merge(&T::api(&kubernetes, namespace), name, &owner).await.map(drop)
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, namespace, name) = split(at.id);
        let Some(kubernetes) = cloud.kubernetes(cluster).await? else { return Ok(()) };
        // Somebody may have moved in since the plan.
        let others = Self::others(cloud, at.id).await?;
        if !others.is_empty() {
            bail!("it holds what is not the stack's, and stays: {}", others::told(&others));
        }
        kubernetes.delete_one(&T::api(&kubernetes, namespace), name, at.revision.identity.clone()).await
    }

    fn by_hand(&self, _: &str, id: &str) -> String {
        by_hand(T::Object::plural(&()).as_ref(), id)
    }

    async fn others(cloud: &Cloud, id: &str) -> Result<Vec<String>> {
        let (cluster, namespace, _) = split(id);
        match cloud.kubernetes(cluster).await?.filter(|_| T::IS_SHARED) {
            Some(kubernetes) => others::in_namespace(&kubernetes, namespace, &cloud.owner).await,
            None => Ok(Vec::new()),
        }
    }
}

/// The command that deletes an object of a cluster.
pub(super) fn by_hand(plural: &str, id: &str) -> String {
    let (cluster, namespace, name) = split(id);
    let (project, rest) = cluster.split_once("/locations/").unwrap_or((cluster, ""));
    let (location, cluster) = rest.split_once("/clusters/").unwrap_or((rest, ""));
    let project = project.trim_start_matches("projects/");
    // The names that gcloud and kubectl know a cluster by.
    let context = format!("gke_{project}_{location}_{cluster}");
    format!("kubectl --context={context} --namespace={namespace} delete {plural}/{name}")
}

fn found<T: InCluster>(
    cloud: &Cloud,
    cluster: &str,
    live: &T::Object,
    home: Option<&Home>,
) -> Result<Found<T>> {
    let mut manifest = manifest::of(live)?;
    let id = id::<T>(cluster, &manifest);
    let owner = manifest::owner(&manifest, &cloud.owner);
    let key = T::key(home.map(|home| &home.address), live.meta().name.as_deref());
    let revision = Revision {
        identity: live.meta().uid.clone(),
        version: live.meta().resource_version.clone(),
        marks: manifest::take_marks(&mut manifest),
    };
    let inside = home.and_then(Home::inside);
    Ok(Found { id, key, owner, fields: T::of(manifest), holds: None, inside, revision })
}

/// `<cluster>/namespaces/<namespace>/<plural>/<name>`; without a namespace, `<cluster>/<plural>/<name>`.
fn id<T: InCluster>(cluster: &str, manifest: &Value) -> String {
    let plural = T::Object::plural(&());
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
    match manifest["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{cluster}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{cluster}/{plural}/{name}"),
    }
}

/// An id's cluster, namespace and name. A namespace's own name is both.
pub(super) fn split(id: &str) -> (&str, &str, &str) {
    let (cluster, rest) = id.split_once("/namespaces/").unwrap_or((id, ""));
    let mut parts = rest.split('/');
    let namespace = parts.next().unwrap_or_default();
    (cluster, namespace, parts.next_back().unwrap_or(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_split_into_cluster_namespace_and_name() {
        let cluster = "projects/p/locations/l/clusters/c";
        let job = format!("{cluster}/namespaces/fx/cronjobs/work");
        let namespace = format!("{cluster}/namespaces/fx");
        assert_eq!(split(&job), (cluster, "fx", "work"));
        assert_eq!(split(&namespace), (cluster, "fx", "fx"));
        let command = "kubectl --context=gke_p_l_c --namespace=fx delete cronjobs/work";
        assert_eq!(by_hand("cronjobs", &job), command);
    }
}
