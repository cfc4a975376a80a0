//! What the owner of the folder wants of GKE beside its API: operations that wait or fail, machines
//! that can't be had, images that can't be pulled. Pure.

use serde::{Deserialize, Serialize};

use super::operation::Operation;
use crate::compute::Quota;
use crate::kubernetes::{BrokenImage, Stockout};

/// One order. Orders that last are kept over restarts until they are taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Order {
    /// Operations stay as they are, begun and not done, until they are released.
    Hold(Operations),
    /// Takes back exactly this hold.
    Release(Operations),
    /// Takes back all holds.
    ReleaseAll,
    /// The next operations fail.
    Fail(OperationFailure),
    /// Machines can't be had.
    StockOut(Stockout),
    /// Takes back exactly this stock-out.
    Restock(Stockout),
    /// Takes back all stock-outs.
    RestockAll,
    /// An image can't be pulled.
    BreakImage(BrokenImage),
    /// All images can be pulled.
    MendImages,
    /// A region has only so many of a kind of CPU.
    Quota(Quota),
    /// Takes back all limits that were ordered.
    RestoreQuotas,
    /// Ends a running pod's container, or all of its containers, as the kernel does for want of memory.
    Starve {
        /// The pod's namespace.
        namespace: String,
        /// Its name.
        pod: String,
        /// One of its containers; all without it.
        #[serde(default)]
        container: Option<String>,
    },
    /// Takes a node away without a word: its processes are gone at once.
    CutPower {
        /// Its name.
        node: String,
    },
}

/// Which operations are meant. What is not said holds for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Operations {
    /// As the API names the type: `CREATE_CLUSTER`, `UPGRADE_NODES`, `SET_NODE_POOL_SIZE` …
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The cluster's name, without its location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// How the next operations fail: they are DONE, with this error inside, and without their change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationFailure {
    /// Which.
    #[serde(flatten)]
    pub operations: Operations,
    /// A code of `google.rpc`; INTERNAL if it is not said.
    #[serde(default = "internal")]
    pub code: i32,
    /// The sentence.
    pub message: String,
    /// How many of them.
    #[serde(default = "once")]
    pub times: u32,
}

/// The orders that last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// Operations that wait.
    pub held: Vec<Operations>,
    /// Operations that will fail.
    pub failures: Vec<OperationFailure>,
    /// Machines that can't be had.
    pub stockouts: Vec<Stockout>,
    /// Images that can't be pulled.
    pub broken_images: Vec<BrokenImage>,
    /// Limits of CPUs.
    pub quotas: Vec<Quota>,
}

fn internal() -> i32 {
    13
}

fn once() -> u32 {
    1
}

impl Operations {
    fn mean(&self, operation: &Operation) -> bool {
        self.kind.as_ref().is_none_or(|kind| operation.kind().name() == Some(kind))
            && self.cluster.as_ref().is_none_or(|cluster| operation.cluster.name == *cluster)
    }
}

impl Orders {
    /// Whether an operation has to wait.
    pub(super) fn hold(&self, operation: &Operation) -> bool {
        self.held.iter().any(|held| held.mean(operation))
    }

    /// How an operation has to fail, which counts as once.
    pub(super) fn take_failure(&mut self, operation: &Operation) -> Option<(i32, String)> {
        let at = self.failures.iter().position(|failure| failure.operations.mean(operation))?;
        let failure = &mut self.failures[at];
        let error = (failure.code, failure.message.clone());
        failure.times = failure.times.saturating_sub(1);
        if failure.times == 0 {
            self.failures.remove(at);
        }
        Some(error)
    }

    /// Adds or takes back an order that lasts; false if it is not one.
    pub(super) fn note(&mut self, order: &Order) -> bool {
        match order {
            Order::Hold(operations) => self.held.push(operations.clone()),
            Order::Release(operations) => self.held.retain(|held| held != operations),
            Order::ReleaseAll => self.held.clear(),
            Order::Fail(failure) => self.failures.push(failure.clone()),
            Order::StockOut(stockout) => self.stockouts.push(stockout.clone()),
            Order::Restock(stockout) => self.stockouts.retain(|held| held != stockout),
            Order::RestockAll => self.stockouts.clear(),
            Order::BreakImage(image) => self.broken_images.push(image.clone()),
            Order::MendImages => self.broken_images.clear(),
            Order::Quota(quota) => self.quotas.push(quota.clone()),
            Order::RestoreQuotas => self.quotas.clear(),
            Order::Starve { .. } | Order::CutPower { .. } => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_reads_as_one_says_it() {
        let order = json!({"order": "fail", "type": "CREATE_NODE_POOL", "message": "no"});
        let order: Order = serde_json::from_value(order).expect("an order");
        let operations = Operations { kind: Some("CREATE_NODE_POOL".into()), cluster: None };
        let failure = OperationFailure { operations, code: 13, message: "no".into(), times: 1 };
        assert_eq!(order, Order::Fail(failure));
        let order = json!({"order": "stock_out", "zone": "europe-west1-b", "spot": true});
        let Order::StockOut(stockout) = serde_json::from_value(order).expect("an order") else {
            panic!("a stock-out")
        };
        assert_eq!((stockout.zone.as_deref(), stockout.spot), (Some("europe-west1-b"), Some(true)));
    }
}
