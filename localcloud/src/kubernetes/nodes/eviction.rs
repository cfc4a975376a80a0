//! Pods on nodes whose taints say that they may not stay: they are deleted, at once or when the time
//! is over that they tolerate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::super::api::{Deletion, delete};
use super::super::controllers::Controller;
use super::super::events::Recorder;
use super::super::kinds::{NODE, POD};
use super::super::object::{
    self, Condition, instant, is_deleting, is_terminal, list, number, set_condition, text,
};
use super::super::scheduler::filter::tolerates;
use super::super::store::{Change, Event, Key, Store};

pub(crate) struct TaintEviction {
    store: Arc<Store>,
    recorder: Recorder,
    /// When a pod's node was first seen with a taint that does not say since when it stands.
    seen: Mutex<HashMap<String, Timestamp>>,
}

impl TaintEviction {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        let recorder = Recorder::new(store, "taint-eviction-controller");
        Self { store: store.clone(), recorder, seen: Mutex::default() }
    }

    /// When a pod has to go from a node; never, if it tolerates all that is there.
    fn due(&self, pod: &Value, node: &Value) -> Option<Timestamp> {
        let now = self.store.clock().now();
        let taints = list(node, "/spec/taints").iter().filter(|taint| text(taint, "/effect") == "NoExecute");
        let due = |taint: &Value| match tolerated(pod, taint) {
            Tolerated::Not => Some(now),
            Tolerated::ForEver => None,
            Tolerated::For(time) => {
                let since = instant(taint, "/timeAdded").unwrap_or_else(|| self.first_seen(pod, now));
                Some(since + self.store.clock().scaled(time))
            }
        };
        taints.filter_map(due).min()
    }

    fn first_seen(&self, pod: &Value, now: Timestamp) -> Timestamp {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.entry(object::uid(pod).to_owned()).or_insert(now)
    }

    fn forget(&self, pod: &Value) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(object::uid(pod));
    }

    fn evict(&self, key: &Key, pod: &Value) {
        let message = "Taint manager: deleting due to NoExecute taint";
        let condition =
            Condition { kind: "DisruptionTarget", status: true, reason: "DeletionByTaintManager", message };
        let now = self.store.clock().now();
        self.store.amend(key, |pod| set_condition(pod, &condition, now));
        let message = format!("Marking for deletion Pod {}/{}", key.namespace, key.name);
        self.recorder.normal(&POD, pod, "TaintManagerEviction", &message);
        // Gone meanwhile is what is wanted.
        let _ = delete(&self.store, key, &Deletion::default());
    }
}

impl Controller for TaintEviction {
    fn concerns(&self, change: &Change) -> Vec<Key> {
        let pods = || self.store.list(&POD, None);
        match () {
            () if change.key.kind == &POD && change.event != Event::Deleted => vec![change.key.clone()],
            () if change.key.kind == &NODE && change.event != Event::Deleted => {
                let here = pods().into_iter().filter(|pod| text(pod, "/spec/nodeName") == change.key.name);
                here.map(|pod| Key::of(&POD, &pod)).collect()
            }
            () => vec![],
        }
    }

    fn all(&self) -> Vec<Key> {
        self.store.list(&POD, None).iter().map(|pod| Key::of(&POD, pod)).collect()
    }

    fn reconcile(&self, key: &Key) -> Option<Timestamp> {
        let pod = self.store.get(key)?;
        let node = self.store.get(&Key::new(&NODE, "", text(&pod, "/spec/nodeName")))?;
        let due = self.due(&pod, &node).filter(|_| !is_terminal(&pod) && !is_deleting(&pod));
        match due {
            None => {
                self.forget(&pod);
                None
            }
            Some(at) if at > self.store.clock().now() => Some(at),
            Some(_) => {
                self.forget(&pod);
                self.evict(key, &pod);
                None
            }
        }
    }
}

/// For how long a pod tolerates a taint.
#[derive(Debug, PartialEq)]
enum Tolerated {
    Not,
    For(Duration),
    ForEver,
}

fn tolerated(pod: &Value, taint: &Value) -> Tolerated {
    let tolerations = list(pod, "/spec/tolerations").iter().filter(|one| tolerates(one, taint));
    let mut times = tolerations.map(|one| number(one, "/tolerationSeconds")).peekable();
    if times.peek().is_none() {
        return Tolerated::Not;
    }
    match times.flatten().min() {
        None => Tolerated::ForEver,
        Some(seconds) => Tolerated::For(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shortest_toleration_counts() {
        let taint = json!({"key": "broken", "value": "disk", "effect": "NoExecute"});
        let pod = |tolerations: Value| json!({"spec": {"tolerations": tolerations}});
        let for_ever = json!({"key": "broken", "operator": "Exists"});
        let a_minute = json!({"key": "broken", "value": "disk", "tolerationSeconds": 60});
        let another = json!({"key": "broken", "operator": "Exists", "effect": "NoSchedule"});
        assert_eq!(tolerated(&pod(json!([])), &taint), Tolerated::Not);
        assert_eq!(tolerated(&pod(json!([another])), &taint), Tolerated::Not);
        assert_eq!(tolerated(&pod(json!([for_ever])), &taint), Tolerated::ForEver);
        let both = pod(json!([for_ever, a_minute]));
        assert_eq!(tolerated(&both, &taint), Tolerated::For(Duration::from_mins(1)));
    }
}
