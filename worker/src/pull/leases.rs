//! Which leases are held, which are due to be renewed, and which are lost. Pure.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Leases by their ack id.
#[derive(Debug)]
pub(super) struct Leases {
    length: Duration,
    /// A lease is never kept for longer: whoever holds it has been forgotten.
    longest: Duration,
    held: HashMap<String, Held>,
}

#[derive(Debug)]
struct Held {
    since: Instant,
    until: Instant,
    /// A renewal is on its way.
    asked: bool,
    lost: CancellationToken,
}

impl Leases {
    pub(super) fn new(length: Duration, longest: Duration) -> Self {
        Self { length, longest, held: HashMap::new() }
    }

    /// A message came. The token is cancelled when its lease is lost.
    pub(super) fn add(&mut self, ack_id: String, now: Instant) -> CancellationToken {
        let lost = CancellationToken::new();
        let held = Held { since: now, until: now + self.length, asked: false, lost: lost.clone() };
        self.held.insert(ack_id, held);
        lost
    }

    /// A message is let go. False if its lease was lost before.
    pub(super) fn remove(&mut self, ack_id: &str) -> bool {
        self.held.remove(ack_id).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The leases that a third of their time has passed of; they count as asked for from now on.
    pub(super) fn due(&mut self, now: Instant) -> Vec<String> {
        let (length, longest) = (self.length, self.longest);
        let is_due = |held: &Held| {
            !held.asked && held.until < now + length * 2 / 3 && now.duration_since(held.since) < longest
        };
        let due = self.held.iter_mut().filter(|(_, held)| is_due(held));
        due.map(|(ack_id, held)| {
            held.asked = true;
            ack_id.clone()
        })
        .collect()
    }

    /// A request for longer leases that was sent at `asked` was granted or not.
    pub(super) fn answered(&mut self, ack_ids: &[String], asked: Instant, granted: bool) {
        for ack_id in ack_ids {
            if let Some(held) = self.held.get_mut(ack_id) {
                held.asked = false;
                if granted {
                    held.until = asked + self.length;
                }
            }
        }
    }

    /// Lets go of the leases that have run out, and says how many they were.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let before = self.held.len();
        self.held.retain(|_, held| {
            let holds = held.until > now;
            if !holds {
                held.lost.cancel();
            }
            holds
        });
        before - self.held.len()
    }

    /// When the lease that ends first does, unless it is renewed.
    pub(super) fn first_end(&self) -> Option<Instant> {
        self.held.values().map(|held| held.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(30);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn leases() -> Leases {
        Leases::new(LENGTH, seconds(3600))
    }

    #[test]
    fn a_lease_is_renewed_from_the_request_on_with_two_thirds_to_spare() {
        let (mut leases, start) = (leases(), Instant::now());
        let lost = leases.add("a".into(), start);
        assert!(leases.due(start + seconds(10)).is_empty());
        assert_eq!(leases.due(start + seconds(11)), ["a"]);
        assert!(leases.due(start + seconds(12)).is_empty(), "asked already");
        leases.answered(&["a".into()], start + seconds(11), true);
        assert_eq!(leases.first_end(), Some(start + seconds(41)));
        assert_eq!(leases.expire(start + seconds(40)), 0);
        assert!(!lost.is_cancelled());
    }

    #[test]
    fn a_renewal_that_fails_is_asked_for_again_until_the_lease_has_run_out() {
        let (mut leases, start) = (leases(), Instant::now());
        let lost = leases.add("a".into(), start);
        for second in [11, 15, 29] {
            assert_eq!(leases.due(start + seconds(second)), ["a"]);
            leases.answered(&["a".into()], start + seconds(second), false);
        }
        assert_eq!(leases.expire(start + seconds(30)), 1);
        assert!(lost.is_cancelled());
        assert!(leases.is_empty() && !leases.remove("a"));
        // An answer that comes late finds nothing.
        leases.answered(&["a".into()], start + seconds(29), true);
        assert_eq!(leases.first_end(), None);
    }

    #[test]
    fn nothing_is_kept_for_ever() {
        let mut leases = Leases::new(LENGTH, seconds(60));
        let start = Instant::now();
        leases.add("a".into(), start);
        leases.answered(&["a".into()], start + seconds(55), true);
        assert!(leases.due(start + seconds(75)).is_empty());
        assert_eq!(leases.expire(start + seconds(85)), 1);
    }
}
