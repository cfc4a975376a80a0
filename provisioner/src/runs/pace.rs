//! When the receipts of a run are listed. A small run's are one page, so always; a large one's cost a
//! call for each thousand, so seldom: what workers say of themselves tells how it goes meanwhile, and
//! a listing proves it. Pure.

use std::time::{Duration, Instant};

use super::tally::SMALL;

/// Longest that nothing is proven.
const SELDOM: Duration = Duration::from_mins(1);
/// Shortest pause after a listing of a large run; it doubles while the end is said and not proven.
const SOON: Duration = Duration::from_secs(5);

/// When receipts were listed, and when they will be.
#[derive(Debug)]
pub(super) struct Pace {
    items: u64,
    listed: Option<Instant>,
    pause: Duration,
}

impl Pace {
    /// Of a run of so many items.
    pub(super) fn of(items: u64) -> Self {
        Self { items, listed: None, pause: SOON }
    }

    /// Whether it is time; `said` is how many items workers say that they have settled.
    pub(super) fn is_due(&self, now: Instant, said: u64) -> bool {
        let Some(listed) = self.listed else { return true };
        let since = now.duration_since(listed);
        self.items <= SMALL || since >= SELDOM || (said >= self.items && since >= self.pause)
    }

    /// Receipts were listed.
    pub(super) fn listed(&mut self, now: Instant, said: u64) {
        let again = self.listed.is_some() && said >= self.items;
        self.pause = if again { (self.pause * 2).min(SELDOM) } else { SOON };
        self.listed = Some(now);
    }

    /// Whether what was listed is old enough that nothing can be told of the run's standing still.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        self.listed.is_none_or(|listed| now.duration_since(listed) >= SOON * 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_run_is_listed_seldom_until_its_workers_say_that_it_is_done() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::of(100_000);
        assert!(pace.is_due(at(0), 0));
        pace.listed(at(0), 0);
        assert!(!pace.is_due(at(59), 99_999));
        assert!(pace.is_due(at(60), 0));
        assert!(!pace.is_due(at(4), 100_000) && pace.is_due(at(5), 100_000));
        // They were wrong: it takes longer and longer until they are asked again.
        pace.listed(at(5), 100_000);
        assert!(!pace.is_due(at(14), 100_000) && pace.is_due(at(15), 100_000));
        for time in [15, 35, 75] {
            pace.listed(at(time), 100_000);
        }
        assert!(!pace.is_due(at(134), 100_000) && pace.is_due(at(135), 100_000));
    }

    #[test]
    fn a_small_run_is_listed_whenever_it_is_looked_at() {
        let now = Instant::now();
        let mut pace = Pace::of(1000);
        pace.listed(now, 0);
        assert!(pace.is_due(now, 0));
    }
}
