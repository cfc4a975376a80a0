//! `node_pool`: machines of one type in a cluster, autoscaled between two totals.
//!
//! The live number of nodes is the autoscaler's and never compared. A pool of a fixed size is one
//! whose two totals are equal.

use std::time::Duration;

use anyhow::Result;
use google_cloud_container_v1::model::node_pool::Status;
use google_cloud_container_v1::model::node_pool_autoscaling::LocationPolicy;
use google_cloud_container_v1::model::{
    self, NodeConfig, NodePoolAutoscaling, NodeTaint, ShieldedInstanceConfig, WorkloadMetadataConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::readiness::State;
use super::{Found, Kind, Place, cluster, health, operation};
use crate::cloud::{Cloud, Marked, errors, limited};
use crate::cost::{Billed, Machines};
use crate::full_name;
use crate::resource::{Address, Health, Owner, Revision};
use crate::stack::{FieldProblem, Labels};

mod size;

pub(super) use size::Count;
pub(crate) use size::is_ready;

/// The label and taint of GKE's Spot nodes.
pub(super) const SPOT: &str = "cloud.google.com/gke-spot";
/// GKE's label for a node's pool.
pub(crate) const POOL: &str = "cloud.google.com/gke-nodepool";
/// How often a pool that somebody else is making is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// `[cluster.NAME.pool.NAME]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolSpec {
    /// Compute Engine machine type.
    #[serde(default = "machine_type")]
    pub(super) machine_type: String,
    /// Cheap machines that may vanish at any moment.
    #[serde(default)]
    pub(super) spot: bool,
    /// A fixed number of nodes, in all zones together.
    #[serde(default)]
    nodes: Option<u32>,
    /// Fewest nodes, in all zones together.
    #[serde(default)]
    min_nodes: Option<u32>,
    /// Most nodes, in all zones together.
    #[serde(default)]
    pub(super) max_nodes: Option<u32>,
    /// Size of each node's disk, in GB.
    #[serde(default = "disk_gb")]
    disk_gb: u32,
    /// Kubernetes labels of the nodes.
    #[serde(default)]
    labels: Labels,
}

fn machine_type() -> String {
    "e2-standard-2".into()
}

fn disk_gb() -> u32 {
    50
}

/// A node pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NodePool {
    machine_type: String,
    spot: bool,
    min_nodes: u32,
    max_nodes: u32,
    disk_gb: u32,
    service_account: String,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    state: State,
}

impl PoolSpec {
    /// Most nodes that the pool may have.
    pub(super) fn most(&self) -> u32 {
        self.nodes.or(self.max_nodes).unwrap_or(1)
    }

    /// Fewest nodes that the pool may have.
    pub(super) fn fewest(&self) -> u32 {
        self.nodes.or(self.min_nodes).unwrap_or(0)
    }

    /// The pool with its node account.
    pub(super) fn resolved(&self, email: &str) -> NodePool {
        NodePool {
            machine_type: self.machine_type.clone(),
            spot: self.spot,
            min_nodes: self.fewest(),
            max_nodes: self.most(),
            disk_gb: self.disk_gb,
            service_account: email.to_owned(),
            labels: self.labels.clone(),
            state: State::Ready,
        }
    }

    pub(super) fn problems(&self, name: &str) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut problem = |field: &str, what: String, help: &str| {
            let path = if field.is_empty() { vec!["pool", name] } else { vec!["pool", name, field] };
            problems.push(FieldProblem::at(&path, what).help(help));
        };
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !name.bytes().all(plain) || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 40
        {
            let help = "at most 40 lower-case letters, digits and hyphens, beginning with a letter";
            problem("", format!("`{name}` cannot be the name of a pool"), help);
        }
        match (self.nodes, self.min_nodes, self.max_nodes) {
            (None, None, None) => {
                problem("", "how many nodes?".into(), "set `nodes`, or `min_nodes` and `max_nodes`");
            }
            (None, Some(_), None) => {
                problem("min_nodes", "`min_nodes` needs `max_nodes`".into(), "add `max_nodes = 10`");
            }
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                problem("nodes", "`nodes` fixes the size".into(), "drop it, or `min_nodes` and `max_nodes`");
            }
            (_, min, Some(max)) if min.unwrap_or(0) > max => {
                let what = format!("`min_nodes` is {}, more than `max_nodes`, {max}", min.unwrap_or(0));
                problem("min_nodes", what, "swap them?");
            }
            _ => {}
        }
        if self.most() == 0 || self.most() > 15_000 {
            let field = if self.nodes.is_some() { "nodes" } else { "max_nodes" };
            problem(field, "a pool has from 1 to 15,000 nodes at most".into(), "GKE's limit for a cluster");
        }
        if !(10..=65_536).contains(&self.disk_gb) {
            problem("disk_gb", "a disk has from 10 to 65,536 GB".into(), "GKE's limits");
        }
        problems
    }
}

impl Kind for NodePool {
    const NAME: &'static str = "node_pool";
    const TAKES: Option<&'static str> = Some("1–2 min");
    const LONGEST: Duration = Duration::from_mins(45);
    const UPDATES_BLINDLY: bool = true;
    const FIXED: &'static [(&'static str, &'static str)] = &[
        ("spot", "whether a pool is Spot is fixed when it is made"),
        ("service_account", "a pool's account is fixed when it is made"),
    ];

    async fn forget(cloud: &Cloud, id: &str) {
        cloud.seen.clusters.forget(full_name::cluster_and_pool(id).0).await;
    }

    fn apis(&self) -> &'static [&'static str] {
        &["compute", "container"]
    }

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let (cluster_id, name) = full_name::cluster_and_pool(id);
        let Some(cluster) = cloud.cluster(cluster_id).await? else { return Ok(None) };
        let pools = cluster.node_pools.iter();
        let live = { pools }.find(|pool| {
            Some(pool.name.as_str()) == name && pool.status != model::node_pool::Status::Stopping
        });
        Ok(live.map(|live| found(cloud, cluster_id, live.clone(), None)))
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        let clusters = cluster::owned(cloud).await?;
        let pools = clusters.into_iter().flat_map(|(id, cluster)| {
            let key = cloud.unmarked(cluster.resource_labels).key;
            let inside = Address::new("cluster", super::key(key, &id));
            let found = move |pool| found(cloud, &id, pool, Some(inside.clone()));
            cluster.node_pools.into_iter().map(found).collect::<Vec<_>>()
        });
        Ok(pools.filter(|found| found.owner == Owner::Ours).collect())
    }

    async fn health(cloud: &Cloud, id: &str) -> Result<Option<Health>> {
        let (cluster_id, name) = full_name::cluster_and_pool(id);
        let cluster = cloud.cluster(cluster_id).await?;
        let pools = cluster.iter().flat_map(|cluster| &cluster.node_pools);
        Ok({ pools }.find(|pool| Some(pool.name.as_str()) == name).map(health::of_pool))
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster_id, name) = full_name::cluster_and_pool(at.id);
        let parent = full_name::parent(cluster_id);
        // A new cluster comes with its pools: then this answers "already there", and is compared.
        cluster::running(cloud, cluster_id, at.progress).await?;
        let key = at.key.split('/').next().unwrap_or_default();
        let create = cloud.clusters.create_node_pool().set_parent(cluster_id).set_node_pool(self.wire(
            cloud,
            parent,
            name.unwrap_or_default(),
            key,
        ));
        let count = Count { pool: at.id, wanted: self.min_nodes };
        match limited("create the pool", create.send()).await {
            Ok(started) => operation::wait_counting(cloud, parent, started, Some(count), at.progress).await,
            // Under way from an apply that was killed: waited for, and then compared.
            Err(error) if errors::is_already_there(&error) && self.is_ours(cloud, at.id).await? => {
                self.usable(cloud, at).await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, fields: &[String]) -> Result<()> {
        let parent = full_name::parent(at.id);
        let changed = |name: &str| fields.iter().any(|field| field == name);
        if changed("state") {
            self.usable(cloud, at).await?;
        }
        // A resize has no etag, and moves it.
        let resized = changed("min_nodes") || changed("max_nodes");
        if resized {
            self.resize(cloud, at, parent).await?;
        }
        if changed("machine_type") || changed("disk_gb") || changed("labels") {
            let labels = model::NodeLabels::new().set_labels(self.labels.clone());
            let update = cloud
                .clusters
                .update_node_pool()
                .set_name(at.id)
                .set_etag(if resized { String::new() } else { at.version() })
                .set_machine_type(&self.machine_type)
                .set_disk_size_gb(i64::from(self.disk_gb))
                .set_labels(labels);
            let started = limited("update the pool", update.send()).await?;
            operation::wait(cloud, parent, started, at.progress).await?;
        }
        Ok(())
    }

    async fn relabel(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let parent = full_name::parent(at.id);
        // Google's own labels and people's are sent again, or they would go.
        let mut labels = look(cloud, at.id).await?.config.unwrap_or_default().resource_labels;
        labels.extend(cloud.marked(&at.key.replacen('/', "_", 1), &Labels::new()));
        let update = cloud
            .clusters
            .update_node_pool()
            .set_name(at.id)
            .set_etag(at.version())
            .set_resource_labels(model::ResourceLabels::new().set_labels(labels));
        let started = limited("label the pool", update.send()).await?;
        operation::wait(cloud, parent, started, at.progress).await
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let parent = full_name::parent(at.id);
        let delete = cloud.clusters.delete_node_pool().set_name(at.id);
        match errors::found(limited("delete the pool", delete.send()).await)? {
            Some(started) => operation::wait(cloud, parent, started, at.progress).await,
            None => Ok(()),
        }
    }

    fn by_hand(&self, project: &str, id: &str) -> String {
        let (cluster, location) = (full_name::cluster_and_pool(id).0, full_name::location(id));
        format!(
            "gcloud container node-pools delete {} --cluster={} --location={location} --project={project}",
            full_name::last(id),
            full_name::last(cluster)
        )
    }
}

impl NodePool {
    /// As GKE takes it, for a cluster in the location `parent`.
    pub(super) fn wire(&self, cloud: &Cloud, parent: &str, name: &str, cluster_key: &str) -> model::NodePool {
        let taint = || {
            NodeTaint::new().set_key(SPOT).set_value("true").set_effect(model::node_taint::Effect::NoSchedule)
        };
        let config = NodeConfig::new()
            .set_machine_type(&self.machine_type)
            .set_disk_size_gb(whole(self.disk_gb))
            .set_service_account(&self.service_account)
            .set_oauth_scopes(["https://www.googleapis.com/auth/cloud-platform"])
            .set_metadata([("disable-legacy-endpoints", "true")])
            .set_spot(self.spot)
            // Without it, the system's own pods keep the last Spot node from going.
            .set_taints(self.spot.then(taint))
            .set_labels(self.labels.clone())
            .set_resource_labels(cloud.marked(&format!("{cluster_key}_{name}"), &Labels::new()))
            .set_workload_metadata_config(
                WorkloadMetadataConfig::new().set_mode(model::workload_metadata_config::Mode::GkeMetadata),
            )
            .set_shielded_instance_config(
                ShieldedInstanceConfig::new()
                    .set_enable_secure_boot(true)
                    .set_enable_integrity_monitoring(true),
            );
        model::NodePool::new()
            .set_name(name)
            .set_initial_node_count(whole(size::first_of_zone(self.min_nodes, parent)))
            .set_config(config)
            .set_autoscaling(self.autoscaling())
            .set_management(model::NodeManagement::new().set_auto_repair(true).set_auto_upgrade(true))
    }

    fn autoscaling(&self) -> NodePoolAutoscaling {
        let policy = if self.spot { LocationPolicy::Any } else { LocationPolicy::Balanced };
        NodePoolAutoscaling::new()
            .set_enabled(true)
            // Totals: the other pair of fields counts per zone.
            .set_total_min_node_count(whole(self.min_nodes))
            .set_total_max_node_count(whole(self.max_nodes))
            .set_location_policy(policy)
    }

    async fn is_ours(&self, cloud: &Cloud, id: &str) -> Result<bool> {
        let config = look(cloud, id).await?.config.unwrap_or_default();
        Ok(cloud.unmarked(config.resource_labels).owner == Owner::Ours)
    }
}

async fn look(cloud: &Cloud, id: &str) -> Result<model::NodePool> {
    limited("look up the pool", cloud.clusters.get_node_pool().set_name(id).send()).await
}

fn found(cloud: &Cloud, cluster_id: &str, live: model::NodePool, inside: Option<Address>) -> Found<NodePool> {
    let revision = Revision { version: Some(live.etag), ..Revision::default() };
    let config = live.config.unwrap_or_default();
    let scaling = live.autoscaling.unwrap_or_default();
    let Marked { owner, key, .. } = cloud.unmarked(config.resource_labels);
    let key = key.map_or_else(|| live.name.clone(), |key| key.replacen('_', "/", 1));
    let fields = NodePool {
        machine_type: config.machine_type,
        spot: config.spot,
        min_nodes: count(scaling.total_min_node_count),
        max_nodes: count(scaling.total_max_node_count),
        disk_gb: count(config.disk_size_gb),
        service_account: config.service_account,
        labels: cloud.unmarked(config.labels).labels,
        state: match live.status {
            Status::Provisioning => State::BeingMade,
            Status::Error => State::Failed,
            _ => State::Ready,
        },
    };
    let id = full_name::pool(cluster_id, &live.name);
    Found { id, key, owner, fields, holds: None, inside, revision }
}

/// What is billed of a cluster by the hour: itself, and each of its pools.
pub(crate) fn billed(live: &model::Cluster, project: &str) -> Vec<Billed> {
    let id = full_name::cluster_id(project, &live.location, &live.name);
    let pool = |pool: &model::NodePool| {
        let config = pool.config.clone().unwrap_or_default();
        let machines = Machines {
            machine_type: config.machine_type,
            spot: config.spot || config.preemptible,
            between: bounds(pool),
        };
        let name = format!("node pool {}/{}", live.name, pool.name);
        Billed::machines(name, full_name::pool(&id, &pool.name), machines)
    };
    let own = Billed::cluster(format!("cluster {}", live.name), id.clone());
    [own].into_iter().chain(live.node_pools.iter().map(pool)).collect()
}

/// Fewest and most nodes of a pool in all of its zones, whoever made it.
pub(super) fn bounds(pool: &model::NodePool) -> (u32, u32) {
    let zones = u32::try_from(pool.locations.len().max(1)).unwrap_or(1);
    let each = |of_zone: i32| count(of_zone).saturating_mul(zones);
    match pool.autoscaling.as_ref().filter(|scaling| scaling.enabled) {
        Some(scaling) if scaling.total_max_node_count > 0 => {
            (count(scaling.total_min_node_count), count(scaling.total_max_node_count))
        }
        Some(scaling) => (each(scaling.min_node_count), each(scaling.max_node_count)),
        None => (each(pool.initial_node_count), each(pool.initial_node_count)),
    }
}

fn whole(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn count(whole: i32) -> u32 {
    u32::try_from(whole).unwrap_or_default()
}
