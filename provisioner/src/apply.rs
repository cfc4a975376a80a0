//! Carries a plan out: walks its graph, as much at once as may be. The only place that changes a
//! cloud's resources.

use std::time::Duration;

use anyhow::Error;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::change::Change;
use crate::cloud::Cloud;
use crate::events::{Event, Watch, What};
use crate::plan::{Allowed, Plan};
use crate::recheck::Stale;
use crate::resource::Address;

mod tries;
mod walk;
mod write;

use tries::Tries;
pub(crate) use tries::Unfinished;
use walk::Walk;
use write::Outcome;

/// How a plan is carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Changes made at the same time.
    pub parallelism: usize,
    /// How long what is under way is waited for once somebody asked to stop.
    pub grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { parallelism: 16, grace: Duration::from_secs(30) }
    }
}

/// Whoever may ask to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Halt {
    /// Nothing new begins, and what is under way is waited for a while.
    pub stop: CancellationToken,
    /// Nothing is waited for.
    pub leave: CancellationToken,
}

impl Halt {
    /// Ends when it is time to go.
    async fn is_over(&self, grace: Duration) {
        let patience = async {
            self.stop.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            () = patience => {}
            () = self.leave.cancelled() => {}
        }
    }
}

/// What became of a plan.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Changes made.
    pub done: usize,
    /// Changes that were no changes any more: all was as wanted already.
    pub was_so: usize,
    /// Changes that failed, each with its error.
    pub failed: Vec<(Address, Error)>,
    /// Changes that nobody waits for any more, each with what it waited for last.
    pub left: Vec<(Address, String)>,
    /// Changes not begun, because something they wait for failed, or somebody asked to stop.
    pub skipped: Vec<Address>,
    /// Whether somebody asked to stop.
    pub interrupted: bool,
}

impl Applied {
    /// Whether all that stands in the way is that things moved since the plan.
    #[must_use]
    pub(crate) fn is_stale(&self) -> bool {
        !self.failed.is_empty() && self.failed.iter().all(|(_, error)| error.is::<Stale>())
    }

    /// Whether all of the plan is done.
    #[must_use]
    pub(crate) fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.left.is_empty() && self.skipped.is_empty()
    }
}

/// Carries a plan out. A failure stops what waits for it; the rest goes on.
pub(crate) async fn run(
    plan: &Plan,
    cloud: &Cloud,
    allowed: Allowed,
    pace: Pace,
    halt: &Halt,
    watch: &Watch<'_>,
) -> Applied {
    let changes = plan.changes();
    let tries: Vec<Tries<'_>> =
        changes.iter().map(|change| Tries::new(change, plan.timeouts.get(&change.address), watch)).collect();
    let mut walk = Walk::of(&plan.graph);
    let mut applied = Applied::default();
    {
        let mut running = FuturesUnordered::new();
        let over = halt.is_over(pace.grace);
        tokio::pin!(over);
        loop {
            while running.len() < pace.parallelism
                && !halt.stop.is_cancelled()
                && let Some(at) = walk.next()
            {
                let tries = &tries[at];
                running.push(async move { (at, tries.run(cloud, allowed, &halt.stop).await) });
            }
            let ended = tokio::select! {
                biased;
                ended = running.next() => ended,
                () = &mut over => break,
            };
            let Some((at, result)) = ended else { break };
            walk.ended(at, result.is_ok());
            match result {
                Ok(Outcome::Made) => applied.done += 1,
                Ok(Outcome::WasSo) => applied.was_so += 1,
                Err(error) => applied.failed.push((changes[at].address.clone(), error)),
            }
        }
    }
    applied.left = walk.running().map(|at| (changes[at].address.clone(), tries[at].leave())).collect();
    applied.skipped = walk.waiting().map(|at| skip(changes, at, walk.missing(at), watch)).collect();
    applied.interrupted = halt.stop.is_cancelled() || halt.leave.is_cancelled();
    applied
}

fn skip(changes: &[Change], at: usize, missing: Option<usize>, watch: &Watch<'_>) -> Address {
    let Change { address, action, .. } = &changes[at];
    let what = What::Skipped { after: missing.map(|missing| &changes[missing].address) };
    watch(&Event { address, action: *action, took: Duration::ZERO, what });
    address.clone()
}
