//! Namespaces that are being deleted: their content goes first.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::super::api::{Cascade, Deletion, delete};
use super::super::kinds::NAMESPACE;
use super::super::object::{self, Condition, list, section, set_condition};
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
                let deletion = Deletion { propagation: Some(Cascade::Background), ..Deletion::default() };
                // What is gone meanwhile is what is wanted.
                let _ = delete(&self.store, &key, &deletion);
            }
        }
        let left = content();
        if !left.is_empty() {
            self.tell(key, &left);
        }
        if content().is_empty() {
            self.store.amend(key, |namespace| drop(section(namespace, "spec").remove("finalizers")));
        }
        None
    }
}

impl Namespaces {
    /// Says in the status what the namespace waits for.
    fn tell(&self, key: &Key, left: &[(Key, Arc<Value>)]) {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let mut finalizers: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, object) in left {
            *kinds.entry(format!("{}.{}", key.kind.plural, key.kind.group)).or_default() += 1;
            for finalizer in list(object, "/metadata/finalizers").iter().filter_map(Value::as_str) {
                *finalizers.entry(finalizer).or_default() += 1;
            }
        }
        let kinds: Vec<String> =
            kinds.iter().map(|(kind, count)| format!("{kind} has {count} resource instances")).collect();
        let holders: Vec<String> = finalizers
            .iter()
            .map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"))
            .collect();
        let remaining = format!("Some resources are remaining: {}", kinds.join(", "));
        let held = format!("Some content in the namespace has finalizers remaining: {}", holders.join(", "));
        let conditions = [
            (
                "NamespaceDeletionDiscoveryFailure",
                false,
                "ResourcesDiscovered",
                "All resources successfully discovered",
            ),
            (
                "NamespaceDeletionGroupVersionParsingFailure",
                false,
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed",
            ),
            (
                "NamespaceDeletionContentFailure",
                false,
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
            ("NamespaceContentRemaining", true, "SomeResourcesRemain", remaining.as_str()),
            if holders.is_empty() {
                (
                    "NamespaceFinalizersRemaining",
                    false,
                    "ContentHasNoFinalizers",
                    "All content-preserving finalizers finished",
                )
            } else {
                ("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", held.as_str())
            },
        ];
        let now = self.store.clock().now();
        self.store.amend(key, |namespace| {
            for (kind, status, reason, message) in conditions {
                set_condition(namespace, &Condition { kind, status, reason, message }, now);
            }
        });
    }
}
