//! The Kubernetes API of a cluster: how it is reached, and the few calls that kinds and runs make.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use google_cloud_container_v1::model::Cluster;
use google_cloud_container_v1::model::cluster::Status;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::config::{AuthInfo, Config, KubeConfigOptions, Kubeconfig, NamedCluster};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::calls::within;
use super::errors;
use super::evidence::patiently;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for an answer; a watch is longer and sets its own bound.
const READ: Duration = Duration::from_secs(30);

/// Calls of one cluster on their way at the same time.
const AT_ONCE: usize = 32;

/// The field manager of server-side apply.
pub(crate) const FIELD_MANAGER: &str = "provision";
/// Label of what we manage, and its value.
pub(crate) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "provision");
/// Label that names the stack.
pub(crate) const PART_OF: &str = "app.kubernetes.io/part-of";

/// A cluster's Kubernetes API. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Kubernetes(pub kube::Client, Arc<Semaphore>);

impl Kubernetes {
    /// The API of a cluster, or none while it has no endpoint.
    pub(super) async fn of(cluster: &Cluster, credentials: &Credentials) -> Result<Option<Self>> {
        let Some((host, by_dns)) = endpoint(cluster).filter(|_| is_usable(cluster)) else { return Ok(None) };
        let url = url(&host)?;
        let mut config = Config::new(url);
        let auth = cluster.master_auth.clone().unwrap_or_default();
        if !by_dns {
            config.root_cert = Some(vec![certificate(&auth.cluster_ca_certificate)?]);
        }
        config.auth_info = AuthInfo { token: Some(token(credentials).await?.into()), ..AuthInfo::default() };
        Self::connect(config).map(Some)
    }

    /// The API of a local cloud's cluster, by the kubeconfig that only its owner can read.
    pub(super) async fn local(cluster: &Cluster, kubeconfig: &Path) -> Result<Option<Self>> {
        if cluster.endpoint.is_empty() || !is_usable(cluster) {
            return Ok(None);
        }
        let server = url(&cluster.endpoint)?.to_string();
        let file = Kubeconfig::read_from(kubeconfig)
            .with_context(|| format!("cannot read {}", kubeconfig.display()))?;
        let at = |named: &&NamedCluster| {
            let theirs = named.cluster.as_ref().and_then(|cluster| cluster.server.as_deref());
            theirs.is_some_and(|theirs| theirs.trim_end_matches('/') == server.trim_end_matches('/'))
        };
        // Written right after the cluster is running.
        let Some(named) = file.clusters.iter().find(at).map(|named| named.name.clone()) else {
            return Ok(None);
        };
        let options = KubeConfigOptions { context: Some(named), ..KubeConfigOptions::default() };
        Self::connect(Config::from_custom_kubeconfig(file, &options).await?).map(Some)
    }

    fn connect(mut config: Config) -> Result<Self> {
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(READ);
        let client = kube::Client::try_from(config).context("cannot talk to the cluster's Kubernetes API")?;
        Ok(Self(client, Arc::new(Semaphore::new(AT_ONCE))))
    }

    /// A call with a bound on its time, once the cluster has a place for it. It takes none from calls of
    /// Google's services: a cluster that does not answer holds up nothing else.
    async fn call<T, E>(&self, doing: &str, call: impl Future<Output = Result<T, E>>) -> Result<T>
    where
        E: Into<anyhow::Error>,
    {
        let _place = self.1.acquire().await;
        within(doing, call).await
    }

    /// Reads an object, or none if it is not there.
    pub(crate) async fn get<K>(&self, api: &Api<K>, name: &str) -> Result<Option<K>>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        errors::found(patiently(|| self.call("read from the cluster", api.get(name))).await)
    }

    /// Creates or changes an object by server-side apply.
    pub(crate) async fn apply<K>(
        &self,
        api: &Api<K>,
        name: &str,
        object: &(impl Serialize + Debug),
    ) -> Result<K>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let how = PatchParams::apply(FIELD_MANAGER).force();
        self.call("apply to the cluster", api.patch(name, &how, &Patch::Apply(object))).await
    }

    /// Changes the named fields of an object, and no other.
    pub(crate) async fn merge<K>(&self, api: &Api<K>, name: &str, fields: &serde_json::Value) -> Result<K>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let how = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.call("write to the cluster", api.patch(name, &how, &Patch::Merge(fields))).await
    }

    /// Deletes an object and what it owns; one that is not there is deleted already.
    pub(crate) async fn delete<K>(&self, api: &Api<K>, name: &str) -> Result<()>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        errors::gone(
            self.call("delete from the cluster", api.delete(name, &DeleteParams::background())).await,
        )
    }

    /// Deletes an object if it still is the one with that uid.
    pub(crate) async fn delete_one<K>(&self, api: &Api<K>, name: &str, uid: Option<String>) -> Result<()>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let this = uid.map(|uid| Preconditions { uid: Some(uid), resource_version: None });
        let how = DeleteParams { preconditions: this, ..DeleteParams::background() };
        errors::gone(self.call("delete from the cluster", api.delete(name, &how)).await)
    }

    /// Lists what carries a stack's labels.
    pub(crate) async fn owned<K>(&self, api: &Api<K>, owner: &str) -> Result<Vec<K>>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let (managed_by, us) = MANAGED_BY;
        let labels = ListParams::default().labels(&format!("{managed_by}={us},{PART_OF}={owner}"));
        Ok(patiently(|| self.call("list from the cluster", api.list(&labels))).await?.items)
    }
}

fn is_usable(cluster: &Cluster) -> bool {
    matches!(cluster.status, Status::Running | Status::Reconciling | Status::Degraded)
}

fn url(host: &str) -> Result<http::Uri> {
    format!("https://{host}").parse().with_context(|| format!("the cluster's endpoint is `{host}`"))
}

/// Where a cluster's API answers, and whether that is its DNS endpoint, whose certificate is public.
fn endpoint(cluster: &Cluster) -> Option<(String, bool)> {
    let dns = cluster.control_plane_endpoints_config.as_ref().and_then(|c| c.dns_endpoint_config.as_ref());
    // `gke-<hash>-<project number>.<region>.gke.goog`, whose certificate everybody trusts.
    let is_public = |name: &str| name.rsplit('.').next() == Some("goog");
    let dns = dns.filter(|dns| dns.allow_external_traffic == Some(true) && is_public(&dns.endpoint));
    match dns {
        Some(dns) => Some((dns.endpoint.clone(), true)),
        None => (!cluster.endpoint.is_empty()).then(|| (cluster.endpoint.clone(), false)),
    }
}

fn certificate(base64_pem: &str) -> Result<Vec<u8>> {
    let wrong = "the cluster's CA certificate is not base64 of PEM";
    let pem = base64::engine::general_purpose::STANDARD.decode(base64_pem).context(wrong)?;
    let text = String::from_utf8(pem).context(wrong)?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    base64::engine::general_purpose::STANDARD.decode(body).context(wrong)
}

async fn token(credentials: &Credentials) -> Result<String> {
    let headers = credentials.headers(http::Extensions::new()).await.context("no access token")?;
    let CacheableResource::New { data, .. } = headers else { anyhow::bail!("no access token") };
    let value = data.get(http::header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    Ok(value.unwrap_or_default().trim_start_matches("Bearer ").to_owned())
}
