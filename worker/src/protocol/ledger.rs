//! Begins and ends attempts, each by one object that is created once.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clients::{Bucket, Conditional, Metadata};
use contract::{Attempt, AttemptEnd, EndReason, Failure, FailureKind, Item, Receipt, WorkerConfig, layout};
use jiff::Timestamp;
use tokio::try_join;

use super::backoff;
use super::history::{End, History, Verdict};
use crate::output::OutputTail;
use crate::runs::Run;
use crate::settings::Identity;

/// Attempts beyond the limit at an item whose outputs are recorded: what is left is to promote them,
/// which its own work cannot make fail.
const PROMOTIONS: u32 = 10;
/// Numbers that may be taken from under us before we let another worker have the item.
const ROUNDS: usize = 10;

/// The records of all runs, as one worker writes them.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(super) bucket: Bucket,
    pub(super) us: Identity,
}

/// Proof that nothing is left to do for a message: its item has a receipt or a failure, or it is no
/// item of an open run at all. Only this lets a message be acked.
#[derive(Debug)]
pub struct Settled {
    /// Staged objects that are of no use any more.
    leftovers: Vec<String>,
}

/// An attempt that is recorded. Only this lets work start.
#[derive(Debug)]
pub struct Begun {
    pub(super) attempt: Attempt,
    /// Attempts that failed before this one.
    failed: u32,
}

/// What came of wanting to begin.
#[derive(Debug)]
pub enum Beginning {
    /// Work may start.
    Begun(Begun),
    /// There was nothing left to do.
    Settled(Settled),
    /// It has been tried too often; that is recorded now.
    GivenUp(Settled),
    /// It failed a moment ago: nobody may try again for so long.
    TooSoon(Duration),
}

/// What came of a failed attempt.
#[derive(Debug)]
pub enum Failed {
    /// It was the item's last.
    ForGood(Settled),
    /// There is another after so long.
    Rests(Duration),
}

impl Settled {
    /// A message that belongs to no open run: unreadable, or of a run that is closed or cancelled.
    pub(crate) fn not_open() -> Self {
        Self::with(&[])
    }

    fn with(leftovers: &[String]) -> Self {
        Self { leftovers: leftovers.to_vec() }
    }

    /// What is to be swept away after the ack.
    pub(crate) fn leftovers(&mut self) -> Vec<String> {
        std::mem::take(&mut self.leftovers)
    }
}

impl Begun {
    /// Number of the attempt, counted from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.attempt.number
    }
}

impl Ledger {
    /// The ledger of the worker `us` in the bucket that holds the runs.
    #[must_use]
    pub fn new(bucket: Bucket, us: Identity) -> Self {
        Self { bucket, us }
    }

    /// Records an attempt at the item, unless it is settled or must be given up.
    pub async fn begin(&self, run: &Run, item: &Item) -> Result<Beginning> {
        let mut attempt = self.attempt(run, item);
        let mut failed = 0;
        for _ in 0..ROUNDS {
            if self.create(&attempt).await? {
                return Ok(Beginning::Begun(Begun { attempt, failed }));
            }
            let (history, settled) = try_join!(self.history(&attempt), self.is_settled(&attempt))?;
            if settled {
                return Ok(Beginning::Settled(Settled::with(&[])));
            }
            if self.is_ours(&history, &attempt).await? {
                return Ok(Beginning::Begun(Begun { attempt, failed }));
            }
            let limit = run.record.config.attempts;
            let verdict = match history.judge(limit, 0, &self.us.pod) {
                Verdict::GiveUp(_) if self.is_recorded(&attempt).await? => {
                    history.judge(limit, PROMOTIONS, &self.us.pod)
                }
                verdict => verdict,
            };
            match verdict {
                Verdict::Try(number) => match rest(run, &history) {
                    Some(rest) => return Ok(Beginning::TooSoon(rest)),
                    None => attempt.number = number,
                },
                Verdict::GiveUp(kind) => {
                    return self.give_up(&attempt, &history, kind).await.map(Beginning::GivenUp);
                }
            }
            failed = history.failed().1;
        }
        bail!("other workers began attempts at this item {ROUNDS} times while this one tried to")
    }

    /// Ends an attempt that failed, and says when there may be another.
    pub async fn fail(
        &self,
        run: &Run,
        begun: Begun,
        reason: EndReason,
        message: &str,
        output: &OutputTail,
    ) -> Result<Failed> {
        let WorkerConfig { attempts: limit, retry, .. } = run.record.config;
        let failures = begun.failed.saturating_add(1);
        let kind = match reason {
            EndReason::Permanent => Some(FailureKind::Permanent),
            _ if failures < limit => None,
            _ if failures < limit.saturating_add(PROMOTIONS) && self.is_recorded(&begun.attempt).await? => {
                None
            }
            _ => Some(FailureKind::AttemptsUsedUp),
        };
        let mut end = end(&begun.attempt, reason, message, output);
        let mut metadata = Metadata::new();
        if kind.is_none() {
            let not_before = backoff::not_before(retry, failures, rand::random(), end.at);
            metadata.insert(AttemptEnd::META_NOT_BEFORE.to_owned(), not_before.to_string());
            end.not_before = Some(not_before);
        }
        let (of, number) = (&begun.attempt, begun.attempt.number);
        let name = layout::attempt_failed(&of.run, &of.item, number);
        self.bucket.create_json(&name, &end, metadata).await?;
        match kind {
            Some(kind) => {
                self.write_failure(of, number, kind, end.message, end.output_tail).await.map(Failed::ForGood)
            }
            None => Ok(Failed::Rests(
                end.not_before.and_then(|at| backoff::wait(retry, at, Timestamp::now())).unwrap_or_default(),
            )),
        }
    }

    /// Ends an attempt that was cut short through no fault of the item.
    pub async fn give_back(
        &self,
        begun: &Begun,
        reason: EndReason,
        message: &str,
        output: &OutputTail,
    ) -> Result<()> {
        let attempt = &begun.attempt;
        let name = layout::attempt_yielded(&attempt.run, &attempt.item, attempt.number);
        self.bucket.create_json(&name, &end(attempt, reason, message, output), Metadata::new()).await?;
        Ok(())
    }

    /// Writes the receipt; one that is there already is as good.
    pub(super) async fn write_receipt(&self, receipt: &Receipt, leftovers: &[String]) -> Result<Settled> {
        let name = layout::receipt(&receipt.run, &receipt.item);
        let rejected = receipt.rows_rejected.filter(|rows| *rows > 0);
        let metadata = rejected.map(|rows| (Receipt::META_ROWS_REJECTED.to_owned(), rows.to_string()));
        self.bucket.create_json(&name, receipt, metadata.into_iter().collect()).await?;
        Ok(Settled::with(leftovers))
    }

    fn attempt(&self, run: &Run, item: &Item) -> Attempt {
        Attempt {
            run: run.record.run.clone(),
            item: item.clone(),
            number: 1,
            execution: format!("{:016x}", rand::random::<u64>()),
            worker_run: self.us.run.clone(),
            index: self.us.index,
            pod: self.us.pod.clone(),
            node: self.us.node.clone(),
            started: Timestamp::now(),
        }
    }

    async fn create(&self, attempt: &Attempt) -> Result<bool> {
        let name = layout::attempt(&attempt.run, &attempt.item, attempt.number);
        let metadata = [
            (Attempt::META_WORKER_RUN, attempt.worker_run.0.clone()),
            (Attempt::META_INDEX, attempt.index.to_string()),
            (Attempt::META_POD, attempt.pod.clone()),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into();
        Ok(matches!(self.bucket.create_json(&name, attempt, metadata).await?, Conditional::Stored(_)))
    }

    /// Whether the number is taken by our own write, whose answer was lost.
    async fn is_ours(&self, history: &History, attempt: &Attempt) -> Result<bool> {
        if history.get(attempt.number).is_none_or(|taken| taken.pod != self.us.pod) {
            return Ok(false);
        }
        let name = layout::attempt(&attempt.run, &attempt.item, attempt.number);
        let taken = self.bucket.read_json::<Attempt>(&name).await?;
        Ok(taken.is_some_and(|(taken, _)| taken.execution == attempt.execution))
    }

    async fn history(&self, attempt: &Attempt) -> Result<History> {
        let prefix = layout::attempts_of(&attempt.run, &attempt.item);
        Ok(History::read(&prefix, &self.bucket.list(&prefix).await?))
    }

    async fn is_settled(&self, attempt: &Attempt) -> Result<bool> {
        let receipt = layout::receipt(&attempt.run, &attempt.item);
        let failure = layout::failure(&attempt.run, &attempt.item);
        let (receipt, failure) = try_join!(self.bucket.stat(&receipt), self.bucket.stat(&failure))?;
        Ok(receipt.is_some() || failure.is_some())
    }

    /// Whether an execution's outputs are all made, and recorded as those that count.
    async fn is_recorded(&self, attempt: &Attempt) -> Result<bool> {
        let name = layout::commit(&attempt.run, &attempt.item);
        Ok(self.bucket.stat(&name).await?.is_some())
    }

    /// Writes the failure of an item that earlier attempts used up.
    async fn give_up(&self, attempt: &Attempt, history: &History, kind: FailureKind) -> Result<Settled> {
        let (run, item) = (&attempt.run, &attempt.item);
        let last = match (kind, history.failed().0, history.latest_end()) {
            // Those that vanished left nothing; what an earlier one printed may tell why.
            (FailureKind::Vanished, _, Some((number, End::Yielded))) => {
                Some(layout::attempt_yielded(run, item, number))
            }
            (_, Some(number), _) => Some(layout::attempt_failed(run, item, number)),
            _ => None,
        };
        let last = match last {
            Some(name) => self.bucket.read_json::<AttemptEnd>(&name).await?.map(|(end, _)| end),
            None => None,
        };
        let (message, tail) = match (kind, last) {
            (FailureKind::Vanished, last) => {
                (VANISHED.to_owned(), last.map(|end| end.output_tail).unwrap_or_default())
            }
            (_, Some(end)) => (end.message, end.output_tail),
            (_, None) => ("its attempts are used up".to_owned(), String::new()),
        };
        let tries = history.latest().map_or(0, |(number, _)| number);
        self.write_failure(attempt, tries, kind, message, tail).await
    }

    async fn write_failure(
        &self,
        attempt: &Attempt,
        attempts: u32,
        kind: FailureKind,
        message: String,
        output_tail: String,
    ) -> Result<Settled> {
        let failure = Failure {
            run: attempt.run.clone(),
            item: attempt.item.clone(),
            kind,
            attempts,
            message,
            output_tail,
            pod: self.us.pod.clone(),
            node: self.us.node.clone(),
            at: Timestamp::now(),
        };
        let name = layout::failure(&failure.run, &failure.item);
        self.bucket
            .create_json(&name, &failure, Metadata::new())
            .await
            .context("cannot record the failure")?;
        Ok(Settled::with(&[]))
    }
}

/// How long nobody may try the item again.
fn rest(run: &Run, history: &History) -> Option<Duration> {
    backoff::wait(run.record.config.retry, history.not_before()?, Timestamp::now())
}

/// The whole message stands in what the attempt has logged.
fn end(attempt: &Attempt, reason: EndReason, message: &str, output: &OutputTail) -> AttemptEnd {
    AttemptEnd {
        execution: attempt.execution.clone(),
        reason,
        message: message.lines().next().unwrap_or_default().to_owned(),
        output_tail: output.text(),
        at: Timestamp::now(),
        not_before: None,
    }
}

const VANISHED: &str = "five attempts in a row ended without a word: the worker was killed each time, \
     most likely for using more memory than its limit";
