//! How a stack stands: its resources, nodes, queue, open runs and cost, as data.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::change::Action;
use crate::cost::Hourly;
use crate::report;
use crate::resource::{Address, Health};
use crate::runs::{OpenRun, Queue};

/// How a stack stands.
#[derive(Serialize)]
pub(crate) struct StackStatus {
    pub stack: String,
    pub project: String,
    /// All that the file declares or implies, and what has left it.
    pub resources: Vec<ResourceStatus>,
    /// Resources that are not as the file says, with what apply would do.
    pub differences: BTreeMap<String, Action>,
    /// The file's pools, by `CLUSTER/POOL`.
    pub pools: BTreeMap<String, PoolStatus>,
    /// The items of all open runs.
    pub queue: Queue,
    /// Runs that have not ended.
    pub runs: Vec<OpenRun>,
    /// What an hour of it costs as it is.
    #[serde(serialize_with = "report::cost_as_data")]
    pub cost: Hourly,
}

/// One resource.
#[derive(Serialize)]
pub(crate) struct ResourceStatus {
    pub address: Address,
    /// What the cloud calls it.
    pub id: String,
    pub is: Is,
    /// What its service says of it, where it says something.
    pub health: Option<Health>,
}

/// A resource beside its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Is {
    /// There, and as the file says.
    AsDeclared,
    /// There, and otherwise.
    Different,
    /// Not there.
    Missing,
    /// There, and not in the file any more.
    Undeclared,
    /// Not to be seen with these credentials.
    Unknown,
}

/// The nodes of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PoolStatus {
    pub ready: usize,
    /// With those that are not ready.
    pub nodes: usize,
    pub min: u32,
    pub max: u32,
}
