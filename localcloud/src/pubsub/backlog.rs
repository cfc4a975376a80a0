//! What one subscription still has to deliver, and the leases on what it delivered. Knows nothing
//! of topics, policies or wires; every step costs at most the logarithm of the backlog.
//!
//! A message is ready, blocked (behind an earlier one of its ordering key), leased, or resting
//! after a failed delivery. Leases and rests end at an instant; [`Backlog::tick`] ends them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::message::{Message, MessageId};

/// One open stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct StreamId(pub(super) u64);

/// Names one delivery of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AckId {
    message: MessageId,
    attempt: u32,
}

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

/// What becomes of a message whose delivery failed.
pub(super) enum Failed {
    /// It is deliverable again after the rest.
    Again(Duration),
    /// It stays where it is, for the caller to take out.
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

/// What a stream holds, against its flow control.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    messages: usize,
    bytes: usize,
}

/// All messages of one subscription that are not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    entries: BTreeMap<MessageId, Entry>,
    ready: BTreeSet<MessageId>,
    /// When leases and rests end: one row for each entry that is leased or resting.
    timers: BTreeSet<(Timestamp, MessageId)>,
    /// By ordering key, if the subscription keeps the order: the first of each is not blocked.
    keys: HashMap<String, BTreeSet<MessageId>>,
    loads: HashMap<StreamId, Load>,
    leased: usize,
    ordered: bool,
}

impl Backlog {
    /// An empty backlog; `ordered` ones deliver messages of one ordering key one after the other.
    pub(super) fn new(ordered: bool) -> Self {
        Self { ordered, ..Self::default() }
    }

    /// Takes in a published message.
    pub(super) fn push(&mut self, message: Arc<Message>) {
        let id = message.id;
        let key = &message.content.ordering_key;
        let mut standing = Standing::Ready;
        if self.ordered && !key.is_empty() {
            let queue = self.keys.entry(key.clone()).or_default();
            if queue.first().is_some_and(|first| *first < id) {
                standing = Standing::Blocked;
            }
            queue.insert(id);
        }
        if standing == Standing::Ready {
            self.ready.insert(id);
        }
        self.entries.insert(id, Entry { message, attempts: 0, standing });
    }

    /// A stream opens; its load is counted until it closes.
    pub(super) fn open(&mut self, stream: StreamId) {
        self.loads.insert(stream, Load::default());
    }

    /// A stream closes. What it holds stays leased until the leases end.
    pub(super) fn close(&mut self, stream: StreamId) {
        self.loads.remove(&stream);
    }

    /// What each of the open streams may take now, so that all get their share.
    pub(super) fn share(&self) -> usize {
        self.ready.len().div_ceil(self.loads.len().max(1))
    }

    /// What a stream may still take under its own limit.
    pub(super) fn room(&self, stream: StreamId, limit: Limit) -> Limit {
        let load = self.loads.get(&stream).copied().unwrap_or_default();
        Limit {
            messages: limit.messages.saturating_sub(load.messages),
            bytes: limit.bytes.saturating_sub(load.bytes),
        }
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
            if let Some(load) = holder.and_then(|stream| self.loads.get_mut(&stream)) {
                load.messages += 1;
                load.bytes += size;
            }
            let ack_id = AckId { message: id, attempt: entry.attempts };
            deliveries.push(Delivery { ack_id, message: entry.message.clone(), attempt: entry.attempts });
        }
        deliveries
    }

    /// Takes an acknowledged message out. An acknowledgement that comes after its lease ended
    /// counts too, as long as nobody else holds the message.
    pub(super) fn acknowledge(&mut self, ack_id: AckId) -> Option<Arc<Message>> {
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

    /// Gives a lease back. Returns the message if that was its last attempt.
    pub(super) fn give_back(
        &mut self,
        ack_id: AckId,
        now: Timestamp,
        failed: impl Fn(u32) -> Failed,
    ) -> Option<Delivery> {
        self.held(ack_id)?;
        self.fail(ack_id.message, now, &failed)
    }

    /// Ends the leases and rests whose time has come. Returns the messages that had their last attempt.
    pub(super) fn tick(&mut self, now: Timestamp, failed: impl Fn(u32) -> Failed) -> Vec<Delivery> {
        let mut exhausted = Vec::new();
        while let Some(&(until, id)) = self.timers.first()
            && until <= now
        {
            match self.entries.get(&id).map(|entry| entry.standing) {
                Some(Standing::Leased { .. }) => exhausted.extend(self.fail(id, now, &failed)),
                _ => self.make_ready(id),
            }
        }
        exhausted
    }

    /// The next instant at which [`Backlog::tick`] has something to do.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(until, _)| *until)
    }

    /// Takes out what was published before `oldest`.
    pub(super) fn forget_before(&mut self, oldest: Timestamp) -> Vec<MessageId> {
        let mut forgotten = Vec::new();
        while let Some((id, entry)) = self.entries.first_key_value()
            && entry.message.published < oldest
        {
            forgotten.push(*id);
            self.remove(forgotten[forgotten.len() - 1]);
        }
        forgotten
    }

    /// Takes everything out.
    pub(super) fn clear(&mut self) -> Vec<MessageId> {
        let ids = self.entries.keys().copied().collect();
        let loads = std::mem::take(&mut self.loads);
        let emptied = loads.into_keys().map(|stream| (stream, Load::default())).collect();
        *self = Self { loads: emptied, ordered: self.ordered, ..Self::default() };
        ids
    }

    /// Counts, for people.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            undelivered: self.entries.len(),
            leased: self.leased,
            oldest: self.entries.first_key_value().map(|(_, entry)| entry.message.published),
        }
    }

    fn fail(&mut self, id: MessageId, now: Timestamp, failed: &impl Fn(u32) -> Failed) -> Option<Delivery> {
        let attempt = self.entries.get(&id)?.attempts;
        match failed(attempt) {
            Failed::Again(Duration::ZERO) => self.make_ready(id),
            Failed::Again(rest) => {
                let until = now.saturating_add(rest).unwrap_or(Timestamp::MAX);
                self.stand(id, Standing::Resting { until });
                self.timers.insert((until, id));
            }
            Failed::Exhausted => {
                self.make_ready(id);
                let message = self.entries.get(&id)?.message.clone();
                return Some(Delivery { ack_id: AckId { message: id, attempt }, message, attempt });
            }
        }
        None
    }

    fn make_ready(&mut self, id: MessageId) {
        self.stand(id, Standing::Ready);
        self.ready.insert(id);
    }

    fn remove(&mut self, id: MessageId) -> Option<Arc<Message>> {
        self.stand(id, Standing::Blocked);
        let message = self.entries.remove(&id)?.message;
        if let Some(queue) = self.keys.get_mut(&message.content.ordering_key) {
            queue.remove(&id);
            match queue.first().copied() {
                Some(next) => self.unblock(next),
                None => drop(self.keys.remove(&message.content.ordering_key)),
            }
        }
        Some(message)
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
                if let Some(load) = holder.and_then(|stream| self.loads.get_mut(&stream)) {
                    load.messages -= 1;
                    load.bytes -= entry.message.content.size();
                }
            }
        }
    }
}

impl fmt::Display for AckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.message, self.attempt)
    }
}

impl FromStr for AckId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (message, attempt) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self { message: MessageId(message.parse()?), attempt: attempt.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::message::Content;

    const ALL: Limit = Limit { messages: usize::MAX, bytes: usize::MAX };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    fn message(id: u64, key: &str) -> Arc<Message> {
        let content = Content { data: "data".into(), ordering_key: key.into(), ..Content::default() };
        Arc::new(Message { id: MessageId(id), published: at(0), content })
    }

    fn backlog(ids: std::ops::Range<u64>) -> Backlog {
        let mut backlog = Backlog::new(false);
        ids.for_each(|id| backlog.push(message(id, "")));
        backlog
    }

    fn again(_: u32) -> Failed {
        Failed::Again(Duration::ZERO)
    }

    fn ids(deliveries: &[Delivery]) -> Vec<(u64, u32)> {
        deliveries.iter().map(|delivery| (delivery.message.id.0, delivery.attempt)).collect()
    }

    #[test]
    fn an_expired_lease_is_delivered_again_and_counted() {
        let mut backlog = backlog(0..2);
        let one = Limit { messages: 1, ..ALL };
        assert_eq!(ids(&backlog.lease(one, at(10), None)), [(0, 1)]);
        assert_eq!(backlog.next_timer(), Some(at(10)));
        backlog.tick(at(9), again);
        assert_eq!(ids(&backlog.lease(one, at(20), None)), [(1, 1)]);
        backlog.tick(at(10), again);
        assert_eq!(ids(&backlog.lease(ALL, at(20), None)), [(0, 2)]);
    }

    #[test]
    fn a_late_acknowledgement_counts_unless_somebody_else_holds_the_message() {
        let mut backlog = backlog(0..1);
        let first = backlog.lease(ALL, at(10), None)[0].ack_id;
        backlog.tick(at(10), again);
        let second = backlog.lease(ALL, at(20), None)[0].ack_id;
        assert!(backlog.acknowledge(first).is_none());
        backlog.tick(at(20), again);
        assert!(backlog.acknowledge(second).is_some());
        assert_eq!(backlog.counts(), Counts::default());
    }

    #[test]
    fn an_extended_lease_ends_later_and_a_lost_one_cannot_be_extended() {
        let mut backlog = backlog(0..1);
        let lease = backlog.lease(ALL, at(10), None)[0].ack_id;
        assert!(backlog.extend(lease, at(30)));
        backlog.tick(at(29), again);
        assert!(backlog.ready.is_empty());
        backlog.tick(at(30), again);
        assert!(!backlog.ready.is_empty());
        assert!(!backlog.extend(lease, at(60)));
    }

    #[test]
    fn a_failed_message_rests_and_an_exhausted_one_is_handed_out() {
        let mut backlog = backlog(0..1);
        let lease = backlog.lease(ALL, at(10), None)[0].ack_id;
        assert!(backlog.give_back(lease, at(1), |_| Failed::Again(Duration::from_secs(5))).is_none());
        assert!(backlog.ready.is_empty());
        backlog.tick(at(6), again);
        let lease = backlog.lease(ALL, at(10), None)[0].ack_id;
        let exhausted = backlog.give_back(lease, at(7), |_| Failed::Exhausted).expect("the message");
        assert_eq!(exhausted.attempt, 2);
        assert!(backlog.acknowledge(exhausted.ack_id).is_some());
    }

    #[test]
    fn a_stream_gets_no_more_than_its_limit_until_it_gives_something_back() {
        let mut backlog = backlog(0..10);
        let stream = StreamId(1);
        backlog.open(stream);
        let limit = Limit { messages: 2, bytes: usize::MAX };
        let held = backlog.lease(backlog.room(stream, limit), at(10), Some(stream));
        assert_eq!(held.len(), 2);
        assert_eq!(backlog.room(stream, limit).messages, 0);
        backlog.acknowledge(held[0].ack_id);
        backlog.give_back(held[1].ack_id, at(1), again);
        assert_eq!(backlog.room(stream, limit).messages, 2);
    }

    #[test]
    fn bytes_are_limited_but_one_large_message_always_passes() {
        let mut backlog = backlog(0..3);
        let bytes = |bytes| Limit { messages: 10, bytes };
        assert_eq!(backlog.lease(bytes(0), at(10), None).len(), 0);
        assert_eq!(backlog.lease(bytes(1), at(10), None).len(), 1);
        assert_eq!(backlog.lease(bytes(8), at(10), None).len(), 2);
    }

    #[test]
    fn messages_of_one_key_come_one_after_the_other() {
        let mut backlog = Backlog::new(true);
        for (id, key) in [(0, "a"), (1, "a"), (2, "b"), (3, "")] {
            backlog.push(message(id, key));
        }
        let first = backlog.lease(ALL, at(10), None);
        assert_eq!(ids(&first), [(0, 1), (2, 1), (3, 1)]);
        backlog.give_back(first[0].ack_id, at(1), again);
        let second = backlog.lease(ALL, at(10), None);
        assert_eq!(ids(&second), [(0, 2)]);
        backlog.acknowledge(second[0].ack_id);
        assert_eq!(ids(&backlog.lease(ALL, at(10), None)), [(1, 1)]);
    }

    #[test]
    fn a_million_messages_are_leased_and_acknowledged_in_seconds() {
        let mut backlog = backlog(0..1_000_000);
        let mut left = 1_000_000;
        while left > 0 {
            let held = backlog.lease(Limit { messages: 1000, ..ALL }, at(10), None);
            left -= held.len();
            for delivery in held {
                assert!(backlog.extend(delivery.ack_id, at(20)));
                assert!(backlog.acknowledge(delivery.ack_id).is_some());
            }
        }
        assert_eq!(backlog.counts(), Counts::default());
    }
}
