//! What a run cost, by the prices that are known here. Pure.

use contract::Fleet;
use serde::Serialize;

use crate::prices::{self, count};

/// Calls of an undisturbed item: the attempt, the output and the receipt are written, and its place
/// is looked at.
const WRITES_FOR_DONE: u64 = 2;
const WRITES_FOR_ATTEMPT: u64 = 1;
const READS_FOR_ATTEMPT: u64 = 1;

/// What a run cost, as far as that can be told. In US dollars.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cost {
    /// The nodes' time at the list price; none if that is not known.
    pub machines: Option<f64>,
    /// Operations on objects that the items' protocol makes.
    pub operations: f64,
    /// Both, for each item that is done.
    pub per_item: Option<f64>,
    /// What is not known, and so not in it.
    pub unknown: Option<String>,
    pub fleet: Option<Fleet>,
    /// What the cluster costs an hour, whatever runs in it: not in the figures above.
    pub cluster_hour: f64,
    /// When the prices were collected, and where.
    pub prices_of: String,
    pub prices_from: String,
}

impl Cost {
    /// Of nodes that were held for so long, and of items that took so many attempts.
    pub(super) fn of(fleet: Option<Fleet>, node_seconds: f64, attempts: u64, done: u64) -> Self {
        let prices = prices::prices();
        let of = |fleet: &Fleet| {
            prices.node_seconds(&fleet.region, &fleet.machine_type, fleet.spot, node_seconds).ok_or_else(
                || format!("no price of a `{}` in {} is known here", fleet.machine_type, fleet.region),
            )
        };
        let machines = match &fleet {
            Some(fleet) => of(fleet),
            None => Err("the run's record does not tell its machines".to_owned()),
        };
        let writes = attempts * WRITES_FOR_ATTEMPT + done * WRITES_FOR_DONE;
        let operations = prices.operations(writes, attempts * READS_FOR_ATTEMPT);
        let all = machines.as_ref().ok().map(|machines| machines + operations);
        Self {
            per_item: all.filter(|_| done > 0).map(|all| all / count(done)),
            operations,
            unknown: machines.as_ref().err().cloned(),
            machines: machines.ok(),
            fleet,
            cluster_hour: prices.cluster_hour,
            prices_of: prices.date.clone(),
            prices_from: prices.source.clone(),
        }
    }
}
