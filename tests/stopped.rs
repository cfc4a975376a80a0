//! Commands in a local cloud whose time stands still, and moves on only when a command waits for it to.
//! So an operation is under way for as long as nobody waits for it.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use localcloud::calls::{Entry, Fate};

use crate::{Cloud, PATIENCE};

/// Looks at something that is under way: who asks for it last waits for it.
const WATCHES: [&str; 4] =
    [".operations.get", "container.clusters.get", "container.nodePools.get", "kubernetes.nodes.list"];

/// Longest operation of the local cloud's GKE.
const OPERATION: Duration = Duration::from_secs(4);
/// So long nobody else sees a new account.
pub const INVISIBLE: Duration = Duration::from_millis(200);

/// Without a call for so long, a command that asked for what is under way, or was refused, waits.
const SILENCE: Duration = Duration::from_millis(150);
/// The same for any other command: whatever it waits for.
const LONG_SILENCE: Duration = Duration::from_millis(1500);
/// How often one looks.
const LOOK: Duration = Duration::from_millis(10);

impl Cloud {
    /// Lets a command end, and moves time on whenever it waits for that.
    ///
    /// # Panics
    /// If it never ends.
    pub fn attend(&self, mut command: Child, mark: u64) -> ExitStatus {
        let begun = Instant::now();
        let mut last: Option<Last> = None;
        loop {
            if let Some(status) = command.try_wait().expect("a child") {
                return status;
            }
            let calls = self.calls(last.as_ref().map_or(mark, |last| last.call.number));
            let newest = calls.iter().rfind(|call| call.pid == Some(command.id()));
            match (&mut last, newest) {
                (Some(last), Some(newest)) if last.call == *newest => {
                    if let Some(step) = last.waits_for() {
                        self.advance(step);
                    }
                }
                (last, Some(newest)) => *last = Some(Last::new(newest)),
                (_, None) => {}
            }
            if begun.elapsed() > PATIENCE {
                let _ = command.kill();
                panic!("the command did not end within {} s; its last call: {newest:?}", PATIENCE.as_secs());
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// The last call of a command.
struct Last {
    call: Entry,
    since: Instant,
    /// Whether time has moved on for its sake.
    moved: bool,
}

impl Last {
    fn new(call: &Entry) -> Self {
        Self { call: call.clone(), since: Instant::now(), moved: false }
    }

    /// How far time has to move, if its caller waits for that.
    fn waits_for(&mut self) -> Option<Duration> {
        if self.since.elapsed() < self.patience() {
            return None;
        }
        (self.since, self.moved) = (Instant::now(), true);
        // Where an account is not seen yet, nothing else comes to its end.
        let is_of_gke = self.call.method.starts_with("container.");
        Some(if self.is_refused() && !is_of_gke { INVISIBLE } else { OPERATION })
    }

    /// How long nothing must follow the call for its caller to be waiting.
    fn patience(&self) -> Duration {
        match self.call.method.as_str() {
            // Its caller is about to be gone.
            _ if self.call.fate == Fate::Killed => Duration::MAX,
            _ if self.call.fate != Fate::Answered || self.moved => LONG_SILENCE,
            method if WATCHES.iter().any(|watch| method.ends_with(watch)) || self.is_refused() => SILENCE,
            _ => LONG_SILENCE,
        }
    }

    fn is_refused(&self) -> bool {
        self.call.status.as_deref().is_some_and(|status| !matches!(status, "200" | "201" | "OK"))
    }
}
