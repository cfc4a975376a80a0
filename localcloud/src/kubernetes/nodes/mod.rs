//! The nodes of a cluster: as many as each pool should have, ready after a while, preempted on demand.

mod autoscaler;
mod machine;
mod pool;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::task::TaskTracker;

use super::controllers::Controller;
use super::events::Recorder;
use super::kinds::{NODE, POD};
use super::kubelet::Kubelet;
use super::object::{self, is_condition_true, is_terminal, label, text};
use super::store::{Change, Key, Store};
use crate::clock::Clock;
use crate::journal::{Journal, Tables};
pub(crate) use autoscaler::Autoscaler;
pub(crate) use pool::{Autoscaling, NODE_ACCOUNT, Pool, PoolStatus, Taint};
use pool::{MACHINE_LABEL, POOL_LABEL, SPOT_LABEL};

/// How long a machine takes on Google's side until its node is ready, at least and at most.
const START_SECONDS: std::ops::RangeInclusive<u64> = 60..=80;
/// Says that a node is about to go.
const LEAVING: &str = "cloud.google.com/impending-node-termination";

/// A pool, and how many nodes it has or is getting.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sized {
    pool: Pool,
    target: u32,
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
    /// Held while nodes are counted and made.
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
        Ok(Arc::new(Self {
            cluster: cluster.into(),
            store: store.clone(),
            clock: store.clock().clone(),
            journal: journal.clone(),
            recorder: Recorder::new(store, "cluster-autoscaler"),
            kubelet: kubelet.clone(),
            state: Mutex::new(State { pools, counter, ready_at: HashMap::new() }),
            sizing: Mutex::new(()),
            tasks: TaskTracker::new(),
        }))
    }

    /// Makes the pools what GKE says. New ones get their first nodes, a fixed one follows its size,
    /// and one that is not named any more loses its nodes.
    pub(crate) fn set_pools(self: &Arc<Self>, pools: Vec<Pool>) {
        let before = std::mem::take(&mut self.state().pools);
        let names: Vec<String> = pools.iter().map(|pool| pool.name.clone()).collect();
        for pool in pools {
            let old = before.get(&pool.name);
            let target = match (old, pool.autoscaling) {
                (Some(old), Some(_)) => old.target,
                _ => pool.first_size(),
            };
            if let Some(old) = old.filter(|old| old.pool != pool) {
                self.update_nodes(&pool, &old.pool);
            }
            let sized = Sized { pool, target };
            self.keep(&sized);
            self.state().pools.insert(sized.pool.name.clone(), sized);
        }
        for gone in before.keys().filter(|name| !names.contains(name)) {
            if let Err(error) = self.journal.delete(&pools_table(&self.cluster), gone) {
                tracing::error!(%error, pool = gone, "a removed pool stays in the journal");
            }
            self.nodes_of(gone).iter().for_each(|node| self.shut_down(object::name(node), None));
        }
        self.shrink_fixed();
        self.fill();
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

    /// Takes a Spot node away, or one at random, busy ones first.
    pub(crate) fn preempt(
        self: &Arc<Self>,
        node: Option<&str>,
        grace: Option<Duration>,
    ) -> anyhow::Result<Vec<String>> {
        let is_spot = |node: &Value| label(node, SPOT_LABEL) == Some("true");
        let name = if let Some(name) = node {
            match self.store.get(&Key::new(&NODE, "", name)) {
                None => bail!("there is no node {name}"),
                Some(node) if !is_spot(&node) => {
                    bail!("node {name} is not a Spot node: only those are preempted")
                }
                Some(_) => name.to_owned(),
            }
        } else {
            let pods = self.store.list(&POD, None);
            let busy =
                |name: &str| pods.iter().any(|pod| text(pod, "/spec/nodeName") == name && !is_terminal(pod));
            let leaving = |node: &Value| {
                object::list(node, "/spec/taints").iter().any(|taint| text(taint, "/key") == LEAVING)
            };
            let spot =
                self.store.list(&NODE, None).into_iter().filter(|node| is_spot(node) && !leaving(node));
            let (working, idle): (Vec<_>, Vec<_>) = spot.partition(|node| busy(object::name(node)));
            let candidates = if working.is_empty() { idle } else { working };
            if candidates.is_empty() {
                return Ok(vec![]);
            }
            object::name(&candidates[rand::random_range(0..candidates.len())]).to_owned()
        };
        self.shut_down(&name, grace);
        Ok(vec![name])
    }

    /// Waits until the nodes that are on their way out are gone.
    pub(crate) async fn settle(&self) {
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

    /// Takes a node out of service: its pods get their grace, then it is gone.
    fn shut_down(self: &Arc<Self>, name: &str, grace: Option<Duration>) {
        let (nodes, name) = (self.clone(), name.to_owned());
        let key = Key::new(&NODE, "", &name);
        self.store.amend(&key, |node| pool::add_taint(node, LEAVING));
        self.tasks.spawn(async move {
            nodes.kubelet.shut_down_node(&name, grace).await;
            nodes.remove(&name);
        });
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
        for sized in sized {
            let have = self.nodes_of(&sized.pool.name).len();
            let missing = usize::try_from(sized.target).unwrap_or(0).saturating_sub(have);
            (0..missing).for_each(|_| self.add(&sized.pool));
        }
    }

    fn sizing(&self) -> MutexGuard<'_, ()> {
        self.sizing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, pool: &Pool) {
        let counter = {
            let mut state = self.state();
            state.counter += 1;
            state.counter
        };
        let written = self.journal.put(&counter_table(&self.cluster), "counter", &counter);
        let name = pool::node_name(&self.cluster, &pool.name, counter);
        let Some(node) = pool.node(&name, self.clock.now()) else {
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
            if !is_of_pool || is_condition_true(&node, "Ready") {
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

    fn shrink_fixed(self: &Arc<Self>) {
        let sized: Vec<Sized> = self.state().pools.values().cloned().collect();
        for sized in sized.iter().filter(|sized| sized.pool.autoscaling.is_none()) {
            let nodes = self.nodes_of(&sized.pool.name);
            let extra = nodes.len().saturating_sub(usize::try_from(sized.target).unwrap_or(usize::MAX));
            nodes.iter().rev().take(extra).for_each(|node| self.shut_down(object::name(node), None));
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

fn pools_table(cluster: &str) -> String {
    format!("kubernetes/{cluster}/pools")
}

fn counter_table(cluster: &str) -> String {
    format!("kubernetes/{cluster}/nodes")
}
