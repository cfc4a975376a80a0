//! One message from delivery to ack: the protocol's steps in order, under the item's time limit and
//! the worker's own end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, anyhow};
use clients::Bucket;
use contract::{EndReason, ItemLine, Message, Stage};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use crate::board::{Board, Count, Entry};
use crate::handler::{Destination, HandlerError, Product, Work};
use crate::log;
use crate::output::OutputTail;
use crate::patience::patiently;
use crate::protocol::{Beginning, Begun, Ledger, Loaded, Place, Settled};
use crate::pull::Delivery;
use crate::redact::Secrets;
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
    /// Cuts off what is running: the worker's time is up.
    pub cut: CancellationToken,
}

/// What to do with a message.
enum Outcome {
    Ack(Settled),
    GiveBack,
}

/// How an attempt ended.
enum Ending {
    Loaded(Settled),
    Failed(EndReason, Error),
    /// The worker's time is up.
    Cut,
}

impl Workbench {
    /// Works on one message. True if it was an item of an open run.
    pub async fn handle(&self, delivery: Delivery) -> bool {
        let Delivery { data, lease } = delivery;
        let (ours, outcome) = match self.understand(&data).await {
            Ok((run, line)) => (true, self.work_on(&run, &Arc::new(line)).await),
            Err(outcome) => (false, outcome),
        };
        match outcome {
            Outcome::Ack(mut settled) => {
                let leftovers = settled.leftovers();
                lease.ack(settled);
                self.sweep(leftovers).await;
            }
            Outcome::GiveBack => lease.give_back(),
        }
        ours
    }

    /// Deletes what the item no longer needs, as long as there is time.
    async fn sweep(&self, leftovers: Vec<String>) {
        tokio::select! {
            _ = tokio::time::timeout(SWEEPING, self.ledger.sweep(leftovers)) => {}
            () = self.cut.cancelled() => {}
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

    async fn work_on(&self, run: &Arc<Run>, line: &Arc<ItemLine>) -> Outcome {
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
        self.try_item(run, line, Arc::new(entry)).instrument(span).await
    }

    async fn try_item(&self, run: &Arc<Run>, line: &Arc<ItemLine>, entry: Arc<Entry>) -> Outcome {
        let beginning = tokio::select! {
            beginning = patiently(self.ledger.begin(run, &line.item)) => beginning,
            () = self.cut.cancelled() => return Outcome::GiveBack,
        };
        let begun = match beginning {
            Ok(Beginning::Begun(begun)) => begun,
            Ok(Beginning::Settled(settled)) => {
                self.board.count(Count::Duplicate);
                return Outcome::Ack(settled);
            }
            Ok(Beginning::GivenUp(settled)) => {
                self.board.count(Count::Failed);
                return Outcome::Ack(settled);
            }
            Err(error) => {
                tracing::error!("cannot begin an attempt: {error:#}");
                return Outcome::GiveBack;
            }
        };
        Span::current().record("attempt", begun.number());
        entry.begin(begun.number());
        let output = OutputTail::default();
        log::keep(&Span::current(), &output);
        let limit = Duration::from_secs(run.record.config.item_timeout_seconds);
        let ending = tokio::select! {
            ending = self.attempt(run, line, &begun, &entry, &output) => ending,
            () = tokio::time::sleep(limit) => {
                Ending::Failed(EndReason::TimedOut, anyhow!("the attempt took longer than {} s", limit.as_secs()))
            }
            () = self.cut.cancelled() => Ending::Cut,
        };
        self.end(run, begun, ending, &output).await
    }

    /// Attempt → output → receipt.
    async fn attempt(
        &self,
        run: &Arc<Run>,
        line: &Arc<ItemLine>,
        begun: &Begun,
        entry: &Arc<Entry>,
        output: &OutputTail,
    ) -> Ending {
        let loaded = match self.store(run, line, begun, entry, output).await {
            Ok(loaded) => loaded,
            Err(HandlerError::Retry(error)) => return Ending::Failed(EndReason::Failed, error),
            Err(HandlerError::Permanent(error)) => return Ending::Failed(EndReason::Permanent, error),
        };
        entry.stage(Stage::Commit);
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

    async fn store(
        &self,
        run: &Arc<Run>,
        line: &Arc<ItemLine>,
        begun: &Begun,
        entry: &Arc<Entry>,
        output: &OutputTail,
    ) -> Result<Loaded, HandlerError> {
        let process =
            || self.process(run.clone(), line.clone(), begun.number(), entry.clone(), output.clone());
        match run.handler.destination(&line.item)? {
            Destination::One(at) => {
                let generation = match self.ledger.look(run, begun, &at).await? {
                    Place::Done(loaded) => return Ok(loaded),
                    Place::Open(generation) => generation,
                };
                let product = process().await?;
                entry.stage(Stage::Load);
                self.ledger.load(run, begun, &at, product, generation).await
            }
            Destination::Several => {
                if let Some(loaded) = self.ledger.resume(run, begun).await? {
                    return Ok(loaded);
                }
                let product = process().await?;
                entry.stage(Stage::Load);
                self.ledger.store(run, begun, product).await
            }
        }
    }

    /// Runs the handler as a task of its own, so that neither a long computation nor a panic in it
    /// reaches further. Dropping this stops it.
    async fn process(
        &self,
        run: Arc<Run>,
        line: Arc<ItemLine>,
        attempt: u32,
        entry: Arc<Entry>,
        output: OutputTail,
    ) -> Result<Product, HandlerError> {
        let storage = self.bucket.clone();
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
            Ending::Cut => {
                self.board.count(Count::Yielded);
                tracing::info!("cut off: the worker was asked to stop");
                let said = "the worker was asked to stop";
                let given_back = self.ledger.give_back(&begun, EndReason::Terminated, said, output);
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
        let limit = run.record.config.attempts;
        let said = format!("{error:#}");
        let said = Secrets::of_this_process().hide(&said);
        match patiently(self.ledger.fail(begun, limit, reason, &said, output)).await {
            Ok(Some(settled)) => {
                self.board.count(Count::Failed);
                Outcome::Ack(settled)
            }
            Ok(None) => {
                self.board.count(Count::Retried);
                Outcome::GiveBack
            }
            Err(error) => {
                tracing::error!("cannot record the failure: {error:#}");
                Outcome::GiveBack
            }
        }
    }
}

/// Reads a message. The error says why nobody can.
fn parse(data: &[u8]) -> Result<Message, String> {
    let message: Message = serde_json::from_slice(data).map_err(|error| error.to_string())?;
    if !message.run.is_valid() {
        return Err("its `run` is not the name of a run".to_owned());
    }
    if message.item.0.is_empty() {
        return Err("its `item` is empty".to_owned());
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_that_name_a_run_and_an_item_are_read() {
        assert!(parse(br#"{"run":"fx-20260131-000000-01234567","item":"USD"}"#).is_ok());
        for junk in [
            &b"\xff\x00"[..],
            b"",
            b"[]",
            b"{}",
            br#"{"run":"../../x","item":"USD"}"#,
            br#"{"run":"fx","item":""}"#,
            br#"{"run":"fx","item":7}"#,
        ] {
            assert!(parse(junk).is_err(), "{}", String::from_utf8_lossy(junk));
        }
    }
}
