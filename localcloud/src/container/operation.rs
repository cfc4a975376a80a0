//! Long-running operations: what one will change, how far it is, and what it looks like to a client.
//! An operation takes as long as GKE's, by the clock's factor.

use std::time::Duration;

use google_cloud_container_v1::model::operation::{Status, Type};
use google_cloud_container_v1::model::operation_progress::Metric;
use google_cloud_container_v1::model::{self, Cluster, NodePool, OperationProgress};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::names::ClusterName;
use crate::clock::Clock;
use crate::error::ApiError;

/// How long it takes to give an operation up.
const ABORT: Duration = Duration::from_secs(20);
/// How far an operation gets before it is done.
const NEARLY: f64 = 0.99;

/// What an operation does when its time has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Change {
    CreateCluster,
    /// The cluster becomes this, its pools apart.
    UpdateCluster(Box<Cluster>),
    SetLabels(Box<Cluster>),
    DeleteCluster,
    CreatePool(String),
    /// The pool becomes this.
    UpdatePool(Box<NodePool>),
    /// The same, with nodes replaced on the way.
    UpgradePool(Box<NodePool>),
    SetPoolSize {
        pool: String,
        nodes_per_zone: i32,
    },
    SetPoolManagement(Box<NodePool>),
    DeletePool(String),
}

/// An operation, under way or done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) cluster: ClusterName,
    pub(super) change: Change,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    /// Why it ended without its change.
    pub(super) error: Option<(i32, String)>,
    /// Somebody has cancelled it: it ends without its change, soon.
    #[serde(default)]
    pub(super) aborting: bool,
}

impl Change {
    /// The pool that it is about, if it is about one pool only.
    pub(super) fn pool(&self) -> Option<&str> {
        match self {
            Self::CreateCluster | Self::UpdateCluster(_) | Self::SetLabels(_) | Self::DeleteCluster => None,
            Self::CreatePool(pool) | Self::DeletePool(pool) | Self::SetPoolSize { pool, .. } => Some(pool),
            Self::UpdatePool(pool) | Self::UpgradePool(pool) | Self::SetPoolManagement(pool) => {
                Some(&pool.name)
            }
        }
    }

    /// Whether it changes a pool that is there: of those GKE takes one at a time.
    pub(super) fn updates_pool(&self) -> bool {
        matches!(
            self,
            Self::UpdatePool(_)
                | Self::UpgradePool(_)
                | Self::SetPoolSize { .. }
                | Self::SetPoolManagement(_)
        )
    }

    /// How long GKE takes for it.
    fn takes(&self) -> Duration {
        Duration::from_secs(match self {
            Self::CreateCluster => 300,
            Self::DeleteCluster | Self::DeletePool(_) => 180,
            Self::CreatePool(_) | Self::UpgradePool(_) => 90,
            Self::UpdateCluster(_)
            | Self::SetLabels(_)
            | Self::UpdatePool(_)
            | Self::SetPoolSize { .. }
            | Self::SetPoolManagement(_) => 20,
        })
    }

    #[allow(deprecated, reason = "what GKE answers to setResourceLabels")]
    fn kind(&self) -> Type {
        match self {
            Self::CreateCluster => Type::CreateCluster,
            Self::UpdateCluster(_) | Self::UpdatePool(_) => Type::UpdateCluster,
            Self::SetLabels(_) => Type::SetLabels,
            Self::DeleteCluster => Type::DeleteCluster,
            Self::CreatePool(_) => Type::CreateNodePool,
            Self::UpgradePool(_) => Type::UpgradeNodes,
            Self::SetPoolSize { .. } => Type::SetNodePoolSize,
            Self::SetPoolManagement(_) => Type::SetNodePoolManagement,
            Self::DeletePool(_) => Type::DeleteNodePool,
        }
    }

    fn doing(&self) -> &'static str {
        match self {
            Self::CreateCluster => "creating",
            Self::DeleteCluster => "deleting",
            _ => "upgrading",
        }
    }

    /// What GKE counts while it works, with the total.
    fn counted(&self) -> &'static [(&'static str, i64)] {
        match self {
            Self::CreateCluster => {
                &[("CLUSTER_CONFIGURING", 7), ("CLUSTER_DEPLOYING", 11), ("CLUSTER_HEALTHCHECKING", 8)]
            }
            Self::CreatePool(_) | Self::DeletePool(_) | Self::UpgradePool(_) => &[("NODES", 12)],
            _ => &[],
        }
    }
}

impl Operation {
    pub(super) fn new(cluster: &ClusterName, change: Change, now: Timestamp) -> Self {
        let random = hex::encode(rand::random::<[u8; 16]>());
        let id = format!("operation-{}-{}-{}", now.as_millisecond(), &random[..8], &random[8..20]);
        Self { id, cluster: cluster.clone(), change, started: now, ended: None, error: None, aborting: false }
    }

    /// Its key in the journal.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.cluster.location.name, self.id)
    }

    /// What the API calls what it does.
    pub(super) fn kind(&self) -> Type {
        self.change.kind()
    }

    pub(super) fn is_done(&self) -> bool {
        self.ended.is_some()
    }

    /// When its change takes effect, or when it is given up.
    pub(super) fn due(&self, clock: &Clock) -> Timestamp {
        let (from, time) =
            if self.aborting { (clock.now(), ABORT) } else { (self.started, self.change.takes()) };
        from.saturating_add(clock.scaled(time)).unwrap_or(Timestamp::MAX)
    }

    /// What another request is told while this runs.
    pub(super) fn in_the_way(&self) -> ApiError {
        ApiError::failed_precondition(format!(
            "Operation {} is currently {} cluster {}. Please wait and try again once it is done.",
            self.id,
            self.change.doing(),
            self.cluster.name
        ))
    }

    /// As the API shows it now.
    pub(super) fn shown(&self, clock: &Clock) -> model::Operation {
        let location = &self.cluster.location;
        let target = match self.change.pool() {
            Some(pool) => self.cluster.pool_link(pool),
            None => self.cluster.link(),
        };
        let mut shown = model::Operation::new()
            .set_name(&self.id)
            .set_operation_type(self.change.kind())
            .set_status(self.status(clock))
            .set_self_link(location.link(&format!("operations/{}", self.id)))
            .set_target_link(target)
            .set_location(&location.name)
            .set_start_time(self.started.to_string());
        shown = with_zone(shown, &location.name);
        if !self.is_done() && !self.change.counted().is_empty() {
            shown = shown.set_progress(self.progress(clock));
        }
        if let Some(ended) = self.ended {
            shown = shown.set_end_time(ended.to_string());
        }
        if let Some((code, message)) = &self.error {
            shown.error = serde_json::from_value(json!({"code": code, "message": message})).ok();
            shown = with_message(shown, message);
        }
        shown
    }

    fn status(&self, clock: &Clock) -> Status {
        match self.ended {
            Some(_) => Status::Done,
            None if self.aborting => Status::Aborting,
            None if self.fraction(clock) < 0.02 => Status::Pending,
            None => Status::Running,
        }
    }

    fn progress(&self, clock: &Clock) -> OperationProgress {
        let done = self.fraction(clock);
        let metrics = self.change.counted().iter().flat_map(|(name, total)| {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "a share of a small total"
            )]
            let part = (*total as f64 * done) as i64;
            [
                Metric::new().set_name(*name).set_int_value(part),
                Metric::new().set_name(format!("{name}_TOTAL")).set_int_value(*total),
            ]
        });
        OperationProgress::new().set_status(self.status(clock)).set_metrics(metrics)
    }

    /// How much of its time has gone. One that is held is nearly done for long.
    fn fraction(&self, clock: &Clock) -> f64 {
        let gone = clock.now().duration_since(self.started).as_secs_f64();
        (gone / clock.scaled(self.change.takes()).as_secs_f64()).clamp(0.0, NEARLY)
    }
}

#[allow(deprecated, reason = "the zone of an operation is what gcloud shows")]
fn with_zone(operation: model::Operation, zone: &str) -> model::Operation {
    operation.set_zone(zone)
}

#[allow(deprecated, reason = "the message of an operation is what Terraform shows")]
fn with_message(operation: model::Operation, message: &str) -> model::Operation {
    operation.set_status_message(message)
}
