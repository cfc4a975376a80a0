//! `namespace`: where a stack's jobs live in a cluster. Implied by them.

use anyhow::Result;
use k8s_openapi::api::core::v1 as core;
use kube::api::Api;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::in_cluster::{self, InCluster};
use super::manifest;
use crate::cloud::Kubernetes;
use crate::resource::Desired;
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
        manifest["metadata"]["name"] = scope.prefix.as_str().into();
        manifest::mark(&mut manifest, &scope.owner);
        let key = format!("{cluster_key}/{}", scope.prefix);
        in_cluster::desired(&key, cluster_key, &Self { manifest }, scope)
    }
}

impl InCluster for Namespace {
    type Object = core::Namespace;

    const NAME: &'static str = "namespace";
    const DELETED_AFTER: &'static [&'static str] = &["job", "kubernetes_service_account", "secret"];
    const COMES_FIRST: bool = true;
    const IS_SHARED: bool = true;

    fn api(kubernetes: &Kubernetes, _: &str) -> Api<core::Namespace> {
        Api::all(kubernetes.0.clone())
    }

    fn of(manifest: Value) -> Self {
        Self { manifest }
    }

    fn manifest(&self) -> Value {
        self.manifest.clone()
    }
}
