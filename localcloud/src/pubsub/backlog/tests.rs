//! Leases, rests, order and limits of one backlog.

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
    ids.for_each(|id| backlog.push(message(id, ""), 0));
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
    let failure = backlog.give_back(lease, at(1), |_| Failed::Again(Duration::from_secs(5)));
    assert!(!failure.expect("a failed delivery").exhausted);
    assert!(backlog.ready.is_empty());
    backlog.tick(at(6), again);
    let lease = backlog.lease(ALL, at(10), None)[0].ack_id;
    let exhausted = backlog.give_back(lease, at(7), |_| Failed::Exhausted).expect("a failed delivery");
    assert_eq!((exhausted.delivery.attempt, exhausted.exhausted), (2, true));
    assert!(backlog.acknowledge(exhausted.delivery.ack_id).is_some());
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
        backlog.push(message(id, key), 0);
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
