//! `namespace`: where a stack's jobs live in a cluster. Implied by them.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1 as core;
use kube::api::Api;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Found, Kind, Place, cluster, manifest};
use crate::cloud::{Cloud, Kubernetes};
use crate::resource::{Address, Desired, Owner};
use crate::stack::Scope;

/// A namespace, as its manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Namespace {
    manifest: Value,
}

impl Namespace {
    /// The stack's namespace in a cluster.
    pub(super) fn desired(cluster_key: &str, scope: &Scope) -> Result<Desired> {
        let mut manifest = manifest::read(include_str!("../../../manifests/namespace.yaml"))?;
        manifest["metadata"]["name"] = scope.owner.as_str().into();
        manifest::mark(&mut manifest, &scope.owner);
        let id = format!("{}/namespaces/{}", scope.cluster(cluster_key), scope.owner);
        let cluster = Address::new("cluster", cluster_key);
        Ok(Desired::new(&format!("{cluster_key}/{}", scope.owner), id, &Self { manifest })?.inside(cluster))
    }
}

impl Kind for Namespace {
    const NAME: &'static str = "namespace";
    const DELETED_AFTER: &'static [&'static str] = &["job", "kubernetes_service_account"];

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let (cluster, name) = split(id);
        let Some(kubernetes) = cloud.kubernetes(cluster).await? else { return Ok(None) };
        let live = kubernetes.get(&api(&kubernetes), name).await?;
        live.map(|live| found(cloud, id, &live, None)).transpose()
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        let mut owned = Vec::new();
        for (id, live) in cluster::owned(cloud).await? {
            let Some(kubernetes) = cloud.kubernetes(&id).await? else { continue };
            let inside = Address::new("cluster", super::key(cloud.unmarked(live.resource_labels).1, &id));
            for namespace in kubernetes.owned(&api(&kubernetes), &cloud.owner).await? {
                let name = namespace.metadata.name.clone().unwrap_or_default();
                let full = format!("{id}/namespaces/{name}");
                owned.push(found(cloud, &full, &namespace, Some(inside.clone()))?);
            }
        }
        Ok(owned)
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, name) = split(at.id);
        cluster::running(cloud, cluster, at.progress).await?;
        let kubernetes = cloud.kubernetes(cluster).await?.context("the cluster's API does not answer")?;
        kubernetes.apply(&api(&kubernetes), name, &self.manifest).await.map(drop)
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, _: &[String]) -> Result<()> {
        self.create(cloud, at).await
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, name) = split(at.id);
        match cloud.kubernetes(cluster).await? {
            Some(kubernetes) => kubernetes.delete(&api(&kubernetes), name).await,
            None => Ok(()),
        }
    }
}

fn api(kubernetes: &Kubernetes) -> Api<core::Namespace> {
    Api::all(kubernetes.0.clone())
}

fn split(id: &str) -> (&str, &str) {
    id.split_once("/namespaces/").unwrap_or((id, ""))
}

fn found(
    cloud: &Cloud,
    id: &str,
    live: &core::Namespace,
    inside: Option<Address>,
) -> Result<Found<Namespace>> {
    let manifest = manifest::of(live)?;
    let owner: Owner = manifest::owner(&manifest, &cloud.owner);
    let key = manifest::key(inside.as_ref(), live.metadata.name.as_deref());
    Ok(Found { id: id.to_owned(), key, owner, fields: Namespace { manifest }, holds: None, inside })
}
