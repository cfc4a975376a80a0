//! The scheduler: binds pending pods to nodes that can hold them, and says why none can.

pub(crate) mod filter;
pub(crate) mod room;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::controllers::Controller;
use super::events::Recorder;
use super::kinds::{NODE, POD};
use super::object::{self, Condition, is_deleting, is_terminal, list, section, set_condition, text};
use super::store::{Change, Key, Store};
use filter::{Misfit, fits};
use room::{Room, rooms};

pub(crate) struct Scheduler {
    pub(crate) store: Arc<Store>,
    pub(crate) recorder: Recorder,
}

/// All pending pods are looked at together, under one key.
fn everything() -> Key {
    Key::new(&POD, "", "")
}

impl Controller for Scheduler {
    fn concerns(&self, change: &Change) -> Vec<Key> {
        let is_ours = change.key.kind == &POD || change.key.kind == &NODE;
        if is_ours { vec![everything()] } else { vec![] }
    }

    fn all(&self) -> Vec<Key> {
        vec![everything()]
    }

    fn reconcile(&self, _: &Key) -> Option<Timestamp> {
        let pods = self.store.list(&POD, None);
        let mut pending: Vec<&Arc<Value>> = pods.iter().filter(|pod| is_pending(pod)).collect();
        if pending.is_empty() {
            return None;
        }
        pending.sort_by_key(|pod| object::text(pod, "/metadata/creationTimestamp").to_owned());
        let mut rooms = rooms(&self.store.list(&NODE, None), &pods);
        for pod in pending {
            self.place(pod, &mut rooms);
        }
        None
    }
}

/// Whether a pod waits for a node.
pub(crate) fn is_pending(pod: &Value) -> bool {
    let scheduler = text(pod, "/spec/schedulerName");
    text(pod, "/spec/nodeName").is_empty()
        && matches!(scheduler, "" | "default-scheduler")
        && !is_terminal(pod)
        && !is_deleting(pod)
        && list(pod, "/spec/schedulingGates").is_empty()
}

impl Scheduler {
    fn place(&self, pod: &Arc<Value>, rooms: &mut [Room]) {
        let misfits: Vec<Option<Misfit>> = rooms.iter().map(|room| fits(pod, room, rooms).err()).collect();
        let fitting = (0..rooms.len()).filter(|at| misfits[*at].is_none());
        // The emptiest: pods spread over the nodes.
        match fitting.max_by_key(|at| rooms[*at].emptiness()) {
            Some(at) => {
                if self.bind(pod, &rooms[at].name) {
                    rooms[at].add(pod.clone());
                }
            }
            None => self.refuse(pod, &why(&misfits.into_iter().flatten().collect::<Vec<_>>())),
        }
    }

    fn bind(&self, pod: &Arc<Value>, node: &str) -> bool {
        if self.store.get(&Key::new(&NODE, "", node)).is_none() {
            return false;
        }
        let now = self.store.clock().now();
        let bound = self.store.amend(&Key::of(&POD, pod), |pod| {
            if is_pending(pod) {
                section(pod, "spec").insert("nodeName".into(), node.into());
                set_condition(
                    pod,
                    &Condition { kind: "PodScheduled", status: true, reason: "", message: "" },
                    now,
                );
            }
        });
        let message =
            format!("Successfully assigned {}/{} to {node}", object::namespace(pod), object::name(pod));
        let is_bound = bound.is_some_and(|pod| text(&pod, "/spec/nodeName") == node);
        if is_bound {
            self.recorder.normal(&POD, pod, "Scheduled", &message);
        }
        is_bound
    }

    fn refuse(&self, pod: &Arc<Value>, message: &str) {
        let told = object::condition(pod, "PodScheduled")
            .is_some_and(|condition| text(condition, "/message") == message);
        if told {
            return;
        }
        let now = self.store.clock().now();
        let condition = Condition { kind: "PodScheduled", status: false, reason: "Unschedulable", message };
        self.store.amend(&Key::of(&POD, pod), |pod| set_condition(pod, &condition, now));
        self.recorder.warning(&POD, pod, "FailedScheduling", message);
    }
}

/// Why no node can hold a pod, as Kubernetes tells it.
fn why(misfits: &[Misfit]) -> String {
    if misfits.is_empty() {
        return "no nodes available to schedule pods".into();
    }
    let count = |texts: Vec<String>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for text in texts {
            *counts.entry(text).or_default() += 1;
        }
        let mut told: Vec<String> =
            counts.into_iter().map(|(text, count)| format!("{count} {text}")).collect();
        told.sort();
        told.join(", ")
    };
    let all = misfits.len();
    let reasons = count(misfits.iter().flat_map(|misfit| misfit.reasons.clone()).collect());
    let helps = |misfit: &Misfit| {
        if misfit.others_could_go {
            "No preemption victims found for incoming pod"
        } else {
            "Preemption is not helpful for scheduling"
        }
    };
    let preemption = count(misfits.iter().map(|misfit| helps(misfit).to_owned()).collect());
    format!("0/{all} nodes are available: {reasons}. preemption: 0/{all} nodes are available: {preemption}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_are_counted_and_sorted_as_kubernetes_does() {
        let misfit = |reasons: &[&str], others_could_go| Misfit {
            reasons: reasons.iter().map(|&reason| reason.into()).collect(),
            others_could_go,
        };
        let misfits = [
            misfit(&["Insufficient cpu", "Insufficient memory"], true),
            misfit(&["Insufficient cpu"], true),
            misfit(&["node(s) didn't match Pod's node affinity/selector"], false),
        ];
        assert_eq!(
            why(&misfits),
            "0/3 nodes are available: 1 Insufficient memory, 1 node(s) didn't match Pod's node affinity/selector, 2 Insufficient cpu. preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
        );
        assert_eq!(why(&[]), "no nodes available to schedule pods");
    }
}
