//! What the API can be asked to do: each call checks, begins an operation, and answers it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use google_cloud_container_v1::model::{
    Cluster, NodeManagement, NodePool, NodePoolAutoscaling, cluster, node_pool,
};
use serde_json::{Map, Value};

use super::names::{ClusterName, Location};
use super::operation::{Change, Operation};
use super::state::{Record, State};
use super::{Container, defaults, update, validate};
use crate::error::ApiError;
use crate::labels;

/// An operation that was begun, or why not.
type Begun = Result<Operation, ApiError>;

impl Container {
    pub(super) fn create_cluster(self: &Arc<Self>, location: &Location, asked: &Cluster) -> Begun {
        one_place(location)?;
        let name = location.cluster(&asked.name);
        validate::cluster(&name, asked, &self.iam)?;
        let now = self.clock.now();
        let mut cluster = defaults::cluster(&name, asked, &now.to_string())?;
        cluster.status = cluster::Status::Provisioning;
        cluster.node_pools.iter_mut().for_each(|pool| pool.status = node_pool::Status::Provisioning);
        if !cluster.resource_labels.is_empty() {
            cluster.label_fingerprint = super::etag(&cluster.resource_labels)?;
        }
        let record = Record {
            kubernetes: name.name.clone(),
            name,
            cluster,
            sizes: BTreeMap::default(),
            did_not_start: false,
        };
        let operation = Operation::new(&record.name, Change::CreateCluster, now);
        let begun = self.state().create(record, operation)?;
        self.carry_out(&begun);
        Ok(begun)
    }

    pub(super) fn update_cluster(self: &Arc<Self>, name: &ClusterName, fields: &Map<String, Value>) -> Begun {
        self.begin(name, |state| {
            let held = &state.record(name)?.cluster;
            check_etag(fields.get("etag"), &held.etag)?;
            if let Some(pool) = autoscaled_pool(held, fields) {
                return pool_autoscaling(state, name, &pool, fields);
            }
            let new = update::cluster(held, fields)?;
            validate::zones("cluster.locations", &name.location, &new.locations)?;
            Ok(Change::UpdateCluster(Box::new(new)))
        })
    }

    pub(super) fn set_labels(
        self: &Arc<Self>,
        name: &ClusterName,
        labels: HashMap<String, String>,
        fingerprint: &str,
    ) -> Begun {
        labels::check(&labels)?;
        self.begin(name, |state| {
            let held = &state.record(name)?.cluster;
            if fingerprint != held.label_fingerprint {
                return Err(ApiError::failed_precondition(
                    "Labels could not be set due to fingerprint mismatch: read the cluster again.",
                ));
            }
            let mut new = held.clone();
            new.label_fingerprint = super::etag(&labels)?;
            new.resource_labels = labels;
            Ok(Change::SetLabels(Box::new(new)))
        })
    }

    pub(super) fn delete_cluster(self: &Arc<Self>, name: &ClusterName) -> Begun {
        self.begin(name, |_| Ok(Change::DeleteCluster))
    }

    pub(super) fn create_pool(self: &Arc<Self>, name: &ClusterName, asked: &NodePool) -> Begun {
        let operation = Operation::new(name, Change::CreatePool(asked.name.clone()), self.clock.now());
        let begun = {
            let mut state = self.state();
            let cluster = state.record(name)?.cluster.clone();
            validate::pool(name, &cluster, asked, &self.iam)?;
            let pool = defaults::pool(name, &cluster, asked)?;
            state.begin(operation, Some(pool))?
        };
        self.carry_out(&begun);
        Ok(begun)
    }

    pub(super) fn update_pool(
        self: &Arc<Self>,
        name: &ClusterName,
        pool: &str,
        fields: &Map<String, Value>,
    ) -> Begun {
        self.begin(name, |state| {
            let held = state.pool(name, pool)?;
            check_etag(fields.get("etag"), &held.etag)?;
            let (new, replaces) = update::pool(held, fields)?;
            validate::pool(name, &state.record(name)?.cluster, &new, &self.iam)?;
            let new = Box::new(new);
            Ok(if replaces { Change::UpgradePool(new) } else { Change::UpdatePool(new) })
        })
    }

    pub(super) fn set_autoscaling(
        self: &Arc<Self>,
        name: &ClusterName,
        pool: &str,
        autoscaling: NodePoolAutoscaling,
    ) -> Begun {
        validate::autoscaling(&autoscaling)?;
        self.begin(name, |state| with_autoscaling(state, name, pool, autoscaling))
    }

    /// Nodes per zone; of an autoscaled pool this is where it starts from.
    pub(super) fn set_size(self: &Arc<Self>, name: &ClusterName, pool: &str, nodes_per_zone: i32) -> Begun {
        if !(0..=1000).contains(&nodes_per_zone) {
            return Err(ApiError::invalid_argument("nodeCount must be between 0 and 1000."));
        }
        self.begin(name, |state| {
            let pool = state.pool(name, pool)?.name.clone();
            Ok(Change::SetPoolSize { pool, nodes_per_zone })
        })
    }

    pub(super) fn set_management(
        self: &Arc<Self>,
        name: &ClusterName,
        pool: &str,
        management: NodeManagement,
    ) -> Begun {
        self.begin(name, |state| {
            let new = state.pool(name, pool)?.clone().set_management(management);
            validate::pool(name, &state.record(name)?.cluster, &new, &self.iam)?;
            Ok(Change::SetPoolManagement(Box::new(new)))
        })
    }

    pub(super) fn delete_pool(self: &Arc<Self>, name: &ClusterName, pool: &str) -> Begun {
        self.begin(name, |state| Ok(Change::DeletePool(state.pool(name, pool)?.name.clone())))
    }

    /// GKE stops upgrades of nodes, and nothing else.
    pub(super) fn cancel(self: &Arc<Self>, location: &Location, id: &str) -> Result<(), ApiError> {
        let aborting = {
            let mut state = self.state();
            let operation = state.operation(location, id)?;
            match operation.change {
                _ if operation.is_done() => {
                    return Err(ApiError::failed_precondition(format!("Operation {id} is done.")));
                }
                Change::UpgradePool(_) if operation.aborting => return Ok(()),
                Change::UpgradePool(_) => {
                    let operation = Operation { aborting: true, ..operation.clone() };
                    state.remember(operation)?
                }
                _ => {
                    return Err(ApiError::failed_precondition(format!("Operation {id} can't be cancelled.")));
                }
            }
        };
        self.carry_out(&aborting);
        Ok(())
    }

    /// Decides on a change and begins it, with nothing in between.
    fn begin(
        self: &Arc<Self>,
        name: &ClusterName,
        decide: impl FnOnce(&State) -> Result<Change, ApiError>,
    ) -> Begun {
        let now = self.clock.now();
        let begun = {
            let mut state = self.state();
            let change = decide(&state)?;
            state.begin(Operation::new(name, change, now), None)?
        };
        self.carry_out(&begun);
        Ok(begun)
    }
}

fn one_place(location: &Location) -> Result<(), ApiError> {
    if location.name == "-" {
        return Err(ApiError::invalid_argument("A cluster needs a location of its own, not \"-\"."));
    }
    Ok(())
}

fn check_etag(asked: Option<&Value>, held: &str) -> Result<(), ApiError> {
    match asked.and_then(Value::as_str) {
        None | Some("") => Ok(()),
        Some(asked) if asked == held => Ok(()),
        Some(_) => {
            Err(ApiError::aborted("The etag does not match: the resource was changed since it was read."))
        }
    }
}

/// The older way to set a pool's limits, which gcloud uses: as an update of the cluster.
fn autoscaled_pool(held: &Cluster, fields: &Map<String, Value>) -> Option<String> {
    fields.get("desiredNodePoolAutoscaling")?;
    let named = fields.get("desiredNodePoolId").and_then(Value::as_str).map(str::to_owned);
    named.or_else(|| held.node_pools.first().map(|pool| pool.name.clone()))
}

fn pool_autoscaling(
    state: &State,
    name: &ClusterName,
    pool: &str,
    fields: &Map<String, Value>,
) -> Result<Change, ApiError> {
    let asked = fields.get("desiredNodePoolAutoscaling").cloned().unwrap_or_default();
    let autoscaling: NodePoolAutoscaling = crate::rest::parse(asked)?;
    validate::autoscaling(&autoscaling)?;
    with_autoscaling(state, name, pool, autoscaling)
}

fn with_autoscaling(
    state: &State,
    name: &ClusterName,
    pool: &str,
    autoscaling: NodePoolAutoscaling,
) -> Result<Change, ApiError> {
    let new = state.pool(name, pool)?.clone().set_autoscaling(autoscaling);
    // Its location policy is filled in as for a new pool.
    let new = defaults::pool(name, &state.record(name)?.cluster, &new)?;
    Ok(Change::UpdatePool(Box::new(new)))
}
