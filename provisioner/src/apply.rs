//! Carries a plan out: walks its graph, as much at once as may be. The only place that changes a
//! cloud's resources.

use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::cloud::{Cloud, errors};
use crate::diff::Change;
use crate::events::{Event, Watch};
use crate::plan::{Allowed, Plan};
use crate::recheck::Stale;
use crate::resource::Address;

mod write;

use write::Work;

/// Changes made at the same time.
const PARALLEL: usize = 16;
/// First and longest pause between two tries of one change.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long one change is tried again.
const LONGEST: Duration = Duration::from_mins(10);

/// What became of a plan.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Changes made.
    pub done: usize,
    /// Changes that failed, each with its error.
    pub failed: Vec<(Address, Error)>,
    /// Changes not begun, because something they wait for failed.
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
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Waiting,
    Running,
    Done,
    Failed,
}

/// Carries a plan out. A failure stops what waits for it; the rest goes on. Once `stop` is
/// cancelled nothing new begins, and what is under way is finished.
pub(crate) async fn run(
    plan: &Plan,
    cloud: &Cloud,
    allowed: Allowed,
    stop: &CancellationToken,
    watch: &Watch<'_>,
) -> Applied {
    let changes = plan.changes();
    let mut states = vec![State::Waiting; changes.len()];
    let mut running = FuturesUnordered::new();
    let mut applied = Applied::default();
    loop {
        for at in 0..changes.len() {
            let ready = states[at] == State::Waiting
                && plan.graph.waits_for[at].iter().all(|&w| states[w] == State::Done);
            if ready && running.len() < PARALLEL && !stop.is_cancelled() {
                states[at] = State::Running;
                let change = &changes[at];
                running.push(async move { (at, one(change, cloud, allowed, stop, watch).await) });
            }
        }
        let Some((at, result)) = running.next().await else { break };
        let address = changes[at].address.clone();
        match result {
            Ok(()) => (states[at], applied.done) = (State::Done, applied.done + 1),
            Err(error) => {
                states[at] = State::Failed;
                applied.failed.push((address, error));
            }
        }
    }
    let left = states.iter().zip(changes).filter(|(state, _)| **state == State::Waiting);
    applied.skipped = left.map(|(_, change)| change.address.clone()).collect();
    applied.interrupted = stop.is_cancelled();
    applied
}

async fn one(
    change: &Change,
    cloud: &Cloud,
    allowed: Allowed,
    stop: &CancellationToken,
    watch: &Watch<'_>,
) -> Result<()> {
    let (address, action) = (&change.address, change.action);
    let started = Instant::now();
    watch(&Event::Started { address });
    let result = with_retries(change, cloud, allowed, stop, watch).await;
    match &result {
        Ok(()) => watch(&Event::Finished { address, action, took: started.elapsed() }),
        Err(error) => watch(&Event::Failed { address, error }),
    }
    result
}

async fn with_retries(
    change: &Change,
    cloud: &Cloud,
    allowed: Allowed,
    stop: &CancellationToken,
    watch: &Watch<'_>,
) -> Result<()> {
    let address = &change.address;
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut work = Work::new(change, cloud, allowed, watch)?;
    loop {
        let again = |error: &Error| errors::is_worth_another_try(error) || errors::is_race(error);
        let error = match work.go().await {
            Ok(()) => return Ok(()),
            Err(error) if again(&error) && started.elapsed() < LONGEST => error,
            Err(error) => return Err(error),
        };
        if stop.is_cancelled() {
            return Err(error);
        }
        watch(&Event::Retrying { address, error: &error });
        let wait = errors::retry_after(&error).unwrap_or_else(|| pause.mul_f64(rand::random::<f64>()));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return Err(error),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
