//! How a stack, its runs and its local cloud stand, as text.

use std::fmt::Write as _;

use contract::{Failure, InFlight, Outcome};
use jiff::Timestamp;

use super::counted;
use super::plain::plain;
use crate::commands::StackStatus;
use crate::runs::{Details, Held, Old, RunStatus};

/// Failures and items in flight that are shown.
const SHOWN: usize = 20;

/// All runs, a line each.
pub(crate) fn runs_list(runs: &[RunStatus]) -> String {
    if runs.is_empty() {
        return "no run yet: start one with `provision run --items FILE`\n".to_owned();
    }
    let lines: Vec<String> = runs.iter().map(line).collect();
    lines.join("\n") + "\n"
}

fn line(run: &RunStatus) -> String {
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
            shown(&failure.item.0),
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
        shown(&item.0),
        since.strftime("%T UTC"),
        now.duration_since(*since).as_secs(),
        held.node
    )
}

/// Failed items, a line each.
pub(crate) fn failures_list(failures: &[&Failure]) -> String {
    if failures.is_empty() {
        return "no item is failed\n".to_owned();
    }
    let line = |failure: &&Failure| {
        let first = failure.message.lines().next().unwrap_or_default();
        let attempts = counted(failure.attempts.into(), "attempt");
        format!("{}  {}  after {attempts}: {}\n", failure.run, shown(&failure.item.0), plain(first))
    };
    failures.iter().map(line).collect()
}

/// Everything about a failed item.
pub(crate) fn failure_show(failure: &Failure) -> String {
    let Failure { run, item, attempts, message, output_tail, pod, node, at, .. } = failure;
    let (kind, attempts) = (format!("{:?}", failure.kind), counted((*attempts).into(), "attempt"));
    let mut text = format!(
        "{}\n  run {run}, failed {} after {attempts} ({kind})\n  on {node}, {pod}\n",
        shown(&item.0),
        at.strftime("%F %T UTC"),
    );
    for line in message.lines() {
        let _ = writeln!(text, "  {}", plain(line));
    }
    if !output_tail.is_empty() {
        text.push_str("  the last that it printed:\n");
        for line in output_tail.lines() {
            let _ = writeln!(text, "  | {}", plain(line));
        }
    }
    text
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

/// An item as one line of text: its control characters never reach a terminal.
fn shown(item: &str) -> String {
    item.escape_debug().to_string()
}

/// How a stack stands.
pub(crate) fn status_text(status: &StackStatus) -> String {
    let mut text = format!("stack {}, project {}\n", status.stack, status.project);
    match status.differences.len() {
        0 => text.push_str("resources: as the file says\n"),
        count => {
            let _ = writeln!(text, "resources: {count} differ from the file (`provision plan` shows how)");
        }
    }
    for (pool, nodes) in &status.pools {
        let _ = writeln!(text, "pool {pool}: {} nodes ready, at most {}", nodes.ready, nodes.max);
    }
    if status.runs.is_empty() {
        text.push_str("no open run\n");
    }
    for run in &status.runs {
        let _ = writeln!(text, "run {}", line(&run.status));
        for reason in &run.reasons {
            let _ = writeln!(text, "  {reason}");
        }
    }
    text
}

/// How a local cloud stands.
pub(crate) fn local_text(url: &str, status: &localcloud::daemon::Status) -> anyhow::Result<String> {
    let mut text = format!("the local cloud answers at {url}\n");
    let value = serde_json::to_value(status)?;
    push(&mut text, 0, &value);
    Ok(text)
}

/// The grants that were used, each with what it was used for.
pub(crate) fn grants_text(uses: &[localcloud::Use]) -> String {
    let mut text = String::new();
    for grant in uses {
        let _ = writeln!(text, "{} on {}\n  to {}", grant.role, grant.on, grant.member);
        for permission in &grant.permissions {
            let _ = writeln!(text, "  used for {permission}");
        }
    }
    text
}

/// JSON as indented lines.
fn push(text: &mut String, depth: usize, value: &serde_json::Value) {
    let indent = "  ".repeat(depth);
    let mut entry = |name: &str, inner: &serde_json::Value| {
        if inner.is_object() || inner.is_array() {
            let _ = writeln!(text, "{indent}{name}:");
            push(text, depth + 1, inner);
        } else {
            let shown = inner.as_str().map_or_else(|| inner.to_string(), str::to_owned);
            let _ = writeln!(text, "{indent}{name}: {shown}");
        }
    };
    match value {
        serde_json::Value::Object(entries) => entries.iter().for_each(|(name, inner)| entry(name, inner)),
        serde_json::Value::Array(items) => items.iter().for_each(|inner| entry("-", inner)),
        _ => {}
    }
}
