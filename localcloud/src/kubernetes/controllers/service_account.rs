//! Every namespace has a service account `default`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::super::kinds::{NAMESPACE, SERVICE_ACCOUNT};
use super::super::object;
use super::super::store::{Change, Event, Key, Store};
use super::Controller;

pub(crate) struct ServiceAccounts {
    pub(crate) store: Arc<Store>,
}

impl Controller for ServiceAccounts {
    fn concerns(&self, change: &Change) -> Vec<Key> {
        let is_default = change.key.kind == &SERVICE_ACCOUNT && change.key.name == "default";
        match () {
            () if change.key.kind == &NAMESPACE && change.event == Event::Added => vec![change.key.clone()],
            () if is_default && change.event == Event::Deleted => {
                vec![Key::new(&NAMESPACE, "", &change.key.namespace)]
            }
            () => vec![],
        }
    }

    fn all(&self) -> Vec<Key> {
        self.store.list(&NAMESPACE, None).iter().map(|namespace| Key::of(&NAMESPACE, namespace)).collect()
    }

    fn reconcile(&self, key: &Key) -> Option<Timestamp> {
        self.store.get(key).filter(|namespace| !object::is_deleting(namespace))?;
        if self.store.get(&Key::new(&SERVICE_ACCOUNT, &key.name, "default")).is_none() {
            let account = json!({"metadata": {"name": "default", "namespace": key.name}});
            // Somebody may have made it just now, which is as good.
            let _ = self.store.create(&SERVICE_ACCOUNT, account);
        }
        None
    }
}
