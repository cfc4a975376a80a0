//! Time, as every service of the local cloud sees it. Nothing else here may ask the system for the
//! time or sleep, but for what guards a real connection or process against taking for ever.
//!
//! It is the system's time, plus what a test has moved it on by. Whoever waits, waits on this
//! clock, so a test moves on an hour in an instant, and stops the clock to look around.

use std::future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::journal::{Journal, Tables};

/// How much faster than Google's the local control plane is: what GKE and Kubernetes wait for
/// (operations, node start-up, idle nodes, pod back-off) is divided by this. Leases, retention,
/// item timeouts and the grace of pods are what they say.
pub const SPEED_UP: u32 = 100;

/// How far ahead of the system's time it may be: a century, in hours. Every instant that a service
/// computes from there can still be written.
const FURTHEST: SignedDuration = SignedDuration::from_hours(100 * 366 * 24);

const TABLE: &str = "clock";
const AHEAD: &str = "ahead";

/// The clock of one local cloud. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    hands: watch::Sender<Hands>,
    /// Where it writes down how far it is ahead, so that a restart does not turn it back.
    journal: Option<Journal>,
}

#[derive(Clone, Copy)]
enum Hands {
    /// So far ahead of the system's time.
    Running(SignedDuration),
    Stopped(Timestamp),
}

impl Hands {
    fn now(self) -> Timestamp {
        match self {
            Self::Running(ahead) => later(Timestamp::now(), ahead),
            Self::Stopped(at) => at,
        }
    }

    fn advanced(self, by: SignedDuration) -> Self {
        match self {
            Self::Running(ahead) => Self::Running(ahead.saturating_add(by)),
            Self::Stopped(at) => Self::Stopped(later(at, by)),
        }
    }
}

/// At the end of time it stays there.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::at(SignedDuration::ZERO, None)
    }

    /// The clock that `journal` knows, running, as far ahead as it was.
    pub(crate) fn open(journal: &Journal, tables: &mut Tables) -> io::Result<Self> {
        let ahead = tables.take::<i64>(TABLE)?.remove(AHEAD).unwrap_or(0);
        Ok(Self::at(SignedDuration::from_millis(ahead), Some(journal.clone())))
    }

    fn at(ahead: SignedDuration, journal: Option<Journal>) -> Self {
        Self(Arc::new(Inner { hands: watch::Sender::new(Hands::Running(ahead)), journal }))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.hands.borrow().now()
    }

    /// Waits for as long as it says.
    pub async fn sleep(&self, time: Duration) {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self.sleep_until(later(self.now(), time)).await;
    }

    /// Waits until an instant.
    pub async fn sleep_until(&self, at: Timestamp) {
        let mut hands = self.0.hands.subscribe();
        loop {
            let now = *hands.borrow_and_update();
            let left = Duration::try_from(now.now().duration_until(at)).unwrap_or_default();
            if left.is_zero() {
                return;
            }
            let arrives = async {
                match now {
                    Hands::Running(_) => tokio::time::sleep(left).await,
                    Hands::Stopped(_) => future::pending().await,
                }
            };
            tokio::select! {
                () = arrives => {}
                // The sender lives in `self`.
                _ = hands.changed() => {}
            }
        }
    }

    /// Moves the time on. What waits for an instant until then goes on at once, in no order; what
    /// it then waits for counts from the new time. It may be a century ahead of the system's time.
    pub fn advance(&self, by: Duration) -> io::Result<()> {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.turn(|hands| hands.advanced(by))
    }

    /// Stops the time: nothing that waits goes on, until [`advance`](Self::advance) or
    /// [`thaw`](Self::thaw). A restart thaws it.
    pub fn freeze(&self) -> io::Result<()> {
        self.turn(|hands| Hands::Stopped(hands.now()))
    }

    /// Lets the time run on from where it stopped.
    pub fn thaw(&self) -> io::Result<()> {
        self.turn(|hands| match hands {
            Hands::Running(_) => hands,
            Hands::Stopped(at) => Hands::Running(Timestamp::now().duration_until(at)),
        })
    }

    /// What can't be written down does not happen.
    fn turn(&self, turn: impl FnOnce(Hands) -> Hands) -> io::Result<()> {
        let mut done = Ok(());
        self.0.hands.send_if_modified(|hands| {
            let turned = turn(*hands);
            done = self.keep(turned);
            let turns = done.is_ok();
            if turns {
                *hands = turned;
            }
            turns
        });
        done
    }

    fn keep(&self, hands: Hands) -> io::Result<()> {
        let ahead = Timestamp::now().duration_until(hands.now());
        if ahead > FURTHEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the clock can run a century ahead, not more",
            ));
        }
        let Some(journal) = &self.0.journal else { return Ok(()) };
        journal.put(TABLE, AHEAD, &i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX))
    }

    /// What a wait of Google's control plane comes to here: [`SPEED_UP`] times shorter.
    #[must_use]
    pub fn scaled(&self, time: Duration) -> Duration {
        time / SPEED_UP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn who_waits_for_an_hour_goes_on_when_the_clock_is_moved_on_by_one() {
        let clock = Clock::system();
        let before = clock.now();
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(HOUR).await }
        });
        // Until it waits, its hour has not begun.
        while clock.0.hands.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(HOUR).expect("no journal that could fail");
        waiting.await.expect("the sleeper ends");
        assert!(clock.now() >= before + HOUR);
    }

    #[tokio::test]
    async fn a_stopped_clock_moves_only_when_it_is_moved() {
        let clock = Clock::system();
        clock.freeze().expect("no journal that could fail");
        let at = clock.now();
        let soon = Duration::from_millis(5);
        assert!(tokio::time::timeout(4 * soon, clock.sleep(soon)).await.is_err(), "it went on");
        assert_eq!(clock.now(), at);
        clock.advance(HOUR).expect("no journal that could fail");
        assert_eq!(clock.now(), at + HOUR);
        clock.thaw().expect("no journal that could fail");
        clock.sleep(soon).await;
        assert!(clock.now() >= at + HOUR + soon);
    }

    #[tokio::test]
    async fn a_restart_does_not_turn_the_clock_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("journal");
        let (journal, mut tables) = Journal::open(&path).expect("open");
        let clock = Clock::open(&journal, &mut tables).expect("a clock");
        clock.advance(HOUR).expect("written");
        let then = clock.now();
        drop((clock, journal));
        let (journal, mut tables) = Journal::open(&path).expect("open");
        let clock = Clock::open(&journal, &mut tables).expect("a clock");
        // The journal counts in milliseconds.
        assert!(clock.now() + Duration::from_millis(1) >= then);
    }

    #[tokio::test]
    async fn beyond_a_century_it_is_not_moved() {
        let clock = Clock::system();
        assert!(clock.advance(Duration::MAX).is_err());
        assert!(clock.now() < Timestamp::now() + HOUR);
        clock.freeze().expect("no journal that could fail");
        assert!(clock.advance(Duration::MAX).is_err());
    }
}
