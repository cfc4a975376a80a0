//! A worker's life: load its own run, pull and work, look for the end when idle, and leave in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clients::{Bucket, Target, explain};
use contract::{RunId, WorkerState, exit};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::board::{Board, Count};
use crate::etl::Host;
use crate::farewell::Farewell;
use crate::handlers::{Handlers, Make};
use crate::idle::{Decision, Idle};
use crate::item::Workbench;
use crate::metrics::{Part, Server};
use crate::patience::patiently;
use crate::protocol::Ledger;
use crate::pull::{Delivery, Puller};
use crate::runs::{Known, Run, Runs};
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::signals::Signals;

/// How often a worker asks whether its own run is over.
const ASK: Duration = Duration::from_secs(5);
/// A new pod's grants and metadata server may take their time.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(2);

/// Why a worker leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// Nothing is left that it is needed for.
    Finished,
    /// Its own run is closed or cancelled.
    Over,
    /// SIGTERM or SIGINT.
    Asked,
}

/// The configuration of the worker's own run is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadConfiguration(pub(crate) String);

/// Works until nothing is left to do, or until asked to stop. Returns the exit code.
pub(crate) async fn run(settings: Settings, library: Option<Arc<Make>>) -> Result<u8> {
    let mut signals = Signals::listen()?;
    let storage = Target::from_variable("STORAGE_EMULATOR_HOST")?.storage().await?;
    let bucket = Bucket::new(storage, &settings.bucket);
    let secrets = tokio::select! {
        secrets = Secrets::read(&settings.secrets) => secrets?,
        () = signals.asked() => return Ok(exit::TERMINATED),
    };
    let handlers = Handlers::new(Host::of_worker(settings.local_root.clone(), secrets), library);
    let runs = Arc::new(Runs::new(bucket.clone(), handlers));
    let own = tokio::select! {
        own = own_run(&runs, &settings.us.run) => own?,
        () = signals.asked() => return Ok(exit::TERMINATED),
    };
    let Some(own) = own else {
        tracing::info!(run = settings.us.run.0.as_str(), "the run is over already");
        return Ok(exit::DONE);
    };
    let bench = Workbench {
        ledger: Ledger::new(bucket.clone(), settings.us.clone()),
        board: Board::new(settings.us.clone()),
        farewell: Farewell::default(),
        bucket,
        runs,
    };
    Box::pin(work(settings, bench, &own, signals)).await
}

/// The worker's own run; none if it is over.
async fn own_run(runs: &Runs, run: &RunId) -> Result<Option<Arc<Run>>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match patiently(runs.get(run)).await {
            Ok(Known::Open(open)) => return Ok(Some(open)),
            Ok(Known::Over) => return Ok(None),
            Ok(Known::Missing) => {
                return Err(BadConfiguration(format!("there is no run {run} in this bucket")).into());
            }
            Ok(Known::Unusable(reason)) => return Err(BadConfiguration(reason.to_string()).into()),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!("cannot read the record of run {run}")));
            }
            Err(error) => tracing::warn!("cannot read the run's record yet: {error:#}"),
        }
        sleep(PAUSE).await;
    }
}

async fn work(settings: Settings, bench: Workbench, own: &Arc<Run>, mut signals: Signals) -> Result<u8> {
    let name = settings.subscription.clone();
    let (puller, deliveries) = Puller::start(&settings, bench.board.metrics(), move || {
        Ok(Target::from_variable("PUBSUB_EMULATOR_HOST")?.subscription(&name)?)
    })?;
    let _metrics = settings.metrics.and_then(|address| serve_metrics(address, &bench.board));
    let publishing = {
        let (board, bucket) = (bench.board.clone(), bench.bucket.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { board.publish(&bucket).await }))
    };
    let _pulse = {
        let metrics = bench.board.metrics().clone();
        AbortOnDropHandle::new(tokio::spawn(async move { metrics.beat(Part::Work).await }))
    };
    tracing::info!(run = own.record.run.0.as_str(), index = settings.us.index, "working");
    let mut items = JoinSet::new();
    let leaving = Box::pin(pull(&settings, &bench, own, deliveries, &mut items, &mut signals)).await;
    puller.stop();
    if leaving == Leaving::Asked {
        bench.board.count(Count::Preempted);
    }
    let state = match leaving {
        Leaving::Finished | Leaving::Over => WorkerState::Finished,
        Leaving::Asked => WorkerState::Terminated,
    };
    let budget = if leaving == Leaving::Over { Duration::ZERO } else { settings.budget() };
    drain(&settings, budget, &bench, items, &mut signals).await;
    drop(publishing);
    let reported = bench.board.write(&bench.bucket, state);
    let farewell = async { tokio::join!(reported, puller.ended(settings.hand_back())) };
    if timeout(settings.hand_back(), farewell).await.is_err() {
        tracing::warn!("no time left to say goodbye");
    }
    match leaving {
        Leaving::Finished => tracing::info!("nothing is left to do"),
        Leaving::Over => {}
        Leaving::Asked => tracing::info!("stopped as asked"),
    }
    Ok(if leaving == Leaving::Asked { exit::TERMINATED } else { exit::DONE })
}

/// Answers Prometheus. Who cannot be watched works all the same.
fn serve_metrics(address: SocketAddr, board: &Board) -> Option<Server> {
    match Server::start(address, board.metrics().clone()) {
        Ok(server) => {
            tracing::info!("metrics on http://{}", server.address());
            Some(server)
        }
        Err(error) => {
            tracing::warn!("no metrics: cannot listen at {address}: {error}");
            None
        }
    }
}

/// Starts work on messages as they come, until there is a reason to leave. Returns with the
/// messages that nobody has begun given back.
async fn pull(
    settings: &Settings,
    bench: &Workbench,
    own: &Arc<Run>,
    mut deliveries: mpsc::Receiver<Delivery>,
    items: &mut JoinSet<bool>,
    signals: &mut Signals,
) -> Leaving {
    let mut idle = Idle::new(settings.clone(), bench.bucket.clone());
    let over = until_over(&bench.runs, &own.record.run);
    tokio::pin!(over);
    loop {
        let has_room = items.len() < settings.concurrency as usize;
        tokio::select! {
            biased;
            () = signals.asked() => return Leaving::Asked,
            () = &mut over => return Leaving::Over,
            Some(ended) = items.join_next() => if is_ours(ended) { idle.worked() },
            delivery = deliveries.recv(), if has_room => match delivery {
                Some(delivery) => {
                    let bench = bench.clone();
                    items.spawn(async move { bench.handle(delivery).await });
                }
                // The puller ends only when told to; this is a broken runtime.
                None => return Leaving::Asked,
            },
            decision = idle.look(own), if items.is_empty() => match decision {
                Ok(Decision::Stay) => {}
                Ok(Decision::Leave) => return Leaving::Finished,
                Ok(Decision::Stalled) => {
                    tracing::error!("items are open, but published twice again no message for them came");
                    return Leaving::Finished;
                }
                Err(error) => tracing::warn!("cannot look at the run: {}", explain(&*error)),
            },
        }
    }
}

/// Lets running items finish within the budget, as far as they will; cuts the rest off, and gives
/// them the time to say so.
async fn drain(
    settings: &Settings,
    budget: Duration,
    bench: &Workbench,
    mut items: JoinSet<bool>,
    signals: &mut Signals,
) {
    bench.farewell.ask(budget);
    let deadline = Instant::now() + budget;
    let finish = async { while items.join_next().await.is_some() {} };
    tokio::select! {
        _ = timeout_at(deadline, finish) => {}
        () = signals.asked_again() => {}
    }
    bench.farewell.cut();
    let cut = async { while items.join_next().await.is_some() {} };
    if timeout(settings.hand_back() / 2, cut).await.is_err() {
        tracing::warn!("{} items could not be handed back in time", items.len());
    }
}

/// Ends when the run is closed or cancelled.
async fn until_over(runs: &Runs, run: &RunId) {
    loop {
        sleep(ASK).await;
        match patiently(runs.get(run)).await {
            Ok(Known::Over | Known::Missing) => {
                tracing::info!(run = run.0.as_str(), "the run is over");
                return;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!("cannot ask whether the run is over: {error:#}"),
        }
    }
}

fn is_ours(ended: Result<bool, tokio::task::JoinError>) -> bool {
    ended.unwrap_or_else(|error| {
        tracing::error!("{:#}", anyhow!(error).context("an item's task broke down; its message goes back"));
        true
    })
}
