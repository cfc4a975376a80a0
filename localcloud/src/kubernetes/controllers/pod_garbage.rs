//! Pods whose node is gone: they have failed, and go unless a Job still shows them.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::api::{Deletion, delete};
use super::super::kinds::{JOB, NODE, POD};
use super::super::kubelet::status;
use super::super::object::{self, is_terminal, list, text};
use super::super::store::{Change, Event, Key, Store};
use super::Controller;

pub(crate) struct PodGarbage {
    pub(crate) store: Arc<Store>,
}

impl Controller for PodGarbage {
    fn concerns(&self, change: &Change) -> Vec<Key> {
        match () {
            () if change.key.kind == &NODE && change.event == Event::Deleted => {
                self.pods_of(&change.key.name)
            }
            () if change.key.kind == &POD && change.event != Event::Deleted => vec![change.key.clone()],
            () => vec![],
        }
    }

    fn all(&self) -> Vec<Key> {
        self.store.list(&POD, None).iter().map(|pod| Key::of(&POD, pod)).collect()
    }

    fn reconcile(&self, key: &Key) -> Option<Timestamp> {
        let pod = self.store.get(key)?;
        let node = text(&pod, "/spec/nodeName");
        if node.is_empty() || self.store.get(&Key::new(&NODE, "", node)).is_some() {
            return None;
        }
        if !is_terminal(&pod) {
            let now = self.store.clock().now();
            let message = "PodGC: node no longer exists";
            self.store.amend(key, |pod| status::fail(pod, "DeletionByPodGC", message, now));
        }
        // A Job's pods tell what became of it as long as it is there.
        let is_shown =
            list(&pod, "/metadata/ownerReferences").iter().any(|owner| text(owner, "/kind") == JOB.kind);
        if !is_shown && !object::is_deleting(&pod) {
            let deletion = Deletion { grace: Some(0), ..Deletion::default() };
            // Gone meanwhile is what is wanted.
            let _ = delete(&self.store, key, &deletion);
        }
        None
    }
}

impl PodGarbage {
    fn pods_of(&self, node: &str) -> Vec<Key> {
        let pods = self.store.list(&POD, None);
        pods.iter().filter(|pod| text(pod, "/spec/nodeName") == node).map(|pod| Key::of(&POD, pod)).collect()
    }
}
