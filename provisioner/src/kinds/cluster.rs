//! `cluster`: a GKE cluster. Created with all of its node pools in one call, so that no default pool
//! is made only to be deleted; deleted with them in one call too.
//!
//! It implies the account that its nodes run as: the Compute default account has no roles in newer
//! organisations, and too many in older ones.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use google_cloud_container_v1::model;
use google_cloud_container_v1::model::cluster::Status;
use google_cloud_container_v1::model::control_plane_endpoints_config::DNSEndpointConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grant::Grant;
use super::node_pool::{NodePool, PoolSpec};
use super::readiness::State;
use super::service_account::{ServiceAccount, account_problem};
use super::{Found, Kind, Place, Table, health, operation, others, shortage};
use crate::cloud::{Cloud, Marked, errors, limited, marks};
use crate::full_name;
use crate::resource::{Address, Desired, Health, Owner, Revision};
use crate::stack::{FieldProblem, Labels, PoolFacts, Scope};

mod release_channel;

use release_channel::ReleaseChannel;

/// Roles of the account that nodes run as: what a node needs, and reading the workers' image.
const NODE_ROLES: [&str; 2] = ["roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"];

/// How often a cluster that somebody else is creating is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// `[cluster.NAME]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterSpec {
    /// How soon GKE upgrades it.
    #[serde(default)]
    release_channel: ReleaseChannel,
    /// How its control plane is reached.
    #[serde(default)]
    endpoint: Endpoint,
    /// Its node pools.
    pub(super) pool: BTreeMap<String, PoolSpec>,
    /// Labels of the cluster.
    #[serde(default)]
    labels: Labels,
}

/// How a control plane is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Endpoint {
    /// By name, with IAM alone in front of it.
    #[default]
    Dns,
    /// By address.
    Ip,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cluster {
    release_channel: ReleaseChannel,
    endpoint: Endpoint,
    #[serde(default)]
    labels: Labels,
    /// What it is created with. Afterwards the pools speak for themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pools: BTreeMap<String, NodePool>,
    #[serde(default)]
    state: State,
}

impl Table for ClusterSpec {
    const NAME: &'static str = "cluster";

    fn introduce(&self, key: &str, scope: &mut Scope) {
        for (name, pool) in &self.pool {
            let facts = PoolFacts {
                machine_type: pool.machine_type.clone(),
                spot: pool.spot,
                min_nodes: pool.fewest(),
                max_nodes: pool.most(),
            };
            scope.pools.insert(format!("{key}/{name}"), facts);
        }
    }

    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let name = scope.name("cluster", key);
        if name.len() > 40 {
            let what = format!("`{name}` is too long for the name of a cluster: at most 40 characters");
            problems.push(FieldProblem::at(&["name"], what).help("`name = …` overrides it"));
        }
        problems.extend(account_problem(&nodes_account(key, scope)).map(|problem| FieldProblem {
            message: format!("the account of its nodes: {}", problem.message),
            help: Some("give the stack or the cluster a shorter name".into()),
            field: Vec::new(),
        }));
        if self.pool.is_empty() {
            let help = format!("add [cluster.{key}.pool.workers]");
            problems.push(FieldProblem::at(&["pool"], "a cluster needs a pool").help(help));
        }
        if !self.pool.is_empty() && self.pool.values().all(|pool| pool.spot) {
            let help = format!("add [cluster.{key}.pool.steady] with `nodes = 1`");
            let what = "a cluster needs a pool that is not Spot: its own system runs there";
            problems.push(FieldProblem::at(&["pool"], what).help(help));
        }
        problems.extend(self.pool.iter().flat_map(|(name, pool)| pool.problems(name)));
        problems
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        let account = nodes_account(key, scope);
        let (email, id) = (scope.email(&account), scope.cluster(key));
        let pools: BTreeMap<_, _> =
            self.pool.iter().map(|(name, spec)| (name.clone(), spec.resolved(&email))).collect();
        let own = Cluster {
            release_channel: self.release_channel,
            endpoint: self.endpoint,
            labels: scope.labels("cluster", key, &self.labels),
            pools: pools.clone(),
            state: State::Ready,
        };
        let address = Address::new(<Cluster as Kind>::NAME, key);
        let account_key = format!("{key}-nodes");
        let account_address = Address::new(<ServiceAccount as Kind>::NAME, &account_key);
        let account =
            ServiceAccount { display_name: Some(format!("nodes of {}", scope.name("cluster", key))) };

        let mut all = vec![
            Desired::new(key, id.clone(), &own)?.after([account_address.clone()]),
            Desired::new(&account_key, email.clone(), &account)?.implied(&address),
        ];
        for role in NODE_ROLES {
            let short = role.rsplit('.').next().unwrap_or(role).to_lowercase();
            let grant = Grant::on_project(role, &format!("serviceAccount:{email}"));
            let grant = grant.desired(&format!("{account_key}-{short}"))?;
            all.push(grant.after([account_address.clone()]).implied(&address));
        }
        // Nodes that start without their grants do not come up: the cluster waits for them.
        let grants: Vec<Address> = all[2..].iter().map(|grant| grant.address.clone()).collect();
        all[0].needs.extend(grants);
        for (name, pool) in &pools {
            let pool_id = full_name::pool(&id, name);
            all.push(Desired::new(&format!("{key}/{name}"), pool_id, pool)?.inside(address.clone()));
        }
        Ok(all)
    }
}

impl ClusterSpec {
    /// A pool of which nothing is said, as data.
    pub(super) fn silent_pool() -> Result<serde_json::Value> {
        Ok(serde_json::to_value(PoolSpec::deserialize(serde_json::json!({}))?)?)
    }
}

fn nodes_account(key: &str, scope: &Scope) -> String {
    format!("{}-{key}-nodes", scope.prefix)
}

impl Kind for Cluster {
    const NAME: &'static str = "cluster";
    const TAKES: Option<&'static str> = Some("5–10 min");
    const LONGEST: Duration = Duration::from_mins(45);
    const UPDATES_BLINDLY: bool = true;
    const ADOPTABLE: bool = true;
    // Its pools, and the account of its nodes, would not be the file's any more.
    const LETS_GO: bool = false;

    async fn forget(cloud: &Cloud, id: &str) {
        cloud.seen.clusters.forget(id).await;
    }

    fn apis(&self) -> &'static [&'static str] {
        &["compute", "container"]
    }

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let live = cloud.cluster(id).await?.filter(|live| live.status != Status::Stopping);
        Ok(live.map(|live| Found {
            fields: Self { pools: self.pools.clone(), ..fields(cloud, &live) },
            ..found(cloud, id, live.as_ref().clone())
        }))
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        Ok(owned(cloud).await?.into_iter().map(|(id, live)| found(cloud, &id, live)).collect())
    }

    async fn health(cloud: &Cloud, id: &str) -> Result<Option<Health>> {
        Ok(cloud.cluster(id).await?.as_deref().map(health::of_cluster))
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (parent, name) = (full_name::parent(at.id), full_name::last(at.id));
        if is_stopping(cloud, at.id).await? {
            gone(cloud, at.id, at.progress).await?;
        }
        let pools = self.pools.iter().map(|(name, pool)| pool.wire(cloud, parent, name, at.key));
        let cluster = model::Cluster::new()
            .set_name(name)
            .set_node_pools(pools)
            .set_resource_labels(at.labels(cloud, &self.labels))
            .set_release_channel(model::ReleaseChannel::new().set_channel(self.release_channel.wire()))
            .set_workload_identity_config(
                model::WorkloadIdentityConfig::new()
                    .set_workload_pool(format!("{}.svc.id.goog", cloud.project.id)),
            )
            .set_ip_allocation_policy(model::IPAllocationPolicy::new().set_use_ip_aliases(true))
            .set_shielded_nodes(model::ShieldedNodes::new().set_enabled(true))
            .set_control_plane_endpoints_config(self.endpoint.wire());
        let create = cloud.clusters.create_cluster().set_parent(parent).set_cluster(cluster);
        match limited("create the cluster", create.send()).await {
            Ok(started) => operation::wait(cloud, parent, started, at.progress).await?,
            // Ours from an apply that was killed: what is under way is waited for, and then compared.
            Err(error) if errors::is_already_there(&error) && is_ours(cloud, at.id).await? => {
                running(cloud, at.id, at.progress).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        running(cloud, at.id, at.progress).await
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, fields: &[String]) -> Result<()> {
        if fields.iter().any(|field| field == "state") {
            running(cloud, at.id, at.progress).await?;
        }
        for field in fields {
            if let Some(started) = self.begin_update(cloud, at, field).await? {
                operation::wait(cloud, full_name::parent(at.id), started, at.progress).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let parent = full_name::parent(at.id);
        if is_stopping(cloud, at.id).await? {
            return gone(cloud, at.id, at.progress).await;
        }
        let delete = cloud.clusters.delete_cluster().set_name(at.id);
        match errors::found(limited("delete the cluster", delete.send()).await)? {
            Some(started) => operation::wait(cloud, parent, started, at.progress).await,
            None => Ok(()),
        }
    }

    fn by_hand(&self, project: &str, id: &str) -> String {
        let (name, location) = (full_name::last(id), full_name::location(id));
        format!("gcloud container clusters delete {name} --location={location} --project={project}")
    }

    async fn others(cloud: &Cloud, id: &str) -> Result<Vec<String>> {
        match cloud.kubernetes(id).await? {
            Some(kubernetes) => others::in_cluster(&kubernetes, &cloud.owner).await,
            None => Ok(Vec::new()),
        }
    }
}

impl Cluster {
    /// Begins to change one field, if it is one that changes by a call of its own.
    async fn begin_update(
        &self,
        cloud: &Cloud,
        at: &Place<'_>,
        field: &str,
    ) -> Result<Option<model::Operation>> {
        let update = match field {
            "labels" => return self.begin_labelling(cloud, at).await.map(Some),
            "release_channel" => model::ClusterUpdate::new().set_desired_release_channel(
                model::ReleaseChannel::new().set_channel(self.release_channel.wire()),
            ),
            "endpoint" => {
                model::ClusterUpdate::new().set_desired_control_plane_endpoints_config(self.endpoint.wire())
            }
            _ => return Ok(None),
        };
        let set = cloud.clusters.update_cluster().set_name(at.id).set_update(update);
        limited("update the cluster", set.send()).await.map(Some)
    }

    async fn begin_labelling(&self, cloud: &Cloud, at: &Place<'_>) -> Result<model::Operation> {
        let set = cloud
            .clusters
            .set_labels()
            .set_name(at.id)
            .set_resource_labels(at.labels(cloud, &self.labels))
            .set_label_fingerprint(look(cloud, at.id).await?.label_fingerprint);
        limited("label the cluster", set.send()).await
    }
}

async fn look(cloud: &Cloud, id: &str) -> Result<model::Cluster> {
    limited("look up the cluster", cloud.clusters.get_cluster().set_name(id).send()).await
}

/// The clusters that the stack owns, with their full names.
pub(super) async fn owned(cloud: &Cloud) -> Result<Vec<(String, model::Cluster)>> {
    let clusters = cloud.all_clusters().await?;
    let is_ours = |live: &&model::Cluster| cloud.unmarked(live.resource_labels.clone()).owner == Owner::Ours;
    let ours = clusters.iter().filter(is_ours).cloned();
    let id = |live: &model::Cluster| full_name::cluster_id(&cloud.project.id, &live.location, &live.name);
    Ok(ours.map(|live| (id(&live), live)).collect())
}

/// Waits until a cluster can be worked in, whoever is creating it.
pub(super) async fn running(
    cloud: &Cloud,
    id: &str,
    progress: &(dyn Fn(String) + Send + Sync),
) -> Result<()> {
    loop {
        let live = look(cloud, id).await?;
        match live.status {
            Status::Running | Status::Reconciling | Status::Degraded => {
                cloud.forget().await;
                return Ok(());
            }
            Status::Error | Status::Stopping => {
                return Err(shortage::told(&said(&live)).context(format!("the cluster is {}", live.status)));
            }
            status => progress(format!("the cluster is {status}")),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What GKE says of a cluster's state.
fn said(live: &model::Cluster) -> String {
    health::conditions(&live.conditions).join("; ")
}

/// Whether a deletion of the cluster is under way.
async fn is_stopping(cloud: &Cloud, id: &str) -> Result<bool> {
    Ok(errors::found(look(cloud, id).await)?.is_some_and(|live| live.status == Status::Stopping))
}

/// Waits until a cluster whose deletion is under way is gone.
async fn gone(cloud: &Cloud, id: &str, progress: &(dyn Fn(String) + Send + Sync)) -> Result<()> {
    while is_stopping(cloud, id).await? {
        progress("a deletion is under way".to_owned());
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn is_ours(cloud: &Cloud, id: &str) -> Result<bool> {
    let live = look(cloud, id).await?;
    Ok(cloud.unmarked(live.resource_labels).owner == Owner::Ours)
}

fn found(cloud: &Cloud, id: &str, live: model::Cluster) -> Found<Cluster> {
    let fields = fields(cloud, &live);
    let revision = Revision {
        identity: Some(live.id).filter(|id| !id.is_empty()),
        version: Some(live.etag),
        marks: marks(&live.resource_labels),
    };
    let Marked { owner, key, .. } = cloud.unmarked(live.resource_labels);
    Found { key: super::key(key, id), id: id.to_owned(), owner, fields, holds: None, inside: None, revision }
}

fn fields(cloud: &Cloud, live: &model::Cluster) -> Cluster {
    let dns =
        live.control_plane_endpoints_config.as_ref().and_then(|config| config.dns_endpoint_config.as_ref());
    let by_name = dns.is_some_and(|dns| dns.allow_external_traffic == Some(true));
    Cluster {
        release_channel: live.release_channel.as_ref().map(ReleaseChannel::read).unwrap_or_default(),
        endpoint: if by_name { Endpoint::Dns } else { Endpoint::Ip },
        labels: cloud.unmarked(live.resource_labels.clone()).labels,
        pools: BTreeMap::new(),
        state: match live.status {
            Status::Provisioning => State::BeingMade,
            Status::Error => State::Failed,
            _ => State::Ready,
        },
    }
}

impl Endpoint {
    fn wire(self) -> model::ControlPlaneEndpointsConfig {
        let dns = DNSEndpointConfig::new().set_allow_external_traffic(self == Self::Dns);
        model::ControlPlaneEndpointsConfig::new().set_dns_endpoint_config(dns)
    }
}
