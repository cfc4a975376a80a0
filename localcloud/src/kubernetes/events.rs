//! Events: what the parts of a cluster tell about objects. The same thing told again is counted, not
//! repeated, and only the newest thousands are kept.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::kinds::{self, Kind};
use super::object;
use super::store::{Key, Store, StoreError};

const KEPT: usize = 2000;

/// Who tells: a component of the cluster.
#[derive(Clone)]
pub(crate) struct Recorder {
    store: Arc<Store>,
    component: &'static str,
}

impl Recorder {
    pub(crate) fn new(store: &Arc<Store>, component: &'static str) -> Self {
        Self { store: store.clone(), component }
    }

    /// Tells that something went as it should.
    pub(crate) fn normal(&self, kind: &'static Kind, about: &Value, reason: &str, message: &str) {
        self.tell("Normal", kind, about, reason, message);
    }

    /// Tells that something needs attention.
    pub(crate) fn warning(&self, kind: &'static Kind, about: &Value, reason: &str, message: &str) {
        self.tell("Warning", kind, about, reason, message);
    }

    fn tell(&self, severity: &str, kind: &'static Kind, about: &Value, reason: &str, message: &str) {
        let now = object::seconds(self.store.clock().now());
        let namespace = Some(object::namespace(about)).filter(|name| !name.is_empty()).unwrap_or("default");
        if !self.store.is_open(namespace) {
            return;
        }
        let told = Sha256::digest(format!("{}\n{}\n{reason}\n{message}", self.component, object::uid(about)));
        let name = format!("{}.{}", object::name(about), hex::encode(&told[..8]));
        let key = Key::new(&kinds::EVENT, namespace, &name);
        let again = self.store.update(&key, |event| {
            let count = object::number(event, "/count").unwrap_or(1) + 1;
            event["count"] = count.into();
            event["lastTimestamp"] = now.clone().into();
            Ok::<(), StoreError>(())
        });
        if again.is_ok() {
            return;
        }
        let event = json!({
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": kind.api_version(), "kind": kind.kind, "name": object::name(about),
                "namespace": object::namespace(about), "uid": object::uid(about),
                "resourceVersion": object::text(about, "/metadata/resourceVersion"),
            },
            "type": severity, "reason": reason, "message": message, "count": 1,
            "source": {"component": self.component}, "reportingComponent": self.component, "reportingInstance": "",
            "firstTimestamp": now, "lastTimestamp": now,
        });
        match self.store.create(&kinds::EVENT, event) {
            Ok(_) => self.forget_oldest(),
            Err(error) => tracing::warn!(%error, reason, message, "an event was lost"),
        }
    }

    fn forget_oldest(&self) {
        let mut events = self.store.list(&kinds::EVENT, None);
        if events.len() <= KEPT + KEPT / 10 {
            return;
        }
        events.sort_by(|a, b| object::text(a, "/lastTimestamp").cmp(object::text(b, "/lastTimestamp")));
        for event in &events[..events.len() - KEPT] {
            self.store.remove(&Key::of(&kinds::EVENT, event));
        }
    }
}
