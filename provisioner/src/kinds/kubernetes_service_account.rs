//! `kubernetes_service_account`: who a job's workers are in the cluster. Implied by the job.

use anyhow::Result;
use k8s_openapi::api::core::v1 as core;
use kube::api::Api;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::in_cluster::{self, InCluster};
use super::manifest;
use crate::cloud::Kubernetes;
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
        manifest["metadata"]["namespace"] = scope.prefix.as_str().into();
        manifest::mark(&mut manifest, &scope.owner);
        if let Some(email) = account {
            manifest["metadata"]["annotations"]["iam.gke.io/gcp-service-account"] = email.into();
        }
        let namespace = Address::new("namespace", format!("{cluster_key}/{}", scope.prefix));
        let key = format!("{cluster_key}/{name}");
        Ok(in_cluster::desired(&key, cluster_key, &Self { manifest }, scope)?.after([namespace]))
    }
}

impl InCluster for KubernetesServiceAccount {
    type Object = core::ServiceAccount;

    const NAME: &'static str = "kubernetes_service_account";
    const DELETED_AFTER: &'static [&'static str] = &["job"];

    fn api(kubernetes: &Kubernetes, namespace: &str) -> Api<core::ServiceAccount> {
        Api::namespaced(kubernetes.0.clone(), namespace)
    }

    fn of(manifest: Value) -> Self {
        Self { manifest }
    }

    fn manifest(&self) -> Value {
        self.manifest.clone()
    }
}
