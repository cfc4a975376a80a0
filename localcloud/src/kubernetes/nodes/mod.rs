//! The nodes of a cluster: as many as each pool should have in each zone, as far as there are
//! machines, and ready after a while.

mod autoscaler;
mod eviction;
mod leaving;
mod machine;
mod pool;
mod stock;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::controllers::Controller;
use super::events::Recorder;
use super::kinds::NODE;
use super::kubelet::Kubelet;
use super::object::{self, is_condition_true, label};
use super::store::{Change, Key, Store};
use crate::clock::Clock;
use crate::journal::{Journal, Tables};
pub(crate) use autoscaler::Autoscaler;
pub(crate) use eviction::TaintEviction;
use leaving::is_leaving;
pub(crate) use machine::processors;
pub(crate) use pool::{Autoscaling, LocationPolicy, NODE_ACCOUNT, Pool, PoolStatus, Taint};
use pool::{MACHINE_LABEL, POOL_LABEL, ZONE_LABEL};
pub use stock::{Shortage, Stockout};

/// How long a machine takes on Google's side until its node is ready, at least and at most.
const START_SECONDS: std::ops::RangeInclusive<u64> = 60..=80;

/// A pool, and how many nodes it has or is getting in each zone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sized {
    pool: Pool,
    targets: BTreeMap<String, u32>,
}

/// Nodes of a pool that can't be had.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shortfall {
    pub(crate) zone: String,
    /// The name that the first of them would have.
    pub(crate) instance: String,
    pub(crate) expected: u32,
    pub(crate) running: u32,
    pub(crate) shortage: Shortage,
}

/// The nodes of a cluster.
pub(crate) struct Nodes {
    cluster: String,
    store: Arc<Store>,
    clock: Clock,
    journal: Journal,
    recorder: Recorder,
    kubelet: Arc<Kubelet>,
    state: Mutex<State>,
    stockouts: Mutex<Vec<Stockout>>,
    stopping: CancellationToken,
    /// Held while pools and their sizes change and are written down, and while nodes are counted and made.
    sizing: Mutex<()>,
    /// Nodes that are on their way out.
    tasks: TaskTracker,
}

struct State {
    pools: BTreeMap<String, Sized>,
    /// Numbers the nodes that ever were.
    counter: u64,
    ready_at: HashMap<String, Timestamp>,
}

/// All pools are looked at together, under one key.
fn everything() -> Key {
    Key::new(&NODE, "", "")
}

impl Controller for Nodes {
    fn concerns(&self, change: &Change) -> Vec<Key> {
        if change.key.kind == &NODE { vec![everything()] } else { vec![] }
    }

    fn all(&self) -> Vec<Key> {
        vec![everything()]
    }

    fn reconcile(&self, _: &Key) -> Option<Timestamp> {
        self.fill();
        self.make_ready()
    }
}

impl Nodes {
    pub(crate) fn open(
        cluster: &str,
        journal: &Journal,
        tables: &mut Tables,
        store: &Arc<Store>,
        kubelet: &Arc<Kubelet>,
    ) -> io::Result<Arc<Self>> {
        let pools = tables.take(&pools_table(cluster))?;
        let counter = tables.take::<u64>(&counter_table(cluster))?.remove("counter").unwrap_or(0);
        leaving::forget_departed(store);
        Ok(Arc::new(Self {
            cluster: cluster.into(),
            store: store.clone(),
            clock: store.clock().clone(),
            journal: journal.clone(),
            recorder: Recorder::new(store, "cluster-autoscaler"),
            kubelet: kubelet.clone(),
            state: Mutex::new(State { pools, counter, ready_at: HashMap::new() }),
            stockouts: Mutex::default(),
            stopping: CancellationToken::new(),
            sizing: Mutex::new(()),
            tasks: TaskTracker::new(),
        }))
    }

    /// Makes the pools what GKE says. New ones get their first nodes, a fixed one follows its size,
    /// and one that is not named any more loses its nodes.
    pub(crate) fn set_pools(self: &Arc<Self>, pools: Vec<Pool>) {
        let sizing = self.sizing();
        let before = self.state().pools.clone();
        let names: Vec<String> = pools.iter().map(|pool| pool.name.clone()).collect();
        for pool in pools {
            let old = before.get(&pool.name);
            let targets = match old {
                // A size that was asked for counts, the one that the autoscaler found stays.
                Some(old) if pool.autoscaling.is_some() && old.pool.initial_nodes == pool.initial_nodes => {
                    let kept = |zone: &String| (zone.clone(), old.targets.get(zone).copied().unwrap_or(0));
                    pool.zones.iter().map(kept).collect()
                }
                _ => pool.first_sizes(),
            };
            if let Some(old) = old.filter(|old| old.pool != pool) {
                self.update_nodes(&pool, &old.pool);
            }
            let sized = Sized { pool, targets };
            self.keep(&sized);
            self.state().pools.insert(sized.pool.name.clone(), sized);
        }
        for gone in before.keys().filter(|name| !names.contains(name)) {
            self.state().pools.remove(gone);
            if let Err(error) = self.journal.delete(&pools_table(&self.cluster), gone) {
                tracing::error!(%error, pool = gone, "a removed pool stays in the journal");
            }
            self.nodes_of(gone).iter().for_each(|node| self.shut_down(object::name(node), None));
        }
        drop(sizing);
        self.shrink();
        self.fill();
    }

    /// Gives a pool its first size again.
    pub(crate) fn resize(self: &Arc<Self>, pool: &str) {
        let sizing = self.sizing();
        let resized = {
            let mut state = self.state();
            let Some(sized) = state.pools.get_mut(pool) else { return };
            sized.targets = sized.pool.first_sizes();
            sized.clone()
        };
        self.keep(&resized);
        drop(sizing);
        self.shrink();
        self.fill();
    }

    /// Says which machines can't be had. Nodes that were waited for come where they now can.
    pub(crate) fn set_stockouts(&self, stockouts: Vec<Stockout>) {
        *self.stockouts.lock().unwrap_or_else(PoisonError::into_inner) = stockouts;
        self.fill();
    }

    /// The zones in which a pool waits for machines that can't be had.
    pub(crate) fn shortfalls(&self, pool: &str) -> Vec<Shortfall> {
        let (sized, counter) = {
            let state = self.state();
            (state.pools.get(pool).cloned(), state.counter)
        };
        let Some(sized) = sized else { return vec![] };
        let nodes = self.nodes_of(pool);
        let short = |(zone, expected): (&String, &u32)| {
            let shortage = self.shortage(&sized.pool, zone)?;
            let running = u32::try_from(in_zone(&nodes, zone).count()).unwrap_or(u32::MAX);
            (running < *expected).then(|| Shortfall {
                zone: zone.clone(),
                instance: pool::node_name(&self.cluster, pool, zone, counter + 1),
                expected: *expected,
                running,
                shortage,
            })
        };
        sized.targets.iter().filter_map(short).collect()
    }

    /// How many nodes each pool has.
    pub(crate) fn pools(&self) -> Vec<PoolStatus> {
        let names: Vec<String> = self.state().pools.keys().cloned().collect();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let status = |name: String| {
            let nodes = self.nodes_of(&name);
            let ready = nodes.iter().filter(|node| is_condition_true(node, "Ready")).count();
            PoolStatus { name, nodes: count(nodes.len()), ready: count(ready) }
        };
        names.into_iter().map(status).collect()
    }

    /// Waits until the nodes that are on their way out are gone.
    pub(crate) async fn settle(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Forgets the pools in the journal.
    pub(crate) fn forget(&self) {
        let names: Vec<String> = std::mem::take(&mut self.state().pools).into_keys().collect();
        let rows = names.iter().map(|name| (pools_table(&self.cluster), name.as_str()));
        for (table, row) in rows.chain([(counter_table(&self.cluster), "counter")]) {
            if let Err(error) = self.journal.delete(&table, row) {
                tracing::error!(%error, "a deleted cluster's pool stays in the journal");
            }
        }
    }

    fn remove(&self, name: &str) {
        self.state().ready_at.remove(name);
        self.store.remove(&Key::new(&NODE, "", name));
    }

    fn nodes_of(&self, pool: &str) -> Vec<Arc<Value>> {
        let mut nodes = self.store.list(&NODE, None);
        nodes.retain(|node| label(node, POOL_LABEL) == Some(pool));
        nodes
    }

    /// Makes the nodes that are missing. One at a time: two who count at once would make them twice.
    fn fill(&self) {
        let _sizing = self.sizing();
        let sized: Vec<Sized> = self.state().pools.values().cloned().collect();
        for Sized { pool, targets } in sized {
            let nodes = self.nodes_of(&pool.name);
            for (zone, target) in targets.iter().filter(|(zone, _)| self.shortage(&pool, zone).is_none()) {
                let have = in_zone(&nodes, zone).count();
                let missing = usize::try_from(*target).unwrap_or(0).saturating_sub(have);
                (0..missing).for_each(|_| self.add(&pool, zone));
            }
        }
    }

    fn shortage(&self, pool: &Pool, zone: &str) -> Option<Shortage> {
        let stockouts = self.stockouts.lock().unwrap_or_else(PoisonError::into_inner);
        stock::shortage(&stockouts, pool, zone)
    }

    fn sizing(&self) -> MutexGuard<'_, ()> {
        self.sizing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, pool: &Pool, zone: &str) {
        let counter = {
            let mut state = self.state();
            state.counter += 1;
            state.counter
        };
        let written = self.journal.put(&counter_table(&self.cluster), "counter", &counter);
        let name = pool::node_name(&self.cluster, &pool.name, zone, counter);
        let Some(node) = pool.node(&name, zone, self.clock.now()) else {
            tracing::error!(
                machine_type = pool.machine_type,
                "no nodes are made of a machine type that does not exist"
            );
            return;
        };
        if let Err(error) =
            written.map_err(anyhow::Error::from).and_then(|()| Ok(self.store.create(&NODE, node)?))
        {
            tracing::error!(%error, name, "a node could not be made");
        }
    }

    /// Makes the nodes ready whose time has come; the time of the next.
    fn make_ready(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let mut next = None;
        for node in self.store.list(&NODE, None) {
            let is_of_pool = label(&node, POOL_LABEL).is_some();
            if !is_of_pool || is_condition_true(&node, "Ready") || is_leaving(&node) {
                continue;
            }
            let start = self.clock.scaled(Duration::from_secs(rand::random_range(START_SECONDS)));
            let at = *self.state().ready_at.entry(object::name(&node).into()).or_insert(now + start);
            if at <= now {
                self.store.amend(&Key::of(&NODE, &node), |node| pool::show_ready(node, true, now));
            } else {
                next = Some(next.map_or(at, |next: Timestamp| next.min(at)));
            }
        }
        next
    }

    /// Labels and taints change in place; nodes of another machine type are replaced.
    fn update_nodes(self: &Arc<Self>, pool: &Pool, before: &Pool) {
        for node in self.nodes_of(&pool.name) {
            if label(&node, MACHINE_LABEL) == Some(&pool.machine_type) && pool.spot == before.spot {
                self.store.amend(&Key::of(&NODE, &node), |node| pool.relabel(node, before));
            } else {
                self.shut_down(object::name(&node), None);
            }
        }
    }

    /// Lets go of nodes beyond what their zone should have.
    fn shrink(self: &Arc<Self>) {
        let sized: Vec<Sized> = self.state().pools.values().cloned().collect();
        for Sized { pool, targets } in &sized {
            let nodes = self.nodes_of(&pool.name);
            let zones: BTreeSet<&str> = nodes.iter().filter_map(|node| label(node, ZONE_LABEL)).collect();
            for zone in zones {
                let target = usize::try_from(targets.get(zone).copied().unwrap_or(0)).unwrap_or(usize::MAX);
                let here: Vec<_> = in_zone(&nodes, zone).collect();
                let extra = here.len().saturating_sub(target);
                here.iter().rev().take(extra).for_each(|node| self.shut_down(object::name(node), None));
            }
        }
    }

    fn keep(&self, sized: &Sized) {
        if let Err(error) = self.journal.put(&pools_table(&self.cluster), &sized.pool.name, sized) {
            tracing::error!(%error, pool = sized.pool.name, "a pool could not be written down");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_zone<'a>(nodes: &'a [Arc<Value>], zone: &'a str) -> impl Iterator<Item = &'a Arc<Value>> {
    nodes.iter().filter(move |node| label(node, ZONE_LABEL) == Some(zone))
}

fn pools_table(cluster: &str) -> String {
    format!("kubernetes/{cluster}/pools")
}

fn counter_table(cluster: &str) -> String {
    format!("kubernetes/{cluster}/nodes")
}
