//! Namespaces that are being deleted: their content goes first.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::api::{Deletion, Propagation, delete};
use super::super::kinds::NAMESPACE;
use super::super::object::{self, section};
use super::super::store::{Change, Event, Key, Store};
use super::Controller;

pub(crate) struct Namespaces {
    pub(crate) store: Arc<Store>,
}

impl Controller for Namespaces {
    fn concerns(&self, change: &Change) -> Vec<Key> {
        let of_content = || Key::new(&NAMESPACE, "", &change.key.namespace);
        match () {
            () if change.key.kind == &NAMESPACE => vec![change.key.clone()],
            () if change.event == Event::Deleted && !change.key.namespace.is_empty() => vec![of_content()],
            () => vec![],
        }
    }

    fn all(&self) -> Vec<Key> {
        self.store.list(&NAMESPACE, None).iter().map(|namespace| Key::of(&NAMESPACE, namespace)).collect()
    }

    fn reconcile(&self, key: &Key) -> Option<Timestamp> {
        let namespace = self.store.get(key).filter(|namespace| object::is_deleting(namespace))?;
        let name = object::name(&namespace);
        let content = || self.store.find(|key, _| key.namespace == name);
        for (key, object) in content() {
            if !object::is_deleting(&object) {
                let deletion = Deletion { propagation: Some(Propagation::Background), ..Deletion::default() };
                // What is gone meanwhile is what is wanted.
                let _ = delete(&self.store, &key, &deletion);
            }
        }
        if content().is_empty() {
            self.store.amend(key, |namespace| drop(section(namespace, "spec").remove("finalizers")));
        }
        None
    }
}
