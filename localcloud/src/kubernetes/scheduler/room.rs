//! A node as the scheduler sees it: what it has, and what its pods have taken. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::super::object::{self, is_terminal, list, text};
use super::super::quantity;

/// Amounts by resource, in thousandths.
pub(crate) type Amounts = BTreeMap<String, i128>;

/// A node with its pods.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) node: Arc<Value>,
    pub(crate) pods: Vec<Arc<Value>>,
    allocatable: Amounts,
    taken: Amounts,
}

/// The nodes with the pods that run on each.
pub(crate) fn rooms(nodes: &[Arc<Value>], pods: &[Arc<Value>]) -> Vec<Room> {
    let mut rooms: BTreeMap<&str, Room> =
        nodes.iter().map(|node| (object::name(node), Room::of(node.clone()))).collect();
    for pod in pods.iter().filter(|pod| !is_terminal(pod)) {
        if let Some(room) = rooms.get_mut(text(pod, "/spec/nodeName")) {
            room.add(pod.clone());
        }
    }
    rooms.into_values().collect()
}

impl Room {
    /// A node without pods.
    pub(crate) fn of(node: Arc<Value>) -> Self {
        let allocatable = amounts(node.pointer("/status/allocatable"));
        Self { name: object::name(&node).into(), node, pods: vec![], allocatable, taken: Amounts::new() }
    }

    pub(crate) fn add(&mut self, pod: Arc<Value>) {
        for (resource, amount) in requests(&pod) {
            *self.taken.entry(resource).or_default() += amount;
        }
        self.pods.push(pod);
    }

    /// The resources of which there is not enough for a pod.
    pub(super) fn lacks(&self, pod: &Value) -> Vec<String> {
        let free = |resource: &str| {
            self.allocatable.get(resource).copied().unwrap_or(0)
                - self.taken.get(resource).copied().unwrap_or(0)
        };
        let needs = requests(pod);
        let lacking = needs.iter().filter(|(resource, amount)| **amount > 0 && **amount > free(resource));
        lacking.map(|(resource, _)| resource.clone()).collect()
    }

    /// How empty it is, in thousandths of its processors, then by number of pods.
    pub(super) fn emptiness(&self) -> (i128, std::cmp::Reverse<usize>) {
        let amount = |amounts: &Amounts| amounts.get("cpu").copied().unwrap_or(0);
        let all = amount(&self.allocatable).max(1);
        (1000 - amount(&self.taken) * 1000 / all, std::cmp::Reverse(self.pods.len()))
    }
}

/// What a pod asks for: its containers together, or the greediest init container; and its place.
pub(crate) fn requests(pod: &Value) -> Amounts {
    let of = |container: &Value| amounts(container.pointer("/resources/requests"));
    let mut total = Amounts::new();
    for container in list(pod, "/spec/containers") {
        for (resource, amount) in of(container) {
            *total.entry(resource).or_default() += amount;
        }
    }
    for container in list(pod, "/spec/initContainers") {
        for (resource, amount) in of(container) {
            let most = total.entry(resource).or_default();
            *most = amount.max(*most);
        }
    }
    for (resource, amount) in amounts(pod.pointer("/spec/overhead")) {
        *total.entry(resource).or_default() += amount;
    }
    total.insert("pods".into(), 1000);
    total
}

fn amounts(map: Option<&Value>) -> Amounts {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    let amount = |value: &Value| quantity::millis(value.as_str().unwrap_or_default()).unwrap_or(0);
    entries.map(|(resource, value)| (resource.clone(), amount(value))).collect()
}
