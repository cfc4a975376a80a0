//! What one subscription still has to deliver, and the leases on what it delivered. Knows nothing
//! of topics, policies or wires; every step costs at most the logarithm of the backlog.
//!
//! A message is ready, blocked (behind an earlier one of its ordering key), leased, or resting
//! after a failed delivery. Leases and rests end at an instant; [`Backlog::tick`] ends them.

mod ack_id;
mod load;
mod order;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub(super) use ack_id::AckId;
use load::Loads;
pub(super) use load::StreamId;
use order::Order;

use super::message::{Message, MessageId};

/// A leased message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) ack_id: AckId,
    pub(super) message: Arc<Message>,
    /// 1 for the first delivery.
    pub(super) attempt: u32,
}

/// How much a lease may take at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// A delivery that failed: given back, or its lease ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) delivery: Delivery,
    /// That was the last attempt. The message is there still, for the caller to take out.
    pub(super) exhausted: bool,
}

/// A message that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) id: MessageId,
    /// A delivery of it had failed.
    pub(super) failed: bool,
}

/// What becomes of a message whose delivery failed.
pub(super) enum Failed {
    /// It is deliverable again after the rest.
    Again(Duration),
    /// That was its last attempt.
    Exhausted,
}

/// Counts, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) undelivered: usize,
    pub(super) leased: usize,
    pub(super) oldest: Option<Timestamp>,
}

#[derive(Debug)]
struct Entry {
    message: Arc<Message>,
    /// Deliveries so far.
    attempts: u32,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing {
    Ready,
    Blocked,
    Leased { until: Timestamp, holder: Option<StreamId> },
    Resting { until: Timestamp },
}

/// All messages of one subscription that are not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    entries: BTreeMap<MessageId, Entry>,
    ready: BTreeSet<MessageId>,
    /// When leases and rests end: one row for each entry that is leased or resting.
    timers: BTreeSet<(Timestamp, MessageId)>,
    /// If the subscription keeps the order.
    order: Option<Order>,
    loads: Loads,
    leased: usize,
}

impl Backlog {
    /// An empty backlog; `ordered` ones deliver messages of one ordering key one after the other.
    pub(super) fn new(ordered: bool) -> Self {
        Self { order: ordered.then(Order::default), ..Self::default() }
    }

    /// Takes in a message that was published, and delivered in vain that often.
    pub(super) fn push(&mut self, message: Arc<Message>, attempts: u32) {
        let id = message.id;
        let key = &message.content.ordering_key;
        let blocked = self.order.as_mut().is_some_and(|order| order.is_blocked(key, id));
        let standing = if blocked { Standing::Blocked } else { Standing::Ready };
        if !blocked {
            self.ready.insert(id);
        }
        self.entries.insert(id, Entry { message, attempts, standing });
    }

    /// A stream opens; its load is counted until it closes.
    pub(super) fn open(&mut self, stream: StreamId) {
        self.loads.open(stream);
    }

    /// A stream closes. What it holds stays leased until the leases end.
    pub(super) fn close(&mut self, stream: StreamId) {
        self.loads.close(stream);
    }

    /// What each of the open streams may take now, so that all get their share.
    pub(super) fn share(&self) -> usize {
        self.ready.len().div_ceil(self.loads.streams().max(1))
    }

    /// What a stream may still take under its own limit.
    pub(super) fn room(&self, stream: StreamId, limit: Limit) -> Limit {
        self.loads.room(stream, limit)
    }

    /// Leases ready messages, oldest first. The first message may be larger than `limit.bytes`,
    /// unless that is 0.
    pub(super) fn lease(
        &mut self,
        limit: Limit,
        until: Timestamp,
        holder: Option<StreamId>,
    ) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        let mut bytes = 0;
        while deliveries.len() < limit.messages && bytes < limit.bytes {
            let Some(id) = self.ready.first().copied() else { break };
            let Some(entry) = self.entries.get_mut(&id) else { break };
            let size = entry.message.content.size();
            if !deliveries.is_empty() && bytes + size > limit.bytes {
                break;
            }
            bytes += size.max(1);
            self.ready.remove(&id);
            entry.attempts += 1;
            entry.standing = Standing::Leased { until, holder };
            self.timers.insert((until, id));
            self.leased += 1;
            self.loads.add(holder, size);
            let ack_id = AckId { message: id, attempt: entry.attempts };
            deliveries.push(Delivery { ack_id, message: entry.message.clone(), attempt: entry.attempts });
        }
        deliveries
    }

    /// Takes an acknowledged message out. An acknowledgement that comes after its lease ended
    /// counts too, as long as nobody else holds the message.
    pub(super) fn acknowledge(&mut self, ack_id: AckId) -> Option<Gone> {
        let entry = self.entries.get(&ack_id.message)?;
        let leased = matches!(entry.standing, Standing::Leased { .. });
        if leased && entry.attempts != ack_id.attempt {
            return None;
        }
        self.remove(ack_id.message)
    }

    /// Moves a lease's end; says whether there still is that lease.
    pub(super) fn extend(&mut self, ack_id: AckId, until: Timestamp) -> bool {
        let Some(entry) = self.held(ack_id) else { return false };
        let Standing::Leased { until: was, holder } = entry.standing else { return false };
        entry.standing = Standing::Leased { until, holder };
        self.timers.remove(&(was, ack_id.message));
        self.timers.insert((until, ack_id.message));
        true
    }

    /// Whether there still is that lease.
    pub(super) fn is_held(&mut self, ack_id: AckId) -> bool {
        self.held(ack_id).is_some()
    }

    fn held(&mut self, ack_id: AckId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&ack_id.message)?;
        let held = entry.attempts == ack_id.attempt && matches!(entry.standing, Standing::Leased { .. });
        held.then_some(entry)
    }

    /// Gives a lease back, if there still is that lease.
    pub(super) fn give_back(
        &mut self,
        ack_id: AckId,
        now: Timestamp,
        failed: impl Fn(u32) -> Failed,
    ) -> Option<Failure> {
        self.held(ack_id)?;
        self.fail(ack_id.message, now, &failed)
    }

    /// Ends the leases and rests whose time has come. Returns the deliveries that failed by it.
    pub(super) fn tick(&mut self, now: Timestamp, failed: impl Fn(u32) -> Failed) -> Vec<Failure> {
        let mut failures = Vec::new();
        while let Some(&(until, id)) = self.timers.first()
            && until <= now
        {
            match self.entries.get(&id).map(|entry| entry.standing) {
                Some(Standing::Leased { .. }) => failures.extend(self.fail(id, now, &failed)),
                _ => self.make_ready(id),
            }
        }
        failures
    }

    /// The next instant at which [`Backlog::tick`] has something to do.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(until, _)| *until)
    }

    /// Takes out what was published before `oldest`.
    pub(super) fn forget_before(&mut self, oldest: Timestamp) -> Vec<Gone> {
        let mut gone = Vec::new();
        while let Some((&id, entry)) = self.entries.first_key_value()
            && entry.message.published < oldest
        {
            gone.extend(self.remove(id));
        }
        gone
    }

    /// Takes everything out. Streams stay open.
    pub(super) fn clear(&mut self) -> Vec<Gone> {
        let gone = self.entries.iter().map(|(id, entry)| entry.gone(*id)).collect();
        let mut loads = std::mem::take(&mut self.loads);
        loads.clear();
        *self = Self { loads, ..Self::new(self.order.is_some()) };
        gone
    }

    /// Counts, for people.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            undelivered: self.entries.len(),
            leased: self.leased,
            oldest: self.entries.first_key_value().map(|(_, entry)| entry.message.published),
        }
    }

    fn fail(&mut self, id: MessageId, now: Timestamp, failed: &impl Fn(u32) -> Failed) -> Option<Failure> {
        let entry = self.entries.get(&id)?;
        let (attempt, message) = (entry.attempts, entry.message.clone());
        let mut exhausted = false;
        match failed(attempt) {
            Failed::Again(Duration::ZERO) => self.make_ready(id),
            Failed::Again(rest) => {
                let until = now.saturating_add(rest).unwrap_or(Timestamp::MAX);
                self.stand(id, Standing::Resting { until });
                self.timers.insert((until, id));
            }
            Failed::Exhausted => {
                self.make_ready(id);
                exhausted = true;
            }
        }
        let delivery = Delivery { ack_id: AckId { message: id, attempt }, message, attempt };
        Some(Failure { delivery, exhausted })
    }

    fn make_ready(&mut self, id: MessageId) {
        self.stand(id, Standing::Ready);
        self.ready.insert(id);
    }

    fn remove(&mut self, id: MessageId) -> Option<Gone> {
        let gone = self.entries.get(&id)?.gone(id);
        self.stand(id, Standing::Blocked);
        let key = &self.entries.remove(&id)?.message.content.ordering_key;
        if let Some(next) = self.order.as_mut().and_then(|order| order.remove(key, id)) {
            self.unblock(next);
        }
        Some(gone)
    }

    fn unblock(&mut self, id: MessageId) {
        if self.entries.get(&id).is_some_and(|entry| entry.standing == Standing::Blocked) {
            self.make_ready(id);
        }
    }

    /// Changes where a message stands, and everything that was kept for where it stood.
    fn stand(&mut self, id: MessageId, standing: Standing) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match std::mem::replace(&mut entry.standing, standing) {
            Standing::Ready => drop(self.ready.remove(&id)),
            Standing::Blocked => {}
            Standing::Resting { until } => drop(self.timers.remove(&(until, id))),
            Standing::Leased { until, holder } => {
                self.timers.remove(&(until, id));
                self.leased -= 1;
                self.loads.remove(holder, entry.message.content.size());
            }
        }
    }
}

impl Entry {
    fn gone(&self, id: MessageId) -> Gone {
        // A delivery that is under way has not failed.
        let under_way = u32::from(matches!(self.standing, Standing::Leased { .. }));
        Gone { id, failed: self.attempts > under_way }
    }
}
