//! What the folder's owner orders of its GKE, beside the API.

use std::time::Duration;

use super::{Daemon, call};
use crate::container::{ORDERS, PREEMPT, Preempt};
use crate::gke::{Order, Orders};

impl Daemon {
    /// Gives an order; answers the orders that last.
    pub async fn order(&self, order: &Order) -> anyhow::Result<Orders> {
        call::post(&self.state, ORDERS, order).await
    }

    /// The orders that last.
    pub async fn orders(&self) -> anyhow::Result<Orders> {
        call::get(&self.state, ORDERS).await
    }

    /// Preempts a Spot node: `node`, or one at random, busy ones first. Its pods get `grace`, or
    /// what they would get from Google. Returns the names of the nodes.
    pub async fn preempt(&self, node: Option<&str>, grace: Option<Duration>) -> anyhow::Result<Vec<String>> {
        let grace_milliseconds = grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
        call::post(&self.state, PREEMPT, &Preempt { node: node.map(str::to_owned), grace_milliseconds }).await
    }
}
