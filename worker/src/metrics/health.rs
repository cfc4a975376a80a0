//! Whether the parts of a worker are alive: each says so every second, from its own runtime.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a part says so.
const EVERY: Duration = Duration::from_secs(1);
/// A part that has not said so for this long is not well.
const LATE: Duration = Duration::from_secs(10);

/// A part of a worker with a runtime of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The thread that pulls messages and keeps their leases.
    Leases,
    /// The threads that items are worked on by.
    Work,
}

impl Part {
    pub(super) const ALL: [Self; 2] = [Self::Leases, Self::Work];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Leases => "leases",
            Self::Work => "work",
        }
    }
}

/// When each part said so last.
#[derive(Debug, Default)]
pub(super) struct Health([Mutex<Option<Instant>>; Part::ALL.len()]);

impl Health {
    pub(super) fn tick(&self, part: Part) {
        *self.0[part as usize].lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) async fn beat(&self, part: Part) {
        loop {
            self.tick(part);
            tokio::time::sleep(EVERY).await;
        }
    }

    /// How long a part has been silent; none if it has not begun.
    pub(super) fn silence(&self, part: Part, now: Instant) -> Option<Duration> {
        let last = *self.0[part as usize].lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| now.saturating_duration_since(last))
    }

    /// What is not well, a line for each part.
    pub(super) fn complaints(&self, now: Instant) -> String {
        let complaint = |part: Part| match self.silence(part, now) {
            None => Some(format!("{}: has not begun\n", part.name())),
            Some(silence) if silence > LATE => {
                Some(format!("{}: nothing heard for {} s\n", part.name(), silence.as_secs()))
            }
            Some(_) => None,
        };
        Part::ALL.into_iter().filter_map(complaint).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_must_have_been_heard_of_lately() {
        let health = Health::default();
        assert_eq!(health.complaints(Instant::now()), "leases: has not begun\nwork: has not begun\n");
        health.tick(Part::Work);
        health.tick(Part::Leases);
        let later = |seconds| health.complaints(Instant::now() + Duration::from_secs(seconds));
        assert_eq!(later(9), "");
        assert_eq!(later(12), "leases: nothing heard for 12 s\nwork: nothing heard for 12 s\n");
    }
}
