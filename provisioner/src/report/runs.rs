//! How runs stand, as text: a line each, one in full, and those that may go.

use std::fmt::Write as _;

use contract::{InFlight, Outcome};
use jiff::Timestamp;

use super::counted;
use super::plain::{one_line, plain};
use crate::runs::{Details, Held, Old, RunStatus};

/// Failures and items in flight that are shown.
const SHOWN: usize = 20;

/// All runs, a line each.
pub(crate) fn runs_list(runs: &[RunStatus]) -> String {
    if runs.is_empty() {
        return "no run yet: start one with `provision run --items FILE`\n".to_owned();
    }
    let now = Timestamp::now();
    let told = |run: &RunStatus| [Some(line(run)), interrupted(run, now).map(|said| format!("  {said}"))];
    let lines: Vec<String> = runs.iter().flat_map(told).flatten().collect();
    lines.join("\n") + "\n"
}

/// That publishing a run's items was interrupted, if it was, and what to do.
fn interrupted(run: &RunStatus, now: Timestamp) -> Option<String> {
    run.publishing_was_interrupted(now).then(|| {
        format!(
            "publishing was interrupted: the same command continues it, and so does `provision runs watch {}`",
            run.run
        )
    })
}

/// A run in a line.
pub(super) fn line(run: &RunStatus) -> String {
    let state = match run.closed.as_ref().map(|closed| closed.outcome) {
        None if run.cancelling => "cancelling",
        None if run.done + run.failed >= run.items => "settled",
        None => "open",
        Some(Outcome::Done) => "done",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Cancelled) => "cancelled",
        Some(Outcome::TimedOut) => "timed out",
        Some(Outcome::Stalled) => "stalled",
    };
    let RunStatus { run, created, items, done, failed, .. } = run;
    format!("{run}  {state:<9}  {done} of {items} done, {failed} failed  {}", created.strftime("%F %T UTC"))
}

/// One run.
pub(crate) fn run_show(details: &Details) -> String {
    let again = details.status.retry_of.as_ref().map(|old| format!(", tries {old} again"));
    let again = again.unwrap_or_default();
    let mut text = format!("{}\nstarted by {}{again}\n", line(&details.status), details.by);
    if let Some(closed) = &details.status.closed {
        let _ = writeln!(text, "took {:.1} s, {} nodes preempted", closed.seconds, closed.preemptions);
        if let Some(reason) = &closed.reason {
            let _ = writeln!(text, "{reason}");
        }
    }
    if details.status.closed.is_none() {
        let _ = writeln!(text, "{} workers are running", details.running);
    }
    let now = Timestamp::now();
    if let Some(said) = interrupted(&details.status, now) {
        let _ = writeln!(text, "{said}");
    }
    if !details.reasons.is_empty() {
        let seconds = now.duration_since(details.status.moved).as_secs();
        let _ = writeln!(text, "nothing has moved for {seconds} s");
    }
    for reason in &details.reasons {
        let _ = writeln!(text, "  {reason}");
    }
    for held in details.in_flight.iter().take(SHOWN) {
        let _ = writeln!(text, "{}", in_flight(held, now));
    }
    let hidden = details.in_flight.len().saturating_sub(SHOWN);
    if hidden > 0 {
        let _ = writeln!(text, "  and {hidden} more in flight");
    }
    for failure in details.failures.iter().take(SHOWN) {
        let _ = writeln!(
            text,
            "  failed: {}  after {}: {}",
            one_line(&failure.item.0),
            counted(failure.attempts.into(), "attempt"),
            plain(&failure.message)
        );
    }
    let hidden = details.failures.len().saturating_sub(SHOWN);
    if hidden > 0 {
        let _ = writeln!(text, "  and {hidden} more failures: --format json has them all");
    }
    text
}

fn in_flight(held: &Held, now: Timestamp) -> String {
    let InFlight { item, attempt, stage, since, .. } = &held.item;
    let stage = format!("{stage:?}").to_lowercase();
    format!(
        "  in flight: {}  attempt {attempt}, {stage}, since {} ({} s), on {}",
        one_line(&item.0),
        since.strftime("%T UTC"),
        now.duration_since(*since).as_secs(),
        held.node
    )
}

/// Runs whose records may go.
pub(crate) fn old_runs(runs: &[&Old]) -> String {
    if runs.is_empty() {
        return "no run ended so long ago\n".to_owned();
    }
    let line = |run: &&Old| {
        let Old { run, ended, objects, bytes, .. } = run;
        format!("- {run}  ended {}  {objects} records, {bytes} bytes\n", ended.strftime("%F %T UTC"))
    };
    runs.iter().map(line).collect()
}
