//! When an item that failed may be tried again. Pure, but for the dice.

use std::time::Duration;

use contract::RetrySpacing;
use jiff::Timestamp;

/// How far clocks of two machines may be apart.
const SKEW: Duration = Duration::from_mins(1);

/// The instant before which nobody tries again after so many failures: at least half of the rest
/// that is due, so that items which failed together come back apart. `dice` is from 0 to 1.
pub(super) fn not_before(spacing: RetrySpacing, failures: u32, dice: f64, now: Timestamp) -> Timestamp {
    let rest = spacing.rest(failures).mul_f64(f64::midpoint(1.0, dice.clamp(0.0, 1.0)));
    now.saturating_add(rest).unwrap_or(Timestamp::MAX)
}

/// How long to wait for an instant. A rest beyond the longest is one that a wrong clock wrote: it
/// counts for nothing, or an item could wait for years.
pub(crate) fn wait(spacing: RetrySpacing, not_before: Timestamp, now: Timestamp) -> Option<Duration> {
    let wait = Duration::try_from(not_before.duration_since(now)).ok()?;
    let longest = Duration::from_secs(spacing.most_seconds) + SKEW;
    (!wait.is_zero() && wait <= longest).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING: RetrySpacing = RetrySpacing { first_seconds: 4, most_seconds: 30 };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn failures_are_spaced_by_half_to_the_whole_of_their_rest() {
        assert_eq!(not_before(SPACING, 1, 0.0, at(100)), at(102));
        assert_eq!(not_before(SPACING, 1, 1.0, at(100)), at(104));
        assert_eq!(not_before(SPACING, 9, 1.0, at(100)), at(130));
    }

    #[test]
    fn what_is_past_and_what_no_right_clock_wrote_is_not_waited_for() {
        assert_eq!(wait(SPACING, at(107), at(100)), Some(Duration::from_secs(7)));
        assert_eq!(wait(SPACING, at(100), at(100)), None);
        assert_eq!(wait(SPACING, at(90), at(100)), None);
        assert_eq!(wait(SPACING, at(1000), at(100)), None);
    }
}
