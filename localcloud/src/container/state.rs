//! What is known of clusters and operations, written down before it is answered. Pure bookkeeping:
//! knows what may run beside what, and nothing of Kubernetes.

use std::collections::BTreeMap;

use google_cloud_container_v1::model::{
    Cluster, NodePool, StatusCondition, cluster, node_pool, status_condition,
};
use serde::{Deserialize, Serialize};

use super::names::{ClusterName, Location};
use super::operation::{Change, Operation};
pub(super) use super::outcome::{Outcome, Short};
use crate::error::ApiError;
use crate::journal::{Journal, Tables};

const CLUSTERS: &str = "gke.clusters";
const OPERATIONS: &str = "gke.operations";
/// Operations that GKE lets run on one cluster at a time.
const CONCURRENT: usize = 5;
/// Operations that are remembered after they are done.
const REMEMBERED: usize = 500;

/// One cluster as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: ClusterName,
    pub(super) cluster: Cluster,
    /// What its Kubernetes cluster is called: unique in the folder.
    pub(super) kubernetes: String,
    /// Nodes per zone of pools whose size was set.
    pub(super) sizes: BTreeMap<String, i32>,
    /// It was running and could not be started again; the next start tries again.
    #[serde(default)]
    pub(super) did_not_start: bool,
}

pub(super) struct State {
    journal: Journal,
    clusters: BTreeMap<ClusterName, Record>,
    operations: BTreeMap<String, Operation>,
}

impl State {
    pub(super) fn open(journal: &Journal, tables: &mut Tables) -> std::io::Result<Self> {
        let records: BTreeMap<String, Record> = tables.take(CLUSTERS)?;
        let clusters = records.into_values().map(|record| (record.name.clone(), record)).collect();
        Ok(Self { journal: journal.clone(), clusters, operations: tables.take(OPERATIONS)? })
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.clusters.values()
    }

    pub(super) fn record(&self, name: &ClusterName) -> Result<&Record, ApiError> {
        self.clusters.get(name).ok_or_else(|| ApiError::not_found(format!("Not found: {name}.")))
    }

    pub(super) fn pool(&self, name: &ClusterName, pool: &str) -> Result<&NodePool, ApiError> {
        let pools = &self.record(name)?.cluster.node_pools;
        pools
            .iter()
            .find(|held| held.name == pool)
            .ok_or_else(|| ApiError::not_found(format!("Not found: {name}/nodePools/{pool}.")))
    }

    pub(super) fn operations(&self, location: &Location) -> impl Iterator<Item = &Operation> {
        self.operations.values().filter(|operation| location.covers(&operation.cluster.location))
    }

    pub(super) fn operation(&self, location: &Location, id: &str) -> Result<&Operation, ApiError> {
        self.operations(location).find(|operation| operation.id == id).ok_or_else(|| {
            ApiError::not_found(format!(
                "Not found: projects/{}/locations/{}/operations/{id}.",
                location.project, location.name
            ))
        })
    }

    /// Those that a stop cut off, or that run now.
    pub(super) fn unfinished(&self) -> Vec<Operation> {
        self.operations.values().filter(|operation| !operation.is_done()).cloned().collect()
    }

    /// Begins to create a cluster.
    pub(super) fn create(&mut self, record: Record, operation: Operation) -> Result<Operation, ApiError> {
        let name = &record.name;
        if self.clusters.contains_key(name) {
            return Err(ApiError::already_exists(format!("Already exists: {name}.")));
        }
        let taken = self.clusters.values().any(|other| other.kubernetes == record.kubernetes);
        let kubernetes =
            if taken { format!("{}-{}", name.name, name.hash()) } else { record.kubernetes.clone() };
        let operation = self.remember(operation)?;
        self.keep(Record { kubernetes, ..record })?;
        Ok(operation)
    }

    /// Begins a change of a cluster, or refuses because of what runs there. `new` is the pool that
    /// the change creates.
    pub(super) fn begin(
        &mut self,
        operation: Operation,
        new: Option<NodePool>,
    ) -> Result<Operation, ApiError> {
        let mut record = self.record(&operation.cluster)?.clone();
        self.check_free(&record, &operation.change)?;
        if let Some(pool) = new {
            if record.pool_mut(&pool.name).is_some() {
                return Err(ApiError::already_exists(format!(
                    "Already exists: {}/nodePools/{}.",
                    record.name, pool.name
                )));
            }
            record.cluster.node_pools.push(pool);
        }
        record.cluster.status = match operation.change {
            Change::DeleteCluster => cluster::Status::Stopping,
            _ => cluster::Status::Reconciling,
        };
        if let Some(pool) = operation.change.pool().and_then(|pool| record.pool_mut(pool)) {
            pool.status = match operation.change {
                Change::CreatePool(_) => node_pool::Status::Provisioning,
                Change::DeletePool(_) => node_pool::Status::Stopping,
                _ => node_pool::Status::Reconciling,
            };
        }
        let operation = self.remember(operation)?;
        self.keep(record)?;
        Ok(operation)
    }

    /// Makes an operation's change. Doing it twice does no harm: a stop may come right after.
    pub(super) fn apply(&mut self, operation: &Operation) -> Result<(), ApiError> {
        let mut record = self.record(&operation.cluster)?.clone();
        match &operation.change {
            Change::DeleteCluster => return self.forget(&record.name),
            Change::CreateCluster => {
                record
                    .cluster
                    .node_pools
                    .iter_mut()
                    .for_each(|pool| pool.status = node_pool::Status::Running);
            }
            Change::UpdateCluster(new) | Change::SetLabels(new) => {
                let pools = std::mem::take(&mut record.cluster.node_pools);
                record.cluster = new.as_ref().clone().set_node_pools(pools);
            }
            Change::UpdatePool(new) | Change::UpgradePool(new) | Change::SetPoolManagement(new) => {
                if let Some(pool) = record.pool_mut(&new.name) {
                    *pool = new.as_ref().clone();
                }
            }
            Change::SetPoolSize { pool, nodes_per_zone } => {
                record.sizes.insert(pool.clone(), *nodes_per_zone);
            }
            Change::DeletePool(gone) => {
                record.sizes.remove(gone);
                record.cluster.node_pools.retain(|pool| pool.name != *gone);
            }
            Change::CreatePool(_) => {}
        }
        if let Some(pool) = operation.change.pool().and_then(|pool| record.pool_mut(pool)) {
            pool.status = node_pool::Status::Running;
        }
        self.keep(record)
    }

    /// Ends an operation, and with the last one of its cluster the cluster's unrest.
    pub(super) fn end(&mut self, mut operation: Operation, outcome: &Outcome) -> Result<(), ApiError> {
        if let Ok(record) = self.record(&operation.cluster) {
            let mut record = record.clone();
            let others = self.running(&operation.cluster).any(|other| other.id != operation.id);
            if !others || matches!(operation.change, Change::CreateCluster) {
                record.cluster.status = outcome.cluster_status(&operation.change);
                record.cluster.conditions = outcome.conditions(&operation.change);
            }
            for pool in &mut record.cluster.node_pools {
                if let Some((status, conditions)) = outcome.pool_status(&operation.change, pool) {
                    pool.status = status;
                    pool.conditions = conditions;
                }
            }
            self.keep(record)?;
        }
        // What it carried is in the cluster now.
        if let Change::UpdateCluster(cluster) | Change::SetLabels(cluster) = &mut operation.change {
            **cluster = Cluster::new();
        }
        self.remember(operation)?;
        self.prune()
    }

    /// Says of a cluster that it can't work, and why.
    pub(super) fn fail(&mut self, name: &ClusterName, why: &str) -> Result<(), ApiError> {
        let mut record = self.record(name)?.clone();
        record.cluster.status = cluster::Status::Error;
        record.cluster.conditions = vec![StatusCondition::new().set_message(why)];
        record.did_not_start = true;
        self.keep(record)
    }

    /// Says of a cluster that it works, if it was said to be broken.
    pub(super) fn recover(&mut self, name: &ClusterName) -> Result<(), ApiError> {
        let mut record = self.record(name)?.clone();
        if !record.did_not_start {
            return Ok(());
        }
        record.did_not_start = false;
        record.cluster.status = cluster::Status::Running;
        record.cluster.conditions.clear();
        record.cluster.node_pools.iter_mut().for_each(|pool| pool.status = node_pool::Status::Running);
        self.keep(record)
    }

    /// Says of the pools that have all their nodes by now that they are well again.
    pub(super) fn recover_pools(
        &mut self,
        name: &ClusterName,
        has_all: impl Fn(&str) -> bool,
    ) -> Result<(), ApiError> {
        let mut record = self.record(name)?.clone();
        let well: Vec<_> =
            record.cluster.node_pools.iter_mut().filter(|p| is_short(p) && has_all(&p.name)).collect();
        if well.is_empty() {
            return Ok(());
        }
        for pool in well {
            pool.status = node_pool::Status::Running;
            pool.conditions.clear();
        }
        let is_well = record.cluster.node_pools.iter().all(|pool| pool.conditions.is_empty());
        if is_well && record.cluster.status == cluster::Status::Degraded {
            record.cluster.status = cluster::Status::Running;
            record.cluster.conditions.clear();
        }
        self.keep(record)
    }

    fn check_free(&self, record: &Record, change: &Change) -> Result<(), ApiError> {
        let mut running = self.running(&record.name);
        let deleting = matches!(change, Change::DeleteCluster);
        match record.cluster.status {
            cluster::Status::Error if deleting => return Ok(()),
            cluster::Status::Provisioning | cluster::Status::Stopping | cluster::Status::Error
                if !deleting =>
            {
                return Err(ApiError::failed_precondition(
                    "Cluster is currently being created, deleted, updated or repaired and cannot be updated.",
                ));
            }
            _ => {}
        }
        // Pools come and go at once, but change one at a time; whatever is about the whole cluster
        // runs alone.
        let clash = |other: &&Operation| match (change.pool(), other.change.pool()) {
            (Some(mine), Some(theirs)) => {
                mine == theirs || change.updates_pool() && other.change.updates_pool()
            }
            _ => true,
        };
        if let Some(other) = running.clone().find(clash) {
            return Err(other.in_the_way());
        }
        if running.nth(CONCURRENT - 1).is_some() {
            return Err(ApiError::resource_exhausted(format!(
                "Too many operations: cluster \"{}\" hits the concurrent operations quota {CONCURRENT}, please try again later.",
                record.name.name
            )));
        }
        Ok(())
    }

    fn running(&self, name: &ClusterName) -> impl Iterator<Item = &Operation> + Clone {
        self.operations.values().filter(move |other| !other.is_done() && other.cluster == *name)
    }

    fn keep(&mut self, mut record: Record) -> Result<(), ApiError> {
        record.stamp()?;
        self.journal.put(CLUSTERS, &record.name.to_string(), &record)?;
        self.clusters.insert(record.name.clone(), record);
        Ok(())
    }

    fn forget(&mut self, name: &ClusterName) -> Result<(), ApiError> {
        self.journal.delete(CLUSTERS, &name.to_string())?;
        self.clusters.remove(name);
        Ok(())
    }

    pub(super) fn remember(&mut self, operation: Operation) -> Result<Operation, ApiError> {
        self.journal.put(OPERATIONS, &operation.key(), &operation)?;
        self.operations.insert(operation.key(), operation.clone());
        Ok(operation)
    }

    fn prune(&mut self) -> Result<(), ApiError> {
        let mut done: Vec<_> =
            self.operations.values().filter_map(|op| Some((op.ended?, op.key()))).collect();
        done.sort();
        for (_, key) in done.iter().take(done.len().saturating_sub(REMEMBERED)) {
            self.journal.delete(OPERATIONS, key)?;
            self.operations.remove(key);
        }
        Ok(())
    }
}

impl Record {
    pub(super) fn pool_mut(&mut self, name: &str) -> Option<&mut NodePool> {
        self.cluster.node_pools.iter_mut().find(|pool| pool.name == name)
    }

    /// Whether its Kubernetes cluster is there: it is not while it is made, nor if that failed.
    pub(super) fn has_run(&self) -> bool {
        match self.cluster.status {
            cluster::Status::Provisioning => false,
            cluster::Status::Error => self.did_not_start || self.cluster.node_pools.iter().any(was_made),
            _ => true,
        }
    }

    /// Etags are hashes of what a client may change.
    fn stamp(&mut self) -> Result<(), ApiError> {
        for pool in &mut self.cluster.node_pools {
            let plain = pool.clone().set_etag("").set_status(node_pool::Status::Running);
            let plain = plain.set_conditions(Vec::<StatusCondition>::new());
            pool.etag = super::etag(&plain)?;
        }
        let mut plain = self.cluster.clone().set_etag("").set_status(cluster::Status::Running);
        plain.conditions.clear();
        for pool in &mut plain.node_pools {
            pool.status = node_pool::Status::Running;
            pool.conditions.clear();
        }
        self.cluster.etag = super::etag(&plain)?;
        Ok(())
    }
}

/// Whether a pool is there, be it without machines: it is not while it is made, nor if that failed.
pub(super) fn was_made(pool: &NodePool) -> bool {
    match pool.status {
        node_pool::Status::Provisioning => false,
        node_pool::Status::Error => is_short(pool),
        _ => true,
    }
}

#[allow(deprecated, reason = "what GKE still tells stock-outs by")]
fn is_short(pool: &NodePool) -> bool {
    let of_machines = [status_condition::Code::GceStockout, status_condition::Code::GceQuotaExceeded];
    pool.conditions.iter().any(|condition| of_machines.contains(&condition.code))
}
