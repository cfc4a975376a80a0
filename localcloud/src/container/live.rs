//! Between GKE's words and Kubernetes': starts a cluster's Kubernetes, says which nodes should be
//! there, and shows what is.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use google_cloud_container_v1::model::{
    Cluster, MasterAuth, NodePool, NodePoolAutoscaling, node_pool_autoscaling, node_taint,
};

use super::Container;
use super::names::ClusterName;
use super::state::{Record, was_made};
use crate::compute::Running;
use crate::error::ApiError;
use crate::kubernetes::{self, Autoscaling, ClusterSettings, LocationPolicy, Pool, PoolStatus, Taint};

impl Container {
    pub(super) async fn start_kubernetes(&self, name: &ClusterName) -> anyhow::Result<()> {
        let kubernetes = self.state().record(name)?.kubernetes.clone();
        let mut tables = self.tables.lock().await;
        if self.live().contains_key(name) {
            return Ok(());
        }
        let settings = ClusterSettings {
            folder: self.surroundings.folder.join("clusters").join(&kubernetes),
            name: kubernetes,
            journal: self.journal.clone(),
            clock: self.clock.clone(),
            worker_program: self.surroundings.worker_program.clone(),
            working_folder: self.surroundings.working_folder.clone(),
            pod_environment: self.surroundings.pod_environment.clone(),
            calls: self.surroundings.calls.clone(),
            identities: Some(self.surroundings.metadata.of_cluster(
                &name.location.project,
                &name.location.name,
                &name.name,
            )),
        };
        let cluster = kubernetes::Cluster::start(settings, &mut tables).await?;
        self.pass_on(&cluster);
        self.live().insert(name.clone(), cluster);
        Ok(())
    }

    /// A cluster as a client sees it: what is kept, and what is alive.
    pub(super) fn shown(&self, record: &Record) -> Cluster {
        let mut shown = record.cluster.clone();
        let live = self.live().get(&record.name).cloned();
        let nodes = live.as_ref().map(|live| live.pools()).unwrap_or_default();
        for pool in &mut shown.node_pools {
            pool.instance_group_urls = groups(&record.name, pool);
        }
        if let Some(first) = record.cluster.node_pools.first() {
            shown = with_first_pool(shown, first);
        }
        shown = with_nodes(shown, &nodes);
        match live {
            Some(live) => with_access(shown, &live),
            None => shown,
        }
    }

    /// The machines of a project that run in a region.
    pub(crate) fn machines(&self, project: &str, region: &str) -> Vec<Running> {
        let records: Vec<Record> = self.state().records().cloned().collect();
        let there = records.iter().filter(|record| {
            let location = &record.name.location;
            location.project == project
                && location
                    .name
                    .strip_prefix(region)
                    .is_some_and(|zone| zone.is_empty() || zone.starts_with('-'))
        });
        let mut running = Vec::new();
        for record in there {
            let Some(live) = self.live().get(&record.name).cloned() else { continue };
            for status in live.pools() {
                let pool = record.cluster.node_pools.iter().find(|pool| pool.name == status.name);
                let Some(config) = pool.and_then(|pool| pool.config.as_ref()) else { continue };
                let disk_gb = u64::try_from(config.disk_size_gb).unwrap_or_default();
                running.push(Running {
                    machine_type: config.machine_type.clone(),
                    spot: config.spot || config.preemptible,
                    machines: status.nodes.into(),
                    disk_gb: disk_gb * u64::from(status.nodes),
                    processors: kubernetes::processors(&config.machine_type) * u64::from(status.nodes),
                });
            }
        }
        running
    }

    pub(super) fn shown_pool(&self, name: &ClusterName, pool: &str) -> Result<NodePool, ApiError> {
        let mut shown = self.state().pool(name, pool)?.clone();
        shown.instance_group_urls = groups(name, &shown);
        Ok(shown)
    }
}

/// Where the cluster is reached. Who may is said by the kubeconfig, which only its owner can read: a
/// key on this port would be anybody's on the machine, and pods are programs.
fn with_access(mut shown: Cluster, live: &kubernetes::Cluster) -> Cluster {
    let encoded = |pem: &str| BASE64_STANDARD.encode(pem);
    shown.endpoint = live.endpoint();
    if let Some(endpoints) = &mut shown.control_plane_endpoints_config {
        if let Some(dns) = &mut endpoints.dns_endpoint_config {
            dns.endpoint = live.endpoint();
        }
        if let Some(ip) = &mut endpoints.ip_endpoints_config {
            ip.public_endpoint = live.endpoint();
        }
    }
    shown.set_master_auth(MasterAuth::new().set_cluster_ca_certificate(encoded(live.ca_certificate())))
}

#[allow(deprecated, reason = "older fields that GKE still answers and clients still read")]
fn with_first_pool(shown: Cluster, first: &NodePool) -> Cluster {
    shown.set_initial_node_count(first.initial_node_count).set_or_clear_node_config(first.config.clone())
}

#[allow(deprecated, reason = "the only place where GKE counts nodes")]
fn with_nodes(shown: Cluster, pools: &[PoolStatus]) -> Cluster {
    let groups: Vec<String> =
        shown.node_pools.iter().flat_map(|pool| pool.instance_group_urls.clone()).collect();
    let nodes: u32 = pools.iter().map(|pool| pool.nodes).sum();
    shown.set_instance_group_urls(groups).set_current_node_count(i32::try_from(nodes).unwrap_or(i32::MAX))
}

/// The instance groups that would hold the nodes of a pool, one per zone.
fn groups(name: &ClusterName, pool: &NodePool) -> Vec<String> {
    let project = &name.location.project;
    let group = |zone| {
        format!(
            "https://www.googleapis.com/compute/v1/projects/{project}/zones/{zone}/instanceGroupManagers/gke-{}-{}-{}-grp",
            name.name,
            pool.name,
            name.hash()
        )
    };
    pool.locations.iter().map(group).collect()
}

/// The pools that should have nodes.
pub(super) fn pools(record: &Record) -> Vec<Pool> {
    record
        .cluster
        .node_pools
        .iter()
        .filter(|pool| was_made(pool))
        .map(|pool| kubernetes_pool(record, pool))
        .collect()
}

fn kubernetes_pool(record: &Record, pool: &NodePool) -> Pool {
    let size = record.sizes.get(&pool.name).copied().unwrap_or(pool.initial_node_count);
    let config = pool.config.clone().unwrap_or_default();
    let autoscaling = pool.autoscaling.as_ref().filter(|autoscaling| autoscaling.enabled);
    Pool {
        name: pool.name.clone(),
        machine_type: config.machine_type,
        spot: config.spot || config.preemptible,
        service_account: config.service_account,
        labels: config.labels.into_iter().collect(),
        taints: config.taints.iter().map(taint).collect(),
        initial_nodes: count(size),
        autoscaling: autoscaling.map(limits),
        zones: if pool.locations.is_empty() { record.name.location.zones() } else { pool.locations.clone() },
        location_policy: match autoscaling.map(|autoscaling| &autoscaling.location_policy) {
            Some(node_pool_autoscaling::LocationPolicy::Any) => LocationPolicy::Any,
            _ => LocationPolicy::Balanced,
        },
    }
}

/// The totals, or else the limits of each zone: GKE takes no both.
fn limits(asked: &NodePoolAutoscaling) -> Autoscaling {
    let per_zone = asked.total_max_node_count == 0;
    let (min, max) = if per_zone {
        (asked.min_node_count, asked.max_node_count)
    } else {
        (asked.total_min_node_count, asked.total_max_node_count)
    };
    Autoscaling { min_nodes: count(min), max_nodes: count(max), per_zone }
}

fn count<T: TryInto<u32>>(number: T) -> u32 {
    number.try_into().unwrap_or(0)
}

fn taint(taint: &google_cloud_container_v1::model::NodeTaint) -> Taint {
    let effect = match taint.effect {
        node_taint::Effect::NoExecute => "NoExecute",
        node_taint::Effect::PreferNoSchedule => "PreferNoSchedule",
        _ => "NoSchedule",
    };
    Taint { key: taint.key.clone(), value: taint.value.clone(), effect: effect.into() }
}
