//! Nodes on their way out: preempted with a warning, shut down because they are not wanted any more,
//! or gone without a word.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::super::events::Recorder;
use super::super::kinds::{NODE, POD};
use super::super::object::{self, Condition, entries, is_terminal, label, set_condition, text};
use super::super::store::{Key, Store};
use super::Nodes;
use super::pool::{self, SPOT_LABEL};

/// Says that a node is about to go: GKE's, and the cluster autoscaler's.
const TERMINATING: &str = "cloud.google.com/impending-node-termination";
pub(super) const SCALED_DOWN: &str = "ToBeDeletedByClusterAutoscaler";
/// Marks a node whose machine has stopped without anybody knowing yet.
const POWERLESS: &str = "provision.local/power-cut";
/// How long the control plane waits for word of a node before it gives the node up.
const UNHEARD: Duration = Duration::from_secs(50);
/// How long it takes until somebody looks whether its machine is still there.
const LOOKED_FOR: Duration = Duration::from_mins(1);

/// Whether a node takes no more pods because it goes, or is gone.
pub(super) fn is_leaving(node: &Value) -> bool {
    let leaves = |taint: &Value| matches!(text(taint, "/key"), TERMINATING | SCALED_DOWN);
    object::list(node, "/spec/taints").iter().any(leaves) || is_powerless(node)
}

fn is_powerless(node: &Value) -> bool {
    object::annotation(node, POWERLESS).is_some()
}

/// Nodes that were on their way out when the local cloud was stopped are gone.
pub(super) fn forget_departed(store: &Store) {
    for node in store.list(&NODE, None).iter().filter(|node| is_leaving(node)) {
        store.remove(&Key::of(&NODE, node));
    }
}

impl Nodes {
    /// Takes a Spot node away as Google does: the one that is named, or one at random, busy ones
    /// first. No name comes back if there is no Spot node.
    pub(crate) fn preempt(
        self: &Arc<Self>,
        node: Option<&str>,
        grace: Option<Duration>,
    ) -> anyhow::Result<Vec<String>> {
        let name = match node {
            Some(name) if !is_spot(&*self.node(name)?) => {
                bail!("node {name} is not a Spot node: only those are preempted")
            }
            Some(name) => name.to_owned(),
            None => match self.any_spot_node() {
                Some(name) => name,
                None => return Ok(vec![]),
            },
        };
        self.shut_down(&name, grace);
        Ok(vec![name])
    }

    /// Cuts a node's power: its processes are gone at once, and nobody is told. The control plane
    /// gives the node up when it has not heard of it for long enough.
    pub(crate) fn cut_power(self: &Arc<Self>, name: &str) -> anyhow::Result<()> {
        self.node(name)?;
        let (nodes, key) = (self.clone(), Key::new(&NODE, "", name));
        self.store.amend(&key, |node| {
            let annotations = object::metadata(node).entry("annotations").or_insert(Value::Null);
            entries(annotations).insert(POWERLESS.into(), "true".into());
        });
        self.kubelet.lose_node(name);
        self.tasks.spawn(async move {
            let stopping = nodes.stopping.clone();
            // Stopped before: the next start finds the mark.
            stopping.run_until_cancelled(nodes.give_up(key)).await;
        });
        Ok(())
    }

    /// What the control plane does about a node that says nothing any more.
    async fn give_up(self: Arc<Self>, key: Key) {
        self.clock.sleep(self.clock.scaled(UNHEARD)).await;
        let now = self.clock.now();
        if let Some(node) = self.store.amend(&key, |node| pool::show_unknown(node, now)) {
            let controller = Recorder::new(&self.store, "node-controller");
            let message = format!("Node {} status is now: NodeNotReady", key.name);
            controller.normal(&NODE, &node, "NodeNotReady", &message);
        }
        for pod in self.pods_on(&key.name) {
            self.store.amend(&Key::of(&POD, &pod), |pod| {
                let condition = Condition { kind: "Ready", status: false, reason: "", message: "" };
                set_condition(pod, &condition, now);
            });
        }
        self.clock.sleep(self.clock.scaled(LOOKED_FOR)).await;
        self.tell_deleted(&key);
        self.remove(&key.name);
    }

    /// Takes a node out of service: its pods get their grace, then it is gone.
    pub(super) fn shut_down(self: &Arc<Self>, name: &str, grace: Option<Duration>) {
        let (nodes, name) = (self.clone(), name.to_owned());
        let (key, now) = (Key::new(&NODE, "", &name), self.clock.now());
        let node = self.store.amend(&key, |node| {
            pool::add_taint(node, TERMINATING);
            pool::show_shutting_down(node, now);
        });
        if let Some(node) = node {
            let kubelet = Recorder::new(&self.store, "kubelet");
            kubelet.normal(&NODE, &node, "Shutdown", "Shutdown manager detected shutdown event");
        }
        self.tasks.spawn(async move {
            nodes.kubelet.shut_down_node(&name, grace).await;
            nodes.tell_deleted(&key);
            nodes.remove(&name);
        });
    }

    fn tell_deleted(&self, key: &Key) {
        if let Some(node) = self.store.get(key) {
            let controller = Recorder::new(&self.store, "cloud-node-lifecycle-controller");
            let message =
                format!("Deleting node {} because it does not exist in the cloud provider", key.name);
            controller.normal(&NODE, &node, "DeletingNode", &message);
        }
    }

    fn node(&self, name: &str) -> anyhow::Result<Arc<Value>> {
        self.store.get(&Key::new(&NODE, "", name)).with_context(|| format!("there is no node {name}"))
    }

    fn any_spot_node(&self) -> Option<String> {
        let nodes = self.store.list(&NODE, None);
        let spot =
            nodes.iter().filter(|node| is_spot(node) && !is_leaving(node)).map(|node| object::name(node));
        let (busy, idle): (Vec<&str>, Vec<&str>) = spot.partition(|name| !self.pods_on(name).is_empty());
        let candidates = if busy.is_empty() { idle } else { busy };
        (!candidates.is_empty()).then(|| candidates[rand::random_range(0..candidates.len())].to_owned())
    }

    /// The pods on a node that have not ended.
    pub(super) fn pods_on(&self, node: &str) -> Vec<Arc<Value>> {
        let mut pods = self.store.list(&POD, None);
        pods.retain(|pod| text(pod, "/spec/nodeName") == node && !is_terminal(pod));
        pods
    }
}

fn is_spot(node: &Value) -> bool {
    label(node, SPOT_LABEL) == Some("true")
}
