//! The garbage collector: what is owned goes with its owner, waits for it, or is set free.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::super::api::{Cascade, Deletion, delete};
use super::super::kinds::Kind;
use super::super::object::{self, has_finalizer, list, remove_finalizer, text, truth, uid_of_reference};
use super::super::store::{Change, Event, Key, Store};
use super::Controller;

pub(crate) struct Garbage {
    pub(crate) store: Arc<Store>,
}

impl Controller for Garbage {
    fn concerns(&self, change: &Change) -> Vec<Key> {
        let mut keys = Vec::new();
        if change.event == Event::Deleted {
            // Its dependents, and its owners that wait for it.
            let uid = object::uid(&change.object);
            keys.extend(self.dependents(uid).into_iter().map(|(key, _)| key));
            keys.extend(owners(&change.object).filter_map(|owner| owner_key(&change.object, owner)));
        } else if waits(&change.object) || !list(&change.object, "/metadata/ownerReferences").is_empty() {
            keys.push(change.key.clone());
        }
        keys
    }

    fn all(&self) -> Vec<Key> {
        let found = self.store.find(|_, object| waits(object) || owners(object).next().is_some());
        found.into_iter().map(|(key, _)| key).collect()
    }

    fn reconcile(&self, key: &Key) -> Option<Timestamp> {
        let object = self.store.get(key)?;
        if object::is_deleting(&object) {
            self.let_go(key, &object);
        } else if self.is_orphaned(&object) {
            let deletion = Deletion {
                propagation: Some(Cascade::Background),
                uid: Some(object::uid(&object).into()),
                ..Deletion::default()
            };
            // Gone or replaced meanwhile: then there is nothing to collect.
            let _ = delete(&self.store, key, &deletion);
        } else {
            self.forget_gone_owners(key, &object);
        }
        None
    }
}

impl Garbage {
    fn dependents(&self, uid: &str) -> Vec<(Key, Arc<Value>)> {
        self.store.find(|_, object| owners(object).any(|owner| uid_of_reference(owner) == uid))
    }

    /// Some of its owners are gone, others are there: it is theirs now.
    fn forget_gone_owners(&self, key: &Key, object: &Value) {
        let gone: Vec<&str> =
            owners(object).filter(|owner| self.is_gone(object, owner)).map(uid_of_reference).collect();
        if gone.is_empty() {
            return;
        }
        self.store.amend(key, |object| {
            if let Some(Value::Array(owners)) = object.pointer_mut("/metadata/ownerReferences") {
                owners.retain(|owner| !gone.contains(&uid_of_reference(owner)));
            }
        });
    }

    /// All of its owners are gone.
    fn is_orphaned(&self, object: &Value) -> bool {
        let mut owners = owners(object).peekable();
        owners.peek().is_some() && owners.all(|owner| self.is_gone(object, owner))
    }

    fn is_gone(&self, object: &Value, owner: &Value) -> bool {
        // An owner of a kind that is not served here is left to whoever knows it.
        let Some(key) = owner_key(object, owner) else { return false };
        self.store.get(&key).is_none_or(|found| object::uid(&found) != uid_of_reference(owner))
    }

    /// Does what a deleted object's finalizers wait for.
    fn let_go(&self, key: &Key, object: &Value) {
        let uid = object::uid(object);
        if has_finalizer(object, "orphan") {
            for (dependent, _) in self.dependents(uid) {
                self.store.amend(&dependent, |object| {
                    if let Some(Value::Array(owners)) = object.pointer_mut("/metadata/ownerReferences") {
                        owners.retain(|owner| uid_of_reference(owner) != uid);
                    }
                });
            }
            self.store.amend(key, |object| remove_finalizer(object, "orphan"));
        }
        if has_finalizer(object, "foregroundDeletion") {
            let dependents = self.dependents(uid);
            for (dependent, found) in dependents.iter().filter(|(_, found)| !object::is_deleting(found)) {
                // One that has no dependents of its own has nobody to wait for.
                let waits = !self.dependents(object::uid(found)).is_empty();
                let deletion = Deletion {
                    propagation: Some(if waits { Cascade::Foreground } else { Cascade::Background }),
                    uid: Some(object::uid(found).into()),
                    ..Deletion::default()
                };
                let _ = delete(&self.store, dependent, &deletion);
            }
            let blocks = |found: &Value| {
                owners(found)
                    .any(|owner| uid_of_reference(owner) == uid && truth(owner, "/blockOwnerDeletion"))
            };
            if !self.dependents(uid).iter().any(|(_, found)| blocks(found)) {
                self.store.amend(key, |object| remove_finalizer(object, "foregroundDeletion"));
            }
        }
    }
}

fn waits(object: &Value) -> bool {
    object::is_deleting(object)
        && (has_finalizer(object, "orphan") || has_finalizer(object, "foregroundDeletion"))
}

fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    list(object, "/metadata/ownerReferences").iter()
}

fn owner_key(object: &Value, owner: &Value) -> Option<Key> {
    let kind = Kind::of(text(owner, "/apiVersion"), text(owner, "/kind"))?;
    let namespace = if kind.namespaced { object::namespace(object) } else { "" };
    Some(Key::new(kind, namespace, text(owner, "/name")))
}
