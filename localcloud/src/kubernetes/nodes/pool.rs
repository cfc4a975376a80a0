//! Node pools as GKE describes them, and the nodes that they are made of. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::object::{self, entries};
use super::machine::Machine;

/// A node pool as it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) machine_type: String,
    pub(crate) spot: bool,
    /// The account that its nodes run as: they pull images and ship logs in its name.
    #[serde(default)]
    pub(crate) service_account: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) taints: Vec<Taint>,
    /// In each zone.
    pub(crate) initial_nodes: u32,
    pub(crate) autoscaling: Option<Autoscaling>,
    /// Where its nodes are, at least one: `europe-west1-b`.
    pub(crate) zones: Vec<String>,
    pub(crate) location_policy: LocationPolicy,
}

/// Where an autoscaled pool gets its next node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum LocationPolicy {
    /// In the zone that has the fewest.
    #[default]
    Balanced,
    /// Wherever one is to be had.
    Any,
}

/// A taint of all nodes of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taint {
    pub(crate) key: String,
    pub(crate) value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub(crate) effect: String,
}

/// Between how many nodes a pool grows and shrinks by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Autoscaling {
    pub(crate) min_nodes: u32,
    pub(crate) max_nodes: u32,
    /// Whether the limits hold for each zone, or for all together.
    pub(crate) per_zone: bool,
}

/// How many nodes a pool has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PoolStatus {
    pub(crate) name: String,
    pub(crate) nodes: u32,
    pub(crate) ready: u32,
}

pub(super) const POOL_LABEL: &str = "cloud.google.com/gke-nodepool";
pub(super) const SPOT_LABEL: &str = "cloud.google.com/gke-spot";
pub(super) const MACHINE_LABEL: &str = "node.kubernetes.io/instance-type";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// Says on a node which account it runs as.
pub(crate) const NODE_ACCOUNT: &str = "local-cloud/service-account";
const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub(super) const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
const PODS_PER_NODE: u32 = 110;

impl Pool {
    /// The labels of its nodes; `name` is the node's.
    fn node_labels(&self, name: &str, zone: &str) -> BTreeMap<String, String> {
        let region = zone.rsplit_once('-').map_or(zone, |(region, _)| region);
        let family = self.machine_type.split('-').next().unwrap_or_default();
        let arch = if matches!(family, "t2a" | "c4a") { "arm64" } else { "amd64" };
        let mut labels = self.labels.clone();
        let own = [
            ("kubernetes.io/hostname", name),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", arch),
            (POOL_LABEL, &self.name),
            ("cloud.google.com/machine-family", family),
            (MACHINE_LABEL, &self.machine_type),
            ("topology.kubernetes.io/region", region),
            (ZONE_LABEL, zone),
        ];
        labels.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
        if self.spot {
            labels.insert(SPOT_LABEL.into(), "true".into());
            labels.insert("cloud.google.com/gke-provisioning".into(), "spot".into());
        }
        labels
    }

    fn node_taints(&self) -> Vec<Value> {
        self.taints.iter().map(object::to_json).collect()
    }

    /// A new node, not yet ready; None if there is no such machine type.
    pub(super) fn node(&self, name: &str, zone: &str, now: Timestamp) -> Option<Value> {
        let machine = Machine::parse(&self.machine_type)?;
        let mut taints = self.node_taints();
        taints.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
        let amounts = |millis: u64, mib: u64| {
            json!({"cpu": super::super::quantity::canonical(&format!("{millis}m")), "memory": format!("{}Ki", mib * 1024),
                "pods": PODS_PER_NODE.to_string(), "ephemeral-storage": "47Gi"})
        };
        let mut node = json!({
            "metadata": {
                "name": name,
                "labels": self.node_labels(name, zone),
                "annotations": {NODE_ACCOUNT: self.service_account},
            },
            "spec": {"taints": taints, "providerID": format!("gce://local/{zone}/{name}")},
            "status": {
                "capacity": amounts(machine.processors * 1000, machine.memory_mib),
                "allocatable": amounts(machine.allocatable_millis(), machine.allocatable_mib()),
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
                "nodeInfo": {
                    "kubeletVersion": "v1.34.1-provision", "kubeProxyVersion": "", "osImage": "this machine",
                    "operatingSystem": std::env::consts::OS, "architecture": std::env::consts::ARCH,
                    "kernelVersion": "", "containerRuntimeVersion": "process://1", "machineID": "", "systemUUID": "", "bootID": "",
                },
            },
        });
        show_ready(&mut node, false, now);
        Some(node)
    }

    /// Gives a living node the labels and taints that its pool has now; what others put on it stays.
    pub(super) fn relabel(&self, node: &mut Value, before: &Self) {
        let name = object::name(node).to_owned();
        let labels = entries(object::metadata(node).entry("labels").or_insert(Value::Null));
        before.labels.keys().for_each(|key| drop(labels.remove(key)));
        let zone = labels.get(ZONE_LABEL).and_then(Value::as_str).unwrap_or_default().to_owned();
        labels.extend(self.node_labels(&name, &zone).into_iter().map(|(key, value)| (key, value.into())));
        let old = before.node_taints();
        let mut taints = self.node_taints();
        taints
            .extend(object::list(node, "/spec/taints").iter().filter(|taint| !old.contains(taint)).cloned());
        object::section(node, "spec").insert("taints".into(), taints.into());
    }

    /// How many nodes it starts with, by zone; never more than it may grow to.
    pub(super) fn first_sizes(&self) -> BTreeMap<String, u32> {
        let mut sizes: BTreeMap<String, u32> = self.zones.iter().map(|zone| (zone.clone(), 0)).collect();
        for _ in 0..self.initial_nodes {
            for zone in &self.zones {
                if self.may_grow(&sizes, zone) {
                    sizes.entry(zone.clone()).and_modify(|nodes| *nodes += 1);
                }
            }
        }
        sizes
    }

    /// Whether its limits let it have one more node in a zone.
    pub(super) fn may_grow(&self, sizes: &BTreeMap<String, u32>, zone: &str) -> bool {
        self.autoscaling.is_none_or(|limits| counted(limits, sizes, zone) < limits.max_nodes)
    }

    /// Whether its limits let it have one node less in a zone. A fixed pool never shrinks by itself.
    pub(super) fn may_shrink(&self, sizes: &BTreeMap<String, u32>, zone: &str) -> bool {
        self.autoscaling.is_some_and(|limits| counted(limits, sizes, zone) > limits.min_nodes)
    }
}

/// The nodes that count against a zone's limits.
fn counted(limits: Autoscaling, sizes: &BTreeMap<String, u32>, zone: &str) -> u32 {
    if limits.per_zone { sizes.get(zone).copied().unwrap_or(0) } else { sizes.values().sum() }
}

/// `gke-<cluster>-<pool>-<hash>`: what the machines of one zone are called together.
pub(super) fn group_name(cluster: &str, pool: &str, zone: &str) -> String {
    let digest = Sha256::digest(format!("{cluster}/{pool}/{zone}"));
    let part = |name: &str, longest: usize| name.chars().take(longest).collect::<String>();
    format!("gke-{}-{}-{}", part(cluster, 18), part(pool, 16), hex::encode(&digest[..4]))
}

/// The group's name and a suffix. The suffixes run through a permutation of all four-letter ones, so
/// that none comes twice.
pub(super) fn node_name(cluster: &str, pool: &str, zone: &str, counter: u64) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    const ALL: u64 = 36 * 36 * 36 * 36;
    let seed = Sha256::digest(cluster);
    let start = u64::from(seed[0]) << 16 | u64::from(seed[1]) << 8 | u64::from(seed[2]);
    // The factor shares no divisor with 36, so the step visits every number.
    let mut number = (counter % ALL * 1_000_003 + start) % ALL;
    let mut suffix = String::new();
    for _ in 0..4 {
        suffix.push(char::from(ALPHABET[usize::try_from(number % 36).unwrap_or(0)]));
        number /= 36;
    }
    format!("{}-{suffix}", group_name(cluster, pool, zone))
}

/// What the node's own kubelet says when its machine is about to stop.
pub(super) fn show_shutting_down(node: &mut Value, now: Timestamp) {
    let (reason, message) = ("KubeletNotReady", "node is shutting down");
    object::set_condition(node, &object::Condition { kind: "Ready", status: false, reason, message }, now);
}

/// What the control plane says of a node that it has not heard of for a while.
pub(super) fn show_unknown(node: &mut Value, now: Timestamp) {
    let conditions = node.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        condition["status"] = "Unknown".into();
        condition["reason"] = "NodeStatusUnknown".into();
        condition["message"] = "Kubelet stopped posting node status.".into();
        condition["lastTransitionTime"] = object::seconds(now).into();
    }
    let taints = object::section(node, "spec").entry("taints").or_insert_with(|| json!([]));
    if let Value::Array(taints) = taints {
        for effect in ["NoSchedule", "NoExecute"] {
            taints.push(json!({"key": UNREACHABLE, "effect": effect, "timeAdded": object::seconds(now)}));
        }
    }
}

/// Writes the node's conditions.
pub(super) fn show_ready(node: &mut Value, ready: bool, now: Timestamp) {
    let (reason, message) = if ready {
        ("KubeletReady", "kubelet is posting ready status")
    } else {
        ("KubeletNotReady", "container runtime network not ready")
    };
    let healthy = [
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ];
    for (kind, reason, message) in healthy {
        object::set_condition(node, &object::Condition { kind, status: false, reason, message }, now);
    }
    object::set_condition(node, &object::Condition { kind: "Ready", status: ready, reason, message }, now);
    let conditions = node.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        condition["lastHeartbeatTime"] = object::seconds(now).into();
    }
    if ready {
        remove_taint(node, NOT_READY);
    }
}

pub(super) fn remove_taint(node: &mut Value, key: &str) {
    if let Some(Value::Array(taints)) = node.pointer_mut("/spec/taints") {
        taints.retain(|taint| object::text(taint, "/key") != key);
        if taints.is_empty() {
            object::section(node, "spec").remove("taints");
        }
    }
}

pub(super) fn add_taint(node: &mut Value, key: &str) {
    remove_taint(node, key);
    let taints = object::section(node, "spec").entry("taints").or_insert_with(|| json!([]));
    if let Value::Array(taints) = taints {
        taints.push(json!({"key": key, "effect": "NoSchedule"}));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn pool(initial_nodes: u32, autoscaling: Option<Autoscaling>) -> Pool {
        Pool {
            name: "workers".into(),
            machine_type: "e2-medium".into(),
            spot: true,
            service_account: String::new(),
            labels: BTreeMap::new(),
            taints: vec![],
            initial_nodes,
            autoscaling,
            zones: vec!["a-b".into(), "a-c".into()],
            location_policy: LocationPolicy::Any,
        }
    }

    #[test]
    fn limits_count_by_zone_or_together() {
        let limits = |per_zone| Some(Autoscaling { min_nodes: 1, max_nodes: 2, per_zone });
        let sizes = |b, c| BTreeMap::from([("a-b".to_owned(), b), ("a-c".to_owned(), c)]);
        assert_eq!(pool(3, None).first_sizes(), sizes(3, 3));
        assert_eq!(pool(3, limits(true)).first_sizes(), sizes(2, 2));
        assert_eq!(pool(3, limits(false)).first_sizes(), sizes(1, 1));
        let (by_zone, together) = (pool(0, limits(true)), pool(0, limits(false)));
        assert!(by_zone.may_grow(&sizes(2, 1), "a-c") && !by_zone.may_grow(&sizes(2, 1), "a-b"));
        assert!(!together.may_grow(&sizes(2, 0), "a-c") && together.may_shrink(&sizes(2, 0), "a-b"));
        assert!(!by_zone.may_shrink(&sizes(1, 2), "a-b") && by_zone.may_shrink(&sizes(1, 2), "a-c"));
        assert!(!pool(0, None).may_shrink(&sizes(3, 3), "a-b"));
    }

    #[test]
    fn no_node_name_comes_twice() {
        let names: BTreeSet<String> =
            (0..5000).map(|counter| node_name("main", "workers", "a-b", counter)).collect();
        assert_eq!(names.len(), 5000);
        assert!(names.iter().all(
            |name| name.starts_with("gke-main-workers-") && name.len() == "gke-main-workers-".len() + 13
        ));
    }
}
