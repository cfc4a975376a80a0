//! How clusters and their pools are, as GKE says it.

use google_cloud_container_v1::model::{self, cluster, node_pool};

use crate::resource::Health;

/// How a cluster is.
pub(super) fn of_cluster(live: &model::Cluster) -> Health {
    use cluster::Status::{Provisioning, Reconciling, Running};
    Health {
        is_well: matches!(live.status, Provisioning | Running | Reconciling),
        state: live.status.to_string(),
        conditions: conditions(&live.conditions),
    }
}

/// How a pool is.
pub(super) fn of_pool(live: &model::NodePool) -> Health {
    use node_pool::Status::{Provisioning, Reconciling, Running};
    Health {
        is_well: matches!(live.status, Provisioning | Running | Reconciling),
        state: live.status.to_string(),
        conditions: conditions(&live.conditions),
    }
}

/// What GKE says of the state of a cluster or a pool.
pub(super) fn conditions(all: &[model::StatusCondition]) -> Vec<String> {
    all.iter().map(|condition| condition.message.clone()).filter(|message| !message.is_empty()).collect()
}
