//! How long items take, and so whether one that runs can still finish. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// Items whose time is kept.
const KEPT: usize = 200;

/// The times that a run's items took of late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timings(VecDeque<Duration>);

/// What becomes of an item when its worker is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// It may well finish: let it, as long as there is time.
    MayFinish,
    /// It would be cut off anyway: another worker had better begin it now.
    WillNot,
}

impl Timings {
    /// An item was done in so long.
    pub(crate) fn add(&mut self, took: Duration) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(took);
    }

    /// Judges an item that has run for `age` when `left` is left. Of the items that took longer than
    /// that age, half were done within the median (of two in the middle, the longer one): if that is
    /// out of reach, this one most likely is, too.
    /// One that is older than all that were seen is not judged, and with none seen nothing is.
    pub(crate) fn prospect(&self, age: Duration, left: Duration) -> Prospect {
        let mut longer: Vec<Duration> = self.0.iter().copied().filter(|took| *took > age).collect();
        longer.sort_unstable();
        match longer.get(longer.len() / 2) {
            Some(median) if median.saturating_sub(age) > left => Prospect::WillNot,
            _ => Prospect::MayFinish,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Prospect::{MayFinish, WillNot};
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn prospect(took: &[u64], age: u64, left: u64) -> Prospect {
        let mut timings = Timings::default();
        for took in took {
            timings.add(seconds(*took));
        }
        timings.prospect(seconds(age), seconds(left))
    }

    #[test]
    fn without_a_history_everything_may_finish() {
        assert_eq!(prospect(&[], 0, 12), MayFinish);
    }

    #[test]
    fn an_item_is_let_finish_if_the_usual_one_of_its_age_does() {
        assert_eq!(prospect(&[5, 6, 7], 1, 12), MayFinish);
        assert_eq!(prospect(&[50, 60, 70], 1, 12), WillNot);
        assert_eq!(prospect(&[50, 60, 65], 55, 12), MayFinish);
        assert_eq!(prospect(&[50, 60, 70], 45, 12), WillNot, "60 is 15 s away");
    }

    #[test]
    fn short_items_say_nothing_of_one_that_outlived_them() {
        assert_eq!(prospect(&[1, 1, 1, 1, 100], 3, 12), WillNot);
        assert_eq!(prospect(&[1, 1, 1, 1], 3, 12), MayFinish);
    }

    #[test]
    fn only_the_latest_times_count() {
        let mut took = vec![100; KEPT];
        assert_eq!(prospect(&took, 0, 12), WillNot);
        took.extend(vec![1; KEPT]);
        assert_eq!(prospect(&took, 0, 12), MayFinish);
    }
}
