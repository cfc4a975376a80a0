//! How a run went, in slots of equal length. Pure.

use serde::Serialize;

use super::crew::Crew;
use super::tries::Settled;

/// Slots of a timeline.
const SLOTS: u8 = 96;

/// How a run went; each list has a number for each slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Timeline {
    #[serde(skip)]
    began_ms: i64,
    /// Length of a slot.
    pub slot_seconds: f64,
    /// Items done by the end of the slot.
    pub done: Vec<u64>,
    /// Items failed by the end of the slot.
    pub failed: Vec<u64>,
    /// Workers that were there in it.
    pub workers: Vec<u64>,
    /// Nodes that held a worker in it.
    pub nodes: Vec<u64>,
    /// Nodes that went away in it.
    pub preempted: Vec<u64>,
}

impl Timeline {
    /// Of a run between two instants, in milliseconds since 1970.
    pub(super) fn between(began_ms: i64, until_ms: i64) -> Self {
        let span = i32::try_from((until_ms - began_ms).max(1)).unwrap_or(i32::MAX);
        let zeros = || vec![0; usize::from(SLOTS)];
        Self {
            began_ms,
            slot_seconds: f64::from(span) / 1000.0 / f64::from(SLOTS),
            done: zeros(),
            failed: zeros(),
            workers: zeros(),
            nodes: zeros(),
            preempted: zeros(),
        }
    }

    /// An item was settled.
    pub(super) fn settle(&mut self, settled: Settled, at: i64) {
        let slot = self.slot(at);
        match settled {
            Settled::Done => self.done[slot] += 1,
            Settled::Failed => self.failed[slot] += 1,
        }
    }

    /// All items are in: adds up, and puts the workers beside them.
    pub(super) fn finish(&mut self, crew: &Crew) {
        for counts in [&mut self.done, &mut self.failed] {
            let mut sum = 0;
            for count in counts.iter_mut() {
                sum += *count;
                *count = sum;
            }
        }
        for (from, to) in &crew.workers {
            let (from, to) = (self.slot(*from), self.slot(*to));
            for count in &mut self.workers[from..=to] {
                *count += 1;
            }
        }
        for (from, to) in crew.nodes.values() {
            let (from, to) = (self.slot(*from), self.slot(*to));
            for count in &mut self.nodes[from..=to] {
                *count += 1;
            }
        }
        for at in &crew.preempted {
            let slot = self.slot(*at);
            self.preempted[slot] += 1;
        }
    }

    /// The slot of an instant; what lies outside of the run counts at its nearer end, since clocks differ.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the last slot")]
    fn slot(&self, at: i64) -> usize {
        let since = i32::try_from((at - self.began_ms).max(0)).unwrap_or(i32::MAX);
        let slot = (f64::from(since) / 1000.0 / self.slot_seconds).floor();
        slot.clamp(0.0, f64::from(SLOTS - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_add_up_and_workers_are_there_from_first_to_last() {
        let mut timeline = Timeline::between(1_000, 97_000);
        assert!((timeline.slot_seconds - 1.0).abs() < 1e-9);
        timeline.settle(Settled::Done, 1_500);
        timeline.settle(Settled::Done, 90_000_000);
        timeline.settle(Settled::Failed, 0);
        let crew = Crew {
            workers: vec![(2_000, 3_500)],
            nodes: [("n".to_owned(), (2_000, 3_500))].into(),
            preempted: vec![3_500],
            ..Crew::default()
        };
        timeline.finish(&crew);
        assert_eq!((timeline.done[0], timeline.done[94], timeline.done[95]), (1, 1, 2));
        assert_eq!(timeline.failed[95], 1);
        assert_eq!(timeline.workers[..4], [0, 1, 1, 0]);
        assert_eq!((timeline.nodes[2], timeline.preempted[2]), (1, 1));
    }

    #[test]
    fn a_run_of_no_length_has_a_timeline() {
        let mut timeline = Timeline::between(5, 5);
        timeline.settle(Settled::Done, 5);
        timeline.finish(&Crew::default());
        assert_eq!(timeline.done[95], 1);
    }
}
