//! What the attempts at one item came to, told from when their records were written. Pure.
//!
//! An attempt ends with a record of its own, with the item's receipt, or without a word. One that
//! vanished is taken to have died when its worker was last heard of, and at the latest when the next
//! attempt began.

use std::collections::{BTreeMap, HashMap};

use super::record::Record;

/// How an attempt ended, where it says so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Failed,
    Yielded,
}

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Done,
    Failed,
}

/// One attempt; times are milliseconds since 1970.
#[derive(Clone, Debug, Default)]
struct Try {
    began: Option<i64>,
    pod: String,
    end: Option<(End, i64)>,
}

/// The records of one item.
#[derive(Clone, Debug, Default)]
pub(super) struct Tries {
    /// In the order of their numbers.
    by_number: BTreeMap<u32, Try>,
    settled: Option<(Settled, i64)>,
    rows_rejected: u64,
}

/// What it came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub attempts: u64,
    pub failed: u64,
    pub yielded: u64,
    pub vanished: u64,
    pub in_flight: u64,
    /// Time of the attempt that made the output.
    pub busy_ms: i64,
    /// Time of attempts that ended without a receipt.
    pub wasted_ms: i64,
    /// From the end or death of an attempt to the beginning of the next.
    pub redelivery_ms: i64,
}

impl Tries {
    /// Takes one record in.
    pub(super) fn add(&mut self, record: Record, at: i64) {
        match record {
            Record::Attempt { number, pod } => {
                let attempt = self.by_number.entry(number).or_default();
                (attempt.began, attempt.pod) = (Some(at), pod);
            }
            Record::End { number, end } => self.by_number.entry(number).or_default().end = Some((end, at)),
            // A receipt wins.
            Record::Done => self.settled = Some((Settled::Done, at)),
            Record::Failed => self.settled = self.settled.or(Some((Settled::Failed, at))),
        }
    }

    /// Adds rows that did not fit the schema.
    pub(super) fn reject(&mut self, rows: u64) {
        self.rows_rejected += rows;
    }

    /// Rows that did not fit the schema.
    pub(super) fn rows_rejected(&self) -> u64 {
        self.rows_rejected
    }

    /// How the item ended, and when.
    pub(super) fn settled(&self) -> Option<(Settled, i64)> {
        self.settled
    }

    /// What the attempts came to in a run that ended, or is looked at, at `until`. `heard` tells when
    /// each pod was last heard of.
    pub(super) fn spent(&self, heard: &HashMap<String, i64>, is_open: bool, until: i64) -> Spent {
        let mut spent = Spent::default();
        let winner = self.winner();
        let begun: Vec<(u32, i64, &Try)> =
            self.by_number.iter().filter_map(|(number, one)| Some((*number, one.began?, one))).collect();
        for (at, (number, began, one)) in begun.iter().enumerate() {
            let next = begun.get(at + 1).map(|(_, began, _)| *began);
            spent.attempts += 1;
            let ended = match one.end {
                Some((End::Failed, ended)) => {
                    spent.failed += 1;
                    ended
                }
                Some((End::Yielded, ended)) => {
                    spent.yielded += 1;
                    ended
                }
                None if winner == Some(*number) => {
                    let done = self.settled.map_or(*began, |(_, done)| done);
                    spent.busy_ms += (done - began).max(0);
                    continue;
                }
                None if next.is_none() && self.settled.is_none() && is_open => {
                    spent.in_flight += 1;
                    continue;
                }
                None => {
                    spent.vanished += 1;
                    let latest = next.or(self.settled.map(|(_, at)| at)).unwrap_or(until).max(*began);
                    heard.get(&one.pod).map_or(latest, |heard| (*heard).clamp(*began, latest))
                }
            };
            spent.wasted_ms += (ended - began).max(0);
            spent.redelivery_ms += next.map_or(0, |next| (next - ended).max(0));
        }
        spent
    }

    /// The attempt that the receipt came of: the last that began before it and did not end otherwise.
    fn winner(&self) -> Option<u32> {
        let (Settled::Done, done) = self.settled? else { return None };
        let open = self.by_number.iter().filter(|(_, one)| one.end.is_none());
        let before = open.filter(|(_, one)| one.began.is_some_and(|began| began <= done));
        before.map(|(number, _)| *number).next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u32, pod: &str) -> Record {
        Record::Attempt { number, pod: pod.to_owned() }
    }

    fn spent(records: &[(Record, i64)], is_open: bool) -> Spent {
        let mut tries = Tries::default();
        for (record, at) in records {
            tries.add(record.clone(), *at);
        }
        let heard = HashMap::from([("a".to_owned(), 1_500), ("b".to_owned(), 90_000)]);
        tries.spent(&heard, is_open, 100_000)
    }

    #[test]
    fn an_item_that_is_done_at_once_wastes_nothing() {
        let spent = spent(&[(attempt(1, "a"), 1_000), (Record::Done, 4_000)], false);
        assert_eq!(spent, Spent { attempts: 1, busy_ms: 3_000, ..Spent::default() });
    }

    #[test]
    fn what_failed_and_what_was_given_back_is_wasted_and_what_lies_between_is_lost() {
        let records = [
            (attempt(1, "a"), 1_000),
            (Record::End { number: 1, end: End::Failed }, 3_000),
            (attempt(2, "a"), 7_000),
            (Record::End { number: 2, end: End::Yielded }, 8_000),
            (attempt(3, "b"), 8_500),
            (Record::Done, 9_500),
        ];
        let expected = Spent {
            attempts: 3,
            failed: 1,
            yielded: 1,
            busy_ms: 1_000,
            wasted_ms: 3_000,
            redelivery_ms: 4_500,
            ..Spent::default()
        };
        assert_eq!(spent(&records, false), expected);
    }

    #[test]
    fn an_attempt_that_vanished_died_when_its_worker_was_last_heard_of() {
        let records = |pod| [(attempt(1, pod), 1_000), (attempt(2, "b"), 11_000), (Record::Done, 12_000)];
        let of = |pod| {
            let spent = spent(&records(pod), false);
            (spent.vanished, spent.wasted_ms, spent.redelivery_ms, spent.busy_ms)
        };
        assert_eq!(of("a"), (1, 500, 9_500, 1_000));
        assert_eq!(of("never-heard-of"), (1, 10_000, 0, 1_000), "until the next one began");
        assert_eq!(of("b"), (1, 10_000, 0, 1_000), "heard of later, with other work");
    }

    #[test]
    fn what_is_open_is_in_flight_while_the_run_is_and_has_vanished_afterwards() {
        let records = [(attempt(1, "x"), 40_000)];
        assert_eq!(spent(&records, true), Spent { attempts: 1, in_flight: 1, ..Spent::default() });
        let vanished = Spent { attempts: 1, vanished: 1, wasted_ms: 60_000, ..Spent::default() };
        assert_eq!(spent(&records, false), vanished);
    }

    #[test]
    fn a_receipt_of_an_earlier_attempt_counts_for_that_one() {
        let records = [
            (attempt(1, "a"), 1_000),
            (attempt(2, "b"), 2_000),
            (Record::End { number: 2, end: End::Yielded }, 2_500),
            (Record::Done, 3_000),
            (Record::Failed, 3_500),
        ];
        let spent = spent(&records, false);
        assert_eq!((spent.busy_ms, spent.wasted_ms, spent.vanished), (2_000, 500, 0));
    }
}
