//! What the open streams hold, against their flow control.

use std::collections::HashMap;

use super::Limit;

/// One open stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::pubsub) struct StreamId(pub(in crate::pubsub) u64);

/// What each open stream holds.
#[derive(Debug, Default)]
pub(super) struct Loads(HashMap<StreamId, Load>);

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    messages: usize,
    bytes: usize,
}

impl Loads {
    pub(super) fn open(&mut self, stream: StreamId) {
        self.0.insert(stream, Load::default());
    }

    pub(super) fn close(&mut self, stream: StreamId) {
        self.0.remove(&stream);
    }

    /// How many streams are open.
    pub(super) fn streams(&self) -> usize {
        self.0.len()
    }

    /// What a stream may still take under its own limit.
    pub(super) fn room(&self, stream: StreamId, limit: Limit) -> Limit {
        let load = self.0.get(&stream).copied().unwrap_or_default();
        Limit {
            messages: limit.messages.saturating_sub(load.messages),
            bytes: limit.bytes.saturating_sub(load.bytes),
        }
    }

    /// A message goes to a holder. One without a stream has no load.
    pub(super) fn add(&mut self, holder: Option<StreamId>, bytes: usize) {
        if let Some(load) = holder.and_then(|stream| self.0.get_mut(&stream)) {
            load.messages += 1;
            load.bytes += bytes;
        }
    }

    /// A holder has a message no more.
    pub(super) fn remove(&mut self, holder: Option<StreamId>, bytes: usize) {
        if let Some(load) = holder.and_then(|stream| self.0.get_mut(&stream)) {
            load.messages -= 1;
            load.bytes -= bytes;
        }
    }

    /// Nothing is held any more; the streams stay open.
    pub(super) fn clear(&mut self) {
        self.0.values_mut().for_each(|load| *load = Load::default());
    }
}
