//! Signs of life of the thread that keeps leases, for whoever holds one or watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Stands for "no lease is held".
const NONE: i64 = i64::MAX;

/// When the thread ran last, and how near the leases are to their end. Cheap to clone; all clones are
/// one.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Beat>);

#[derive(Debug)]
struct Beat {
    start: Instant,
    /// Milliseconds from the start to the last beat.
    last: AtomicU64,
    /// Milliseconds that the lease with the least time left had at the last beat.
    margin: AtomicI64,
    /// Leases that were found lost.
    lost: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        let beat = Beat {
            start: Instant::now(),
            last: AtomicU64::new(0),
            margin: AtomicI64::new(NONE),
            lost: AtomicU64::new(0),
        };
        Self(Arc::new(beat))
    }
}

impl Pulse {
    /// How long ago the thread was last seen running.
    #[must_use]
    pub fn age(&self) -> Duration {
        let last = Duration::from_millis(self.0.last.load(Ordering::Relaxed));
        self.0.start.elapsed().saturating_sub(last)
    }

    /// The time that the most endangered lease had left when the thread last ran; none if it held
    /// none.
    #[must_use]
    pub fn margin(&self) -> Option<Duration> {
        match self.0.margin.load(Ordering::Relaxed) {
            NONE => None,
            milliseconds => Some(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))),
        }
    }

    /// Leases that were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    pub(super) fn beat(&self, margin: Option<Duration>, lost: usize) {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(milliseconds(self.0.start.elapsed()), Ordering::Relaxed);
        let margin = margin.map_or(NONE, |margin| i64::try_from(milliseconds(margin)).unwrap_or(NONE));
        self.0.margin.store(margin, Ordering::Relaxed);
        self.0.lost.fetch_add(lost as u64, Ordering::Relaxed);
    }
}
