//! Signs of life of the thread that keeps leases, for whoever holds one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When the thread ran last. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<Beat>);

#[derive(Debug)]
struct Beat {
    start: Instant,
    /// Milliseconds from the start to the last beat.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(Beat { start: Instant::now(), last: AtomicU64::new(0) }))
    }
}

impl Pulse {
    /// How long ago the thread was last seen running.
    pub(super) fn age(&self) -> Duration {
        let last = Duration::from_millis(self.0.last.load(Ordering::Relaxed));
        self.0.start.elapsed().saturating_sub(last)
    }

    pub(super) fn beat(&self) {
        let milliseconds = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(milliseconds, Ordering::Relaxed);
    }
}
