//! What a worker counts, once: the board that people look at and the text that Prometheus reads are
//! told by the same numbers. Knows neither items nor messages.

mod exposition;
mod histogram;
mod health;
mod server;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::Stage;

use self::health::Health;
pub use self::health::Part;
use self::histogram::Histogram;
pub use self::server::Server;

/// The stages of an item, in order.
const STAGES: [(Stage, &str); 4] = [
    (Stage::Extract, "extract"),
    (Stage::Transform, "transform"),
    (Stage::Load, "load"),
    (Stage::Commit, "commit"),
];

/// A worker's numbers. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    counts: [AtomicU64; Count::ALL.len()],
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    in_flight: AtomicU64,
    /// When the lease that ends first does, unless it is renewed.
    lease_until: Mutex<Option<Instant>>,
    stages: [Histogram; STAGES.len()],
    items: Histogram,
    health: Health,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// An item is stored.
    Done,
    /// An item is given up for good.
    Failed,
    /// An attempt failed, and the item will be tried again.
    Retried,
    /// An attempt was cut short through no fault of its item.
    Yielded,
    /// A delivery of an item that had an outcome already, or was being worked on here.
    Duplicate,
    /// The worker was asked to stop.
    Preempted,
}

impl Count {
    /// In the order of their declaration, which is their place among the numbers.
    const ALL: [Self; 6] =
        [Self::Done, Self::Failed, Self::Retried, Self::Yielded, Self::Duplicate, Self::Preempted];
}

impl Metrics {
    /// One more.
    pub fn count(&self, what: Count) {
        self.0.counts[what as usize].fetch_add(1, Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn counted(&self, what: Count) -> u64 {
        self.0.counts[what as usize].load(Relaxed)
    }

    /// Bytes that were read and stored for an item.
    pub fn moved(&self, bytes_in: u64, bytes_out: u64) {
        self.0.bytes_in.fetch_add(bytes_in, Relaxed);
        self.0.bytes_out.fetch_add(bytes_out, Relaxed);
    }

    /// How many items are being worked on now.
    pub fn set_in_flight(&self, items: usize) {
        self.0.in_flight.store(items as u64, Relaxed);
    }

    /// How many items are being worked on now.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.0.in_flight.load(Relaxed)
    }

    /// When the lease that ends first does, unless it is renewed; none if none is held.
    pub fn set_lease_until(&self, until: Option<Instant>) {
        *self.0.lease_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// How long a stage of an item took.
    pub fn stage_took(&self, stage: Stage, time: Duration) {
        if let Some(at) = STAGES.iter().position(|(known, _)| *known == stage) {
            self.0.stages[at].observe(time);
        }
    }

    /// How long an attempt took, however it ended.
    pub fn item_took(&self, time: Duration) {
        self.0.items.observe(time);
    }

    /// That part of the worker is alive.
    pub fn tick(&self, part: Part) {
        self.0.health.tick(part);
    }

    /// Says so for as long as the runtime that this runs on lives. Never ends.
    pub async fn beat(&self, part: Part) {
        self.0.health.beat(part).await;
    }

    fn lease_margin(&self, now: Instant) -> Option<f64> {
        let until = *self.0.lease_until.lock().unwrap_or_else(PoisonError::into_inner);
        let until = until?;
        let left = until.saturating_duration_since(now).as_secs_f64();
        Some(left - now.saturating_duration_since(until).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_its_place() {
        for (at, count) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, at);
        }
    }

    #[test]
    fn a_lease_that_has_run_out_has_a_negative_margin() {
        let (metrics, now) = (Metrics::default(), Instant::now());
        assert_eq!(metrics.lease_margin(now), None);
        metrics.set_lease_until(Some(now + Duration::from_secs(7)));
        assert_eq!(metrics.lease_margin(now), Some(7.0));
        assert_eq!(metrics.lease_margin(now + Duration::from_secs(9)), Some(-2.0));
    }
}
