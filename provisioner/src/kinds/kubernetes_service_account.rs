//! `kubernetes_service_account`: who a job's workers are in the cluster. Implied by the job.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1 as core;
use kube::api::Api;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Found, Kind, Place, cluster, manifest};
use crate::cloud::{Cloud, Kubernetes};
use crate::resource::{Address, Desired};
use crate::stack::Scope;

/// A Kubernetes service account, as its manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KubernetesServiceAccount {
    manifest: Value,
}

impl KubernetesServiceAccount {
    /// The identity of a job's workers; `account` is the Google service account that it acts as.
    pub(super) fn desired(
        cluster_key: &str,
        name: &str,
        account: Option<&str>,
        scope: &Scope,
    ) -> Result<Desired> {
        let mut manifest = manifest::read(include_str!("../../../manifests/service-account.yaml"))?;
        manifest["metadata"]["name"] = name.into();
        manifest["metadata"]["namespace"] = scope.owner.as_str().into();
        manifest::mark(&mut manifest, &scope.owner);
        if let Some(email) = account {
            manifest["metadata"]["annotations"]["iam.gke.io/gcp-service-account"] = email.into();
        }
        let id = format!("{}/namespaces/{}/serviceaccounts/{name}", scope.cluster(cluster_key), scope.owner);
        let namespace = Address::new("namespace", format!("{cluster_key}/{}", scope.owner));
        Ok(Desired::new(&format!("{cluster_key}/{name}"), id, &Self { manifest })?
            .inside(Address::new("cluster", cluster_key))
            .after([namespace]))
    }
}

impl Kind for KubernetesServiceAccount {
    const NAME: &'static str = "kubernetes_service_account";
    const DELETED_AFTER: &'static [&'static str] = &["job"];

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let (cluster, namespace, name) = split(id);
        let Some(kubernetes) = cloud.kubernetes(cluster).await? else { return Ok(None) };
        let live = kubernetes.get(&api(&kubernetes, namespace), name).await?;
        live.map(|live| found(cloud, cluster, &live, None)).transpose()
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        let mut owned = Vec::new();
        for (id, live) in cluster::owned(cloud).await? {
            let Some(kubernetes) = cloud.kubernetes(&id).await? else { continue };
            let inside = Address::new("cluster", super::key(cloud.unmarked(live.resource_labels).1, &id));
            for account in kubernetes.owned(&api(&kubernetes, &cloud.owner), &cloud.owner).await? {
                owned.push(found(cloud, &id, &account, Some(inside.clone()))?);
            }
        }
        Ok(owned)
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, namespace, name) = split(at.id);
        let kubernetes = cloud.kubernetes(cluster).await?.context("the cluster's API does not answer")?;
        kubernetes.apply(&api(&kubernetes, namespace), name, &self.manifest).await.map(drop)
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, _: &[String]) -> Result<()> {
        self.create(cloud, at).await
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, namespace, name) = split(at.id);
        match cloud.kubernetes(cluster).await? {
            Some(kubernetes) => kubernetes.delete(&api(&kubernetes, namespace), name).await,
            None => Ok(()),
        }
    }
}

fn api(kubernetes: &Kubernetes, namespace: &str) -> Api<core::ServiceAccount> {
    Api::namespaced(kubernetes.0.clone(), namespace)
}

/// `<cluster>/namespaces/<namespace>/<plural>/<name>` in its three parts.
pub(super) fn split(id: &str) -> (&str, &str, &str) {
    let (cluster, rest) = id.split_once("/namespaces/").unwrap_or((id, ""));
    let mut parts = rest.split('/');
    (cluster, parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default())
}

fn found(
    cloud: &Cloud,
    cluster: &str,
    live: &core::ServiceAccount,
    inside: Option<Address>,
) -> Result<Found<KubernetesServiceAccount>> {
    let manifest = manifest::of(live)?;
    let owner = manifest::owner(&manifest, &cloud.owner);
    let name = live.metadata.name.as_deref().unwrap_or_default();
    let namespace = live.metadata.namespace.as_deref().unwrap_or_default();
    let id = format!("{cluster}/namespaces/{namespace}/serviceaccounts/{name}");
    let key = manifest::key(inside.as_ref(), Some(name));
    Ok(Found { id, key, owner, fields: KubernetesServiceAccount { manifest }, holds: None, inside })
}
