//! Carries a plan out: walks its graph, as much at once as may be. The only place that changes a
//! cloud's resources.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, bail};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::cloud::{Cloud, errors};
use crate::diff::{Action, Change, differences};
use crate::events::{Event, Watch};
use crate::kinds::{self, AnyKind, Place};
use crate::plan::{Allowed, Plan};
use crate::resource::{Address, Owner};

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
    loop {
        let error = match once(change, cloud, allowed, watch).await {
            Ok(()) => return Ok(()),
            Err(error) if errors::is_worth_another_try(&error) && started.elapsed() < LONGEST => error,
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

async fn once(change: &Change, cloud: &Cloud, allowed: Allowed, watch: &Watch<'_>) -> Result<()> {
    let address = &change.address;
    let kind = kinds::named(address.kind).context("a change of no kind")?;
    let id = change.desired.as_ref().map(|want| &want.id).or(change.live.as_ref().map(|live| &live.id));
    let progress = |text: String| watch(&Event::Progress { address, text: &text });
    let place = Place {
        key: &address.key,
        id: id.map_or("", String::as_str),
        delete_data: allowed.delete_data,
        progress: &progress,
    };
    match change.action {
        Action::Create => create(kind, change, cloud, &place).await,
        Action::Update => {
            let mut fields: Vec<String> = change
                .fields
                .iter()
                .filter_map(|f| f.path.split(['.', '[']).next().map(str::to_owned))
                .collect();
            fields.dedup();
            kind.update(cloud, wanted(change)?, &place, &fields).await
        }
        Action::Replace => {
            delete(kind, change, cloud, &place).await?;
            create(kind, change, cloud, &place).await
        }
        Action::Delete => delete(kind, change, cloud, &place).await,
    }
}

/// A create that finds the thing there is not yet a failure: our own first try may have succeeded
/// with its answer lost. It is read and compared.
async fn create(kind: &dyn AnyKind, change: &Change, cloud: &Cloud, place: &Place<'_>) -> Result<()> {
    let error = match kind.create(cloud, wanted(change)?, place).await {
        Err(error) if errors::is_already_there(&error) => error,
        result => return result,
    };
    let want = change.desired.as_ref().context("a creation without a wish")?;
    match kind.observe(cloud, want).await? {
        Some(live) if live.owner == Owner::Ours && differences(&want.fields, &live.fields).is_empty() => {
            Ok(())
        }
        Some(live) if live.owner == Owner::Ours => {
            bail!("{} was made meanwhile by somebody else, differently: plan again", live.id)
        }
        _ => Err(error),
    }
}

async fn delete(kind: &dyn AnyKind, change: &Change, cloud: &Cloud, place: &Place<'_>) -> Result<()> {
    let live = change.live.as_ref().context("a deletion of nothing")?;
    kind.delete(cloud, &live.fields, place).await
}

fn wanted(change: &Change) -> Result<&serde_json::Value> {
    Ok(&change.desired.as_ref().context("a change without a wish")?.fields)
}
