//! Ctrl-C and SIGTERM, heard from the beginning of a command to its end by one listener. What knows how
//! to stop claims them for as long as it works; between such works they end the command.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::apply::Halt;
use crate::exit::Exit;
use crate::report;
use crate::stack::AnyTime;

/// How long a command that nobody claimed may take to end: one that reads an answer from a terminal
/// hears nothing.
const MOMENT: Duration = Duration::from_secs(1);

/// How many there were. Signals are the process's, and so is this.
static HEARD: LazyLock<watch::Sender<u32>> = LazyLock::new(|| watch::Sender::new(0));
/// Whether there was one that nobody claimed.
static ORPHANED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));
static CLAIMS: AtomicUsize = AtomicUsize::new(0);

/// A command that was told to stop.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: nothing was being changed, and the same command again goes on")]
pub(super) struct Interrupted;

/// Listens for as long as it is kept.
pub(super) fn listen() -> std::io::Result<AbortOnDropHandle<()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let listener = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            HEARD.send_modify(|heard| *heard = heard.saturating_add(1));
            if CLAIMS.load(Ordering::Acquire) == 0 {
                ORPHANED.send_replace(true);
                tokio::time::sleep(MOMENT).await;
                std::process::exit(Exit::Interrupted as i32);
            }
        }
    };
    Ok(AbortOnDropHandle::new(tokio::spawn(listener)))
}

/// What work comes to, or that somebody asked to stop while nobody claimed that.
pub(super) async fn or_stop<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut orphaned = ORPHANED.subscribe();
    tokio::select! {
        biased;
        // Its sender is static.
        _ = orphaned.wait_for(|orphaned| *orphaned) => Err(Interrupted.into()),
        done = work => done,
    }
}

/// Whether there was one, claimed or not: nothing new is begun then.
pub(super) fn was_heard() -> bool {
    *HEARD.borrow() > 0
}

/// From here on somebody else decides what a Ctrl-C means.
pub(super) struct Claim {
    /// Those that were heard before.
    before: u32,
}

impl Claim {
    pub(super) fn new() -> Self {
        CLAIMS.fetch_add(1, Ordering::AcqRel);
        Self { before: *HEARD.borrow() }
    }

    /// Ends when there were so many since the claim.
    pub(super) fn heard(&self, times: u32) -> impl Future<Output = ()> + Send + 'static {
        let enough = self.before.saturating_add(times);
        let mut heard = HEARD.subscribe();
        // Its sender is static.
        async move { drop(heard.wait_for(|heard| *heard >= enough).await) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Hears Ctrl-C for as long as a plan is carried out.
pub(super) struct Stopping {
    pub halt: Halt,
    _claim: Claim,
    _listener: AbortOnDropHandle<()>,
}

impl Stopping {
    /// The first one lets nothing new begin and waits for the rest, the second one waits for nothing.
    pub(super) fn listen(grace: Duration) -> Self {
        let halt = Halt::default();
        let (stopped, claim) = (halt.clone(), Claim::new());
        let (first, second, third) = (claim.heard(1), claim.heard(2), claim.heard(3));
        let listener = async move {
            first.await;
            report::note(&format!(
                "stopping: what is under way is waited for, {} at most (again: leave at once)",
                AnyTime::clamped(grace.as_secs())
            ));
            stopped.stop.cancel();
            second.await;
            stopped.leave.cancel();
            // Leaving takes no time, unless something is wrong with this program.
            third.await;
            std::process::exit(Exit::Interrupted as i32);
        };
        Self { halt, _claim: claim, _listener: AbortOnDropHandle::new(tokio::spawn(listener)) }
    }
}
