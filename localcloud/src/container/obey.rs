//! Carries out what the owner of the folder ordered, and shows where machines are missing.

use std::sync::Arc;

use anyhow::{bail, ensure};
use google_cloud_container_v1::model::{StatusCondition, status_condition};

use super::Container;
use super::names::ClusterName;
use super::operation::{Change, Operation};
use super::orders::{Order, Orders};
use super::state::Short;
use crate::journal::Journal;
use crate::kubernetes::{Cluster, Shortage, Shortfall};

const TABLE: &str = "gke.orders";
const ROW: &str = "orders";
/// `google.rpc.Code.RESOURCE_EXHAUSTED` and `UNAVAILABLE`, as an operation carries them.
const RESOURCE_EXHAUSTED: i32 = 8;
const UNAVAILABLE: i32 = 14;
/// After how long, in seconds, GKE says that machines do not come.
const PATIENCE: f64 = 36.0;

/// What is written down of earlier orders.
pub(super) fn kept(tables: &mut crate::journal::Tables) -> std::io::Result<Orders> {
    Ok(tables.take(TABLE)?.remove(ROW).unwrap_or_default())
}

fn keep(journal: &Journal, orders: &Orders) -> std::io::Result<()> {
    journal.put(TABLE, ROW, orders)
}

impl Container {
    /// The orders that last.
    pub(crate) fn orders(&self) -> Orders {
        self.orders.borrow().clone()
    }

    /// Does what is ordered; the orders that last now.
    pub(crate) fn obey(&self, order: &Order) -> anyhow::Result<Orders> {
        match order {
            Order::Starve { namespace, pod, container } => {
                let found =
                    self.clusters().iter().any(|live| live.starve(namespace, pod, container.as_deref()));
                ensure!(found, "no pod {namespace}/{pod} runs");
            }
            Order::CutPower { node } => {
                let cut = self.clusters().iter().any(|live| live.cut_power(node).is_ok());
                if !cut {
                    bail!("there is no node {node}");
                }
            }
            lasting => {
                self.change_orders(|orders| orders.note(lasting))?;
                self.clusters().iter().for_each(|live| self.pass_on(live));
                self.recover_pools()?;
            }
        }
        Ok(self.orders())
    }

    /// Tells a cluster what it has to know of the orders.
    pub(super) fn pass_on(&self, live: &Cluster) {
        let orders = self.orders();
        live.set_stockouts(orders.stockouts);
        live.break_images(orders.broken_images);
    }

    /// How an operation has to fail, if it has to.
    pub(super) fn ordered_failure(&self, operation: &Operation) -> std::io::Result<Option<(i32, String)>> {
        let mut failure = None;
        self.change_orders(|orders| {
            failure = orders.take_failure(operation);
            failure.is_some()
        })?;
        Ok(failure)
    }

    /// Changes the orders, written down first.
    fn change_orders(&self, change: impl FnOnce(&mut Orders) -> bool) -> std::io::Result<()> {
        let mut written = Ok(());
        self.orders.send_if_modified(|orders| {
            let mut new = orders.clone();
            if !change(&mut new) {
                return false;
            }
            written = keep(&self.journal, &new);
            if written.is_ok() {
                *orders = new;
            }
            written.is_ok()
        });
        written
    }

    /// The pools of an operation that wait for machines that can't be had, and what GKE says of them.
    pub(super) fn short(&self, operation: &Operation) -> Vec<Short> {
        let name = &operation.cluster;
        let pools: Vec<String> = match &operation.change {
            Change::CreateCluster => self.pool_names(name),
            change => change.pool().map(str::to_owned).into_iter().collect(),
        };
        let Some(live) = self.live().get(name).cloned() else { return vec![] };
        let short = |pool: String| {
            let shortfalls = live.shortfalls(&pool);
            let first = shortfalls.first()?;
            let has_nodes = live.pools().iter().any(|held| held.name == pool && held.nodes > 0);
            let (code, message) = told(name, first);
            Some(Short { pool, has_nodes, code, condition: condition(first.shortage, &message), message })
        };
        pools.into_iter().filter_map(short).collect()
    }

    /// Pools that have all their nodes by now are no longer in error.
    fn recover_pools(&self) -> anyhow::Result<()> {
        let live: Vec<_> = self.live().iter().map(|(name, live)| (name.clone(), live.clone())).collect();
        for (name, live) in live {
            let has_all = |pool: &str| live.shortfalls(pool).is_empty();
            self.state().recover_pools(&name, has_all)?;
        }
        Ok(())
    }

    fn pool_names(&self, name: &ClusterName) -> Vec<String> {
        let state = self.state();
        let pools = state.record(name).map(|record| record.cluster.node_pools.as_slice()).unwrap_or_default();
        pools.iter().map(|pool| pool.name.clone()).collect()
    }

    fn clusters(&self) -> Vec<Arc<Cluster>> {
        self.live().values().cloned().collect()
    }
}

#[allow(deprecated, reason = "what GKE still tells the two apart by")]
fn condition(shortage: Shortage, message: &str) -> StatusCondition {
    let code = match shortage {
        Shortage::GceStockout => status_condition::Code::GceStockout,
        Shortage::QuotaExceeded => status_condition::Code::GceQuotaExceeded,
    };
    StatusCondition::new().set_code(code).set_message(message)
}

/// The sentence of an operation whose machines did not come, with its code.
fn told(name: &ClusterName, short: &Shortfall) -> (i32, String) {
    let Shortfall { zone, instance, expected, running, shortage } = short;
    let region = zone.rsplit_once('-').map_or(zone.as_str(), |(region, _)| region);
    let group = format!(
        "Not all instances running in IGM after {PATIENCE:.9}s. Expected {expected}, running {running}, \
         transitioning {}. Current errors:",
        expected - running
    );
    match shortage {
        Shortage::GceStockout => (
            UNAVAILABLE,
            format!(
                "Google Compute Engine: {group} [GCE_STOCKOUT]: Instance '{instance}' creation failed: \
                 [ZONE_RESOURCE_POOL_EXHAUSTED]: The zone 'projects/{}/zones/{zone}' does not have enough resources \
                 available to fulfill the request.  Try a different zone, or try again later.",
                name.location.project
            ),
        ),
        Shortage::QuotaExceeded => (
            RESOURCE_EXHAUSTED,
            format!(
                "Insufficient quota to satisfy the request: {group} [GCE_QUOTA_EXCEEDED]: Instance '{instance}' \
                 creation failed: Quota 'CPUS' exceeded.  Limit: 24.0 in region {region}."
            ),
        ),
    }
}
