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
    pub(crate) initial_nodes: u32,
    pub(crate) autoscaling: Option<Autoscaling>,
}

/// A taint of all nodes of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taint {
    pub(crate) key: String,
    pub(crate) value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub(crate) effect: String,
}

/// Between how many nodes a pool grows and shrinks by itself: totals of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Autoscaling {
    pub(crate) min_nodes: u32,
    pub(crate) max_nodes: u32,
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
/// Says on a node which account it runs as.
pub(crate) const NODE_ACCOUNT: &str = "local-cloud/service-account";
const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Kubernetes has no place of its own on this machine; these stand for one.
const REGION: &str = "local";
const ZONE: &str = "local-a";
const PODS_PER_NODE: u32 = 110;

impl Pool {
    /// The labels of its nodes; `name` is the node's.
    fn node_labels(&self, name: &str) -> BTreeMap<String, String> {
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
            ("topology.kubernetes.io/region", REGION),
            ("topology.kubernetes.io/zone", ZONE),
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
    pub(super) fn node(&self, name: &str, now: Timestamp) -> Option<Value> {
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
                "labels": self.node_labels(name),
                "annotations": {NODE_ACCOUNT: self.service_account},
            },
            "spec": {"taints": taints, "providerID": format!("gce://local/{ZONE}/{name}")},
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
        labels.extend(self.node_labels(&name).into_iter().map(|(key, value)| (key, value.into())));
        let old = before.node_taints();
        let mut taints = self.node_taints();
        taints
            .extend(object::list(node, "/spec/taints").iter().filter(|taint| !old.contains(taint)).cloned());
        object::section(node, "spec").insert("taints".into(), taints.into());
    }

    /// How many nodes a new pool starts with.
    pub(super) fn first_size(&self) -> u32 {
        self.autoscaling.map_or(self.initial_nodes, |scaling| self.initial_nodes.min(scaling.max_nodes))
    }
}

/// `gke-<cluster>-<pool>-<group>-<suffix>`. The suffixes run through a permutation of all four-letter
/// ones, so that none comes twice.
pub(super) fn node_name(cluster: &str, pool: &str, counter: u64) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    const ALL: u64 = 36 * 36 * 36 * 36;
    let digest = Sha256::digest(format!("{cluster}/{pool}"));
    let seed = Sha256::digest(cluster);
    let start = u64::from(seed[0]) << 16 | u64::from(seed[1]) << 8 | u64::from(seed[2]);
    // The factor shares no divisor with 36, so the step visits every number.
    let mut number = (counter % ALL * 1_000_003 + start) % ALL;
    let mut suffix = String::new();
    for _ in 0..4 {
        suffix.push(char::from(ALPHABET[usize::try_from(number % 36).unwrap_or(0)]));
        number /= 36;
    }
    let part = |name: &str, longest: usize| name.chars().take(longest).collect::<String>();
    format!("gke-{}-{}-{}-{suffix}", part(cluster, 18), part(pool, 16), hex::encode(&digest[..4]))
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

    #[test]
    fn no_node_name_comes_twice() {
        let names: BTreeSet<String> =
            (0..5000).map(|counter| node_name("main", "workers", counter)).collect();
        assert_eq!(names.len(), 5000);
        assert!(names.iter().all(
            |name| name.starts_with("gke-main-workers-") && name.len() == "gke-main-workers-".len() + 13
        ));
    }
}
