//! How an operation ended, and in which state that leaves the cluster and its pools. Pure.

use google_cloud_container_v1::model::{NodePool, StatusCondition, cluster, node_pool};

use super::operation::Change;

/// `google.rpc.Code.CANCELLED`, as an operation carries it.
const CANCELLED: i32 = 1;

/// How an operation ended.
pub(in crate::container) enum Outcome {
    /// Its change is made.
    Done,
    /// Its change is made, but machines are missing.
    Short(Vec<Short>),
    /// Its change is not made.
    Failed { code: i32, message: String },
    /// Nobody wants its change any more.
    Cancelled,
}

/// A pool whose machines did not come.
pub(in crate::container) struct Short {
    pub(in crate::container) pool: String,
    /// Some of them are there.
    pub(in crate::container) has_nodes: bool,
    pub(in crate::container) code: i32,
    pub(in crate::container) message: String,
    pub(in crate::container) condition: StatusCondition,
}

impl Outcome {
    /// What the operation carries.
    pub(super) fn error(&self) -> Option<(i32, String)> {
        match self {
            Self::Done => None,
            Self::Short(short) => short.first().map(|first| (first.code, first.message.clone())),
            Self::Failed { code, message } => Some((*code, message.clone())),
            Self::Cancelled => Some((CANCELLED, "Operation was cancelled.".into())),
        }
    }

    pub(super) fn cluster_status(&self, change: &Change) -> cluster::Status {
        match (self, change) {
            (Self::Failed { .. }, Change::CreateCluster | Change::DeleteCluster) => cluster::Status::Error,
            (Self::Failed { .. }, Change::UpdateCluster(_)) | (Self::Short(_), Change::CreateCluster) => {
                cluster::Status::Degraded
            }
            _ => cluster::Status::Running,
        }
    }

    /// What the cluster's own conditions say.
    pub(super) fn conditions(&self, change: &Change) -> Vec<StatusCondition> {
        match (self, self.cluster_status(change)) {
            (_, cluster::Status::Running) => vec![],
            (Self::Short(short), _) => short.iter().map(|short| short.condition.clone()).collect(),
            (Self::Failed { message, .. }, _) => vec![StatusCondition::new().set_message(message)],
            _ => vec![],
        }
    }

    /// State and conditions of a pool after it; none if it had nothing to do with the pool.
    pub(super) fn pool_status(
        &self,
        change: &Change,
        pool: &NodePool,
    ) -> Option<(node_pool::Status, Vec<StatusCondition>)> {
        let is_meant = matches!(change, Change::CreateCluster) || change.pool() == Some(&pool.name);
        if !is_meant {
            return None;
        }
        let is_new = matches!(change, Change::CreateCluster | Change::CreatePool(_));
        Some(match self {
            Self::Done | Self::Cancelled => (node_pool::Status::Running, vec![]),
            Self::Short(short) => match short.iter().find(|short| short.pool == pool.name) {
                None => (node_pool::Status::Running, vec![]),
                Some(short) if is_new && !short.has_nodes => {
                    (node_pool::Status::Error, vec![short.condition.clone()])
                }
                Some(short) => (node_pool::Status::RunningWithError, vec![short.condition.clone()]),
            },
            Self::Failed { message, .. } => {
                let status = match change {
                    Change::CreateCluster | Change::CreatePool(_) | Change::DeletePool(_) => {
                        node_pool::Status::Error
                    }
                    _ => node_pool::Status::RunningWithError,
                };
                (status, vec![StatusCondition::new().set_message(message)])
            }
        })
    }
}
