//! One message from delivery to ack: the protocol's steps in order, under the item's time limit and
//! the worker's own end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, anyhow};
use clients::Bucket;
use contract::{EndReason, ItemLine, Message, Stage};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use crate::board::{Board, Count, Entry};
use crate::farewell::Farewell;
use crate::handler::{Destination, HandlerError, Product, Work};
use crate::log;
use crate::message::parse;
use crate::output::OutputTail;
use crate::patience::patiently;
use crate::protocol::{Beginning, Begun, Failed, Ledger, Loaded, Place, Settled};
use crate::pull::{Delivery, Lease};
use crate::redact::Hidden;
use crate::runs::{Known, Run, Runs};

/// Longest that cleaning up after an item may hold its place up.
const SWEEPING: Duration = Duration::from_secs(10);

/// What every item needs. Cheap to clone.
#[derive(Clone)]
pub struct Workbench {
    /// The bucket that holds the runs.
    pub bucket: Bucket,
    /// The runs in it.
    pub runs: Arc<Runs>,
    /// Where attempts and outcomes are written.
    pub ledger: Ledger,
    /// Where people look.
    pub board: Board,
    /// The worker's end.
    pub farewell: Farewell,
}

/// What to do with a message.
enum Outcome {
    Ack(Settled),
    GiveBack,
    /// Have it delivered again after so long.
    Rest(Duration),
}

/// How an attempt ended.
enum Ending {
    Loaded(Settled),
    Failed(EndReason, Error),
    /// Through no fault of the item.
    Yielded(EndReason, &'static str),
}

/// A try at an item, while it lasts.
#[derive(Clone, Copy)]
struct Try<'a> {
    run: &'a Arc<Run>,
    line: &'a Arc<ItemLine>,
    begun: &'a Begun,
    entry: &'a Arc<Entry>,
    output: &'a OutputTail,
}

const LOST: Ending =
    Ending::Yielded(EndReason::LeaseLost, "the lease was lost: another worker may have the item");
const ASKED: Ending = Ending::Yielded(EndReason::Terminated, "the worker was asked to stop");

/// A rest that is shorter is waited for: a message that is let go comes back after the
/// subscription's own back-off, which is as long at least.
const SOON: Duration = Duration::from_secs(2);

impl Workbench {
    /// Works on one message. True if it was an item of an open run.
    pub async fn handle(&self, delivery: Delivery) -> bool {
        let Delivery { data, lease } = delivery;
        let (ours, outcome) = match self.understand(&data).await {
            Ok((run, line)) => (true, self.work_on(&run, &Arc::new(line), &lease).await),
            Err(outcome) => (false, outcome),
        };
        match outcome {
            Outcome::Ack(mut settled) => {
                let leftovers = settled.leftovers();
                lease.ack(settled);
                self.sweep(leftovers).await;
            }
            Outcome::GiveBack => lease.give_back(),
            Outcome::Rest(rest) => lease.return_in(rest),
        }
        ours
    }

    /// Deletes what the item no longer needs, as long as there is time.
    async fn sweep(&self, leftovers: Vec<String>) {
        tokio::select! {
            _ = tokio::time::timeout(SWEEPING, self.ledger.sweep(leftovers)) => {}
            () = self.farewell.is_cut() => {}
        }
    }

    /// The open run and item that a message names, or what to do with it instead.
    ///
    /// What no worker can ever read is acked: coming again would not help. A run that has no record
    /// here is not: the bucket may be the wrong one, and the subscription's dead-letter policy ends
    /// it after many deliveries anyway. So it is for a run that this worker cannot serve: its own
    /// workers may.
    async fn understand(&self, data: &[u8]) -> Result<(Arc<Run>, ItemLine), Outcome> {
        let message = parse(data).map_err(|wrong| {
            tracing::error!("a message that no worker can read is dropped: {wrong}");
            Outcome::Ack(Settled::not_open())
        })?;
        let Message { run, item, payload } = message;
        let known = patiently(self.runs.get(&run)).await.map_err(|error| {
            tracing::error!(run = run.0.as_str(), "cannot look the run up: {error:#}");
            Outcome::GiveBack
        })?;
        match known {
            Known::Open(open) => Ok((open, ItemLine { item, payload })),
            Known::Over => Err(Outcome::Ack(Settled::not_open())),
            Known::Missing => {
                tracing::warn!(run = run.0.as_str(), "there is no such run in bucket {}", self.bucket.name());
                Err(Outcome::GiveBack)
            }
            Known::Unusable(reason) => {
                tracing::error!(run = run.0.as_str(), "this worker cannot serve the run: {reason}");
                Err(Outcome::GiveBack)
            }
        }
    }

    async fn work_on(&self, run: &Arc<Run>, line: &Arc<ItemLine>, lease: &Lease) -> Outcome {
        // Whatever is logged at all is to say what it is about.
        let span = tracing::error_span!(
            "item",
            run = run.record.run.0.as_str(),
            item = line.item.0.as_str(),
            attempt = tracing::field::Empty
        );
        let Some(entry) = self.board.enter(&run.record.run, &line.item) else {
            // The first delivery may yet come to nothing, so this one must not be acked.
            return Outcome::GiveBack;
        };
        self.try_item(run, line, lease, Arc::new(entry)).instrument(span).await
    }

    async fn try_item(
        &self,
        run: &Arc<Run>,
        line: &Arc<ItemLine>,
        lease: &Lease,
        entry: Arc<Entry>,
    ) -> Outcome {
        let begun = match self.begin(run, line, lease).await {
            Ok(begun) => begun,
            Err(outcome) => return outcome,
        };
        Span::current().record("attempt", begun.number());
        entry.begin(begun.number());
        let (output, since) = (OutputTail::default(), Instant::now());
        log::keep(&Span::current(), &output);
        let limit = Duration::from_secs(run.record.config.item_timeout_seconds);
        // Dropping the attempt stops the work, its processes included.
        let mut ending = tokio::select! {
            biased;
            ending = self.attempt(Try { run, line, begun: &begun, entry: &entry, output: &output }) => ending,
            () = lease.lost() => LOST,
            () = self.farewell.must_end(&run.record.run, since) => ASKED,
            () = sleep(limit) => {
                Ending::Failed(EndReason::TimedOut, anyhow!("the attempt took longer than {} s", limit.as_secs()))
            }
        };
        // A process that was stopped finds its connections broken and its time up: not the item's fault.
        if matches!(ending, Ending::Failed(EndReason::Failed | EndReason::TimedOut, _)) && lease.is_lost() {
            ending = LOST;
        }
        if matches!(ending, Ending::Loaded(_)) {
            self.farewell.took(&run.record.run, since.elapsed());
        }
        self.end(run, begun, ending, &output).await
    }

    /// Records an attempt, or says what to do with the message instead. An item that failed a moment
    /// ago is let go until its rest is over: waiting for it here would keep a place from other items,
    /// and giving it back at once would count as a delivery each time, of which there are 100.
    async fn begin(&self, run: &Run, line: &ItemLine, lease: &Lease) -> Result<Begun, Outcome> {
        loop {
            let beginning = tokio::select! {
                beginning = patiently(self.ledger.begin(run, &line.item)) => beginning,
                () = self.farewell.is_cut() => return Err(Outcome::GiveBack),
            };
            match beginning {
                Ok(Beginning::Begun(begun)) => return Ok(begun),
                Ok(Beginning::Settled(settled)) => {
                    self.board.count(Count::Duplicate);
                    return Err(Outcome::Ack(settled));
                }
                Ok(Beginning::GivenUp(settled)) => {
                    self.board.count(Count::Failed);
                    return Err(Outcome::Ack(settled));
                }
                Ok(Beginning::TooSoon(rest)) if rest > SOON => return Err(Outcome::Rest(rest)),
                Ok(Beginning::TooSoon(rest)) => tokio::select! {
                    () = sleep(rest) => {}
                    () = lease.lost() => return Err(Outcome::GiveBack),
                    () = self.farewell.must_end(&run.record.run, Instant::now()) => return Err(Outcome::GiveBack),
                },
                Err(error) => {
                    tracing::error!("cannot begin an attempt: {error:#}");
                    return Err(Outcome::GiveBack);
                }
            }
        }
    }

    /// Attempt → output → receipt.
    async fn attempt(&self, this: Try<'_>) -> Ending {
        let loaded = match self.store(this).await {
            Ok(loaded) => loaded,
            Err(HandlerError::Retry(error)) => return Ending::Failed(EndReason::Failed, error),
            Err(HandlerError::Permanent(error)) => return Ending::Failed(EndReason::Permanent, error),
        };
        this.entry.stage(Stage::Commit);
        match self.ledger.commit(&loaded).await {
            Ok(settled) => {
                let receipt = loaded.receipt();
                self.board.moved(receipt);
                tracing::info!(rows = receipt.rows_out, rejected = receipt.rows_rejected, "done");
                Ending::Loaded(settled)
            }
            Err(error) => Ending::Failed(EndReason::Failed, error),
        }
    }

    async fn store(&self, this: Try<'_>) -> Result<Loaded, HandlerError> {
        let Try { run, line, begun, entry, .. } = this;
        match run.handler.destination(&line.item)? {
            Destination::One(at) => {
                let generation = match self.ledger.look(run, begun, &at).await? {
                    Place::Done(loaded) => return Ok(loaded),
                    Place::Open(generation) => generation,
                };
                let product = self.process(this).await?;
                entry.stage(Stage::Load);
                self.ledger.load(run, begun, &at, product, generation).await
            }
            Destination::Several => {
                if let Some(loaded) = self.ledger.resume(run, begun).await? {
                    return Ok(loaded);
                }
                let product = self.process(this).await?;
                entry.stage(Stage::Load);
                self.ledger.store(run, begun, product).await
            }
        }
    }

    /// Runs the handler as a task of its own, so that neither a long computation nor a panic in it
    /// reaches further. Dropping this stops it.
    async fn process(&self, this: Try<'_>) -> Result<Product, HandlerError> {
        let (run, line, entry, output) =
            (this.run.clone(), this.line.clone(), this.entry.clone(), this.output.clone());
        let (attempt, storage) = (this.begun.number(), self.bucket.clone());
        let task = async move {
            let stage = |stage| entry.stage(stage);
            let work = Work {
                run: &run.record.run,
                item: &line.item,
                payload: line.payload.as_ref(),
                attempt,
                storage: &storage,
                stage: &stage,
                output: &output,
            };
            run.handler.process(work).await
        };
        let task = AbortOnDropHandle::new(tokio::spawn(task.in_current_span()));
        task.await
            .unwrap_or_else(|error| Err(HandlerError::Retry(anyhow!("the handler broke down: {error}"))))
    }

    async fn end(&self, run: &Run, begun: Begun, ending: Ending, output: &OutputTail) -> Outcome {
        match ending {
            Ending::Loaded(settled) => {
                self.board.count(Count::Done);
                Outcome::Ack(settled)
            }
            Ending::Yielded(reason, said) => {
                self.board.count(Count::Yielded);
                tracing::info!(?reason, "cut off: {said}");
                let given_back = self.ledger.give_back(&begun, reason, said, output);
                if let Err(error) = patiently(given_back).await {
                    tracing::warn!("cannot record that the attempt was cut off: {error:#}");
                }
                Outcome::GiveBack
            }
            Ending::Failed(reason, error) => self.fail(run, begun, reason, &error, output).await,
        }
    }

    async fn fail(
        &self,
        run: &Run,
        begun: Begun,
        reason: EndReason,
        error: &Error,
        output: &OutputTail,
    ) -> Outcome {
        tracing::error!(?reason, "failed: {error:#}");
        let said = format!("{error:#}");
        let said = Hidden::of_this_process().hide(&said);
        match patiently(self.ledger.fail(run, begun, reason, &said, output)).await {
            Ok(Failed::ForGood(settled)) => {
                self.board.count(Count::Failed);
                Outcome::Ack(settled)
            }
            Ok(Failed::Rests(rest)) => {
                self.board.count(Count::Retried);
                Outcome::Rest(rest)
            }
            Err(error) => {
                tracing::error!("cannot record the failure: {error:#}");
                Outcome::GiveBack
            }
        }
    }
}
