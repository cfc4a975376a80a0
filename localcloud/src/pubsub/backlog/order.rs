//! The order of messages with the same ordering key: only the first of each key is not blocked.

use std::collections::{BTreeSet, HashMap};

use crate::pubsub::message::MessageId;

/// Messages by ordering key, of a subscription that keeps the order.
#[derive(Debug, Default)]
pub(super) struct Order(HashMap<String, BTreeSet<MessageId>>);

impl Order {
    /// Takes a message in; says whether an earlier one of its key is there.
    pub(super) fn is_blocked(&mut self, key: &str, id: MessageId) -> bool {
        if key.is_empty() {
            return false;
        }
        let queue = self.0.entry(key.to_owned()).or_default();
        queue.insert(id);
        queue.first().is_some_and(|first| *first < id)
    }

    /// Takes a message out; returns the one that is the first of its key now.
    pub(super) fn remove(&mut self, key: &str, id: MessageId) -> Option<MessageId> {
        let queue = self.0.get_mut(key)?;
        queue.remove(&id);
        let next = queue.first().copied();
        if next.is_none() {
            self.0.remove(key);
        }
        next
    }
}
