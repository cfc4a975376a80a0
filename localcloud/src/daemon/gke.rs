//! What the folder's owner orders of its GKE, beside the API.

use super::{Daemon, call};
use crate::container::ORDERS;
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
}
