//! How a run goes and how it ended: a bar on a terminal, lines elsewhere, a report at the end.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::{Closed, Outcome, Receipt, RunRecord};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{counted, note};
use crate::runs::{Progress, Rejected};

/// Lines elsewhere than on a terminal come at most this often, but for the last.
const BETWEEN_LINES: Duration = Duration::from_secs(2);
/// Reasons shown when nothing moves.
const REASONS: usize = 5;

/// Tells how a run goes.
pub(crate) struct RunProgress {
    bar: Option<ProgressBar>,
    last_line: Mutex<Option<Instant>>,
}

impl RunProgress {
    /// For this process's stderr.
    pub(crate) fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template("  {bar:40} {pos}/{len} {msg} {elapsed}, {eta} to go");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, last_line: Mutex::new(None) }
    }

    /// Hears how it goes.
    pub(crate) fn tell(&self, progress: Progress) {
        match progress {
            Progress::Items { done, failed, total, workers } => self.items(done, failed, total, workers),
            Progress::Still { since, reasons } => {
                self.line(&format!("nothing has moved for {} s", since.as_secs()));
                let reasons = if reasons.is_empty() {
                    vec!["no reason is to be seen; `provision logs` may tell".into()]
                } else {
                    reasons
                };
                reasons.iter().take(REASONS).for_each(|reason| self.line(&format!("  {reason}")));
            }
        }
    }

    fn items(&self, done: usize, failed: usize, total: u64, workers: usize) {
        if let Some(bar) = &self.bar {
            bar.set_position((done + failed) as u64);
            bar.set_message(format!("done {done}, failed {failed}, {},", counted(workers as u64, "worker")));
            return;
        }
        let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = (done + failed) as u64 >= total;
        if ended || last.is_none_or(|last| last.elapsed() >= BETWEEN_LINES) {
            *last = Some(Instant::now());
            let workers = counted(workers as u64, "worker");
            note(&format!("{done} of {total} done, {failed} failed, {workers}"));
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[derive(Serialize)]
struct RunJson<'a> {
    run: &'a str,
    job: &'a str,
    outcome: Outcome,
    items: u64,
    done: u64,
    failed: u64,
    seconds: f64,
    preemptions: u64,
    reason: Option<&'a str>,
    receipts: &'a [Receipt],
}

/// The end of a run, as data.
pub(crate) fn run_json(run: &RunRecord, closed: &Closed, receipts: &[Receipt]) -> impl Serialize {
    serde_json::json!(RunJson {
        run: &run.run.0,
        job: &run.job,
        outcome: closed.outcome,
        items: run.count,
        done: closed.done,
        failed: closed.failed,
        seconds: closed.seconds,
        preemptions: closed.preemptions,
        reason: closed.reason.as_deref(),
        receipts,
    })
}

/// The end of a run, in a few lines; the last one is the whole truth.
pub(crate) fn run_text(run: &RunRecord, closed: &Closed, rejected: Rejected, words: &str) -> String {
    let mut text = String::new();
    let Closed { outcome, done, failed, seconds, preemptions, reason, .. } = closed;
    let said = match outcome {
        Outcome::Done | Outcome::Failed => "ended",
        Outcome::Cancelled => "was cancelled",
        Outcome::TimedOut => "ran out of time",
        Outcome::Stalled => "could not go on",
    };
    let _ = writeln!(text, "run {} {said} after {seconds:.1} s", run.run);
    if let Some(reason) = reason {
        let _ = writeln!(text, "{reason}");
    }
    if *failed > 0 {
        let _ = writeln!(text, "what failed, and why: provision runs show{words} {}", run.run);
    }
    if rejected.rows > 0 {
        let _ = writeln!(
            text,
            "{} did not fit their schema, and are left out",
            super::account::rejected(rejected)
        );
    }
    // Of a run that came to its end, an item with neither receipt nor failure would be lost; of one
    // that did not, it is only not done.
    let open = run.count.saturating_sub(done + failed);
    let ended = matches!(outcome, Outcome::Done | Outcome::Failed);
    let lost = if ended { format!("{open} items lost, ") } else { String::new() };
    let nodes = if *preemptions == 1 { "1 node".to_owned() } else { format!("{preemptions} nodes") };
    let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
    let open = if open > 0 && !ended { format!(", {open} not done") } else { String::new() };
    let _ = writeln!(text, "{nodes} preempted, {lost}{done} of {} done{failed}{open}", run.count);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{EtlConfig, Handler, RunId, WorkerConfig};

    fn record() -> RunRecord {
        let etl: EtlConfig =
            serde_json::from_str(r#"{"extract":"gs://b/{item}.csv","load":"gs://b/{item}.csv"}"#)
                .expect("etl");
        RunRecord {
            format: 1,
            run: RunId("fx-20260131-120000-01234567".into()),
            job: "fx".into(),
            stack: "fx".into(),
            created: jiff::Timestamp::UNIX_EPOCH,
            by: "ann@laptop".into(),
            count: 32,
            items_sha256: String::new(),
            config: WorkerConfig {
                handler: Handler::Etl(Box::new(etl)),
                attempts: 5,
                item_timeout_seconds: 600,
                retry: contract::RetrySpacing::default(),
            },
            config_sha256: String::new(),
            image: None,
            topic: String::new(),
            subscription: String::new(),
            workers: 10,
            max_run_time_seconds: 60,
            max_cost: None,
            fleet: None,
            retry_of: None,
        }
    }

    fn closed(outcome: Outcome, done: u64, failed: u64, preemptions: u64) -> Closed {
        Closed {
            outcome,
            at: jiff::Timestamp::UNIX_EPOCH,
            done,
            failed,
            seconds: 12.34,
            preemptions,
            reason: None,
        }
    }

    #[test]
    fn the_last_line_is_the_whole_truth() {
        insta::assert_snapshot!(run_text(&record(), &closed(Outcome::Done, 32, 0, 4), Rejected::default(), ""), @r"
        run fx-20260131-120000-01234567 ended after 12.3 s
        4 nodes preempted, 0 items lost, 32 of 32 done
        ");
        insta::assert_snapshot!(run_text(&record(), &closed(Outcome::TimedOut, 29, 1, 1), Rejected { rows: 600, items: 3 }, " --local"), @r"
        run fx-20260131-120000-01234567 ran out of time after 12.3 s
        what failed, and why: provision runs show --local fx-20260131-120000-01234567
        600 rows of 3 items did not fit their schema, and are left out
        1 node preempted, 29 of 32 done, 1 failed, 2 not done
        ");
    }
}
