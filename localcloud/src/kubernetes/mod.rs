//! One Kubernetes cluster.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Clock;
use crate::journal::{Journal, Tables};

pub(crate) struct ClusterSettings {
    pub name: String,
    pub folder: PathBuf,
    pub journal: Journal,
    pub clock: Clock,
    pub worker_program: PathBuf,
    pub working_folder: PathBuf,
    pub pod_environment: Vec<(String, String)>,
}
pub(crate) struct Taint {
    pub key: String,
    pub value: String,
    pub effect: String,
}
pub(crate) struct Autoscaling {
    pub min_nodes: u32,
    pub max_nodes: u32,
}
pub(crate) struct Pool {
    pub name: String,
    pub machine_type: String,
    pub spot: bool,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    pub initial_nodes: u32,
    pub autoscaling: Option<Autoscaling>,
}
pub(crate) struct PoolStatus {
    pub name: String,
    pub nodes: u32,
    pub ready: u32,
}
pub(crate) struct Cluster(Mutex<Vec<Pool>>);
impl Cluster {
    pub(crate) async fn start(_: ClusterSettings, _: &mut Tables) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self(Mutex::default())))
    }
    pub(crate) fn endpoint(&self) -> String {
        "127.0.0.1:1".into()
    }
    pub(crate) fn ca_certificate(&self) -> &str {
        ""
    }
    pub(crate) fn client_certificate(&self) -> &str {
        ""
    }
    pub(crate) fn client_key(&self) -> &str {
        ""
    }
    pub(crate) async fn set_pools(&self, pools: Vec<Pool>) {
        *self.0.lock().unwrap() = pools;
    }
    pub(crate) fn pools(&self) -> Vec<PoolStatus> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|p| PoolStatus { name: p.name.clone(), nodes: p.initial_nodes, ready: p.initial_nodes })
            .collect()
    }
    pub(crate) async fn preempt(&self, _: Option<&str>, _: Option<Duration>) -> anyhow::Result<Vec<String>> {
        Ok(vec![])
    }
    pub(crate) async fn stop(&self) {}
    pub(crate) async fn delete(&self) {}
}
