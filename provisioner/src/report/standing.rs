//! How a stack, its runs and its local cloud stand, as text.

use std::fmt::Write as _;

use contract::Outcome;
use jiff::Timestamp;

use crate::commands::StackStatus;
use crate::runs::{Details, Standing};

/// Failures and items in flight that are shown.
const SHOWN: usize = 20;

/// All runs, a line each.
pub(crate) fn runs_list(runs: &[Standing]) -> String {
    if runs.is_empty() {
        return "no run yet: start one with `provision run --items FILE`\n".to_owned();
    }
    let lines: Vec<String> = runs.iter().map(line).collect();
    lines.join("\n") + "\n"
}

fn line(run: &Standing) -> String {
    let state = match run.closed.as_ref().map(|closed| closed.outcome) {
        None if run.done + run.failed >= run.items => "settled",
        None => "open",
        Some(Outcome::Done) => "done",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Cancelled) => "cancelled",
        Some(Outcome::TimedOut) => "timed out",
        Some(Outcome::Stalled) => "stalled",
    };
    let Standing { run, created, items, done, failed, .. } = run;
    format!("{run}  {state:<9}  {done} of {items} done, {failed} failed  {}", created.strftime("%F %T UTC"))
}

/// One run.
pub(crate) fn run_show(details: &Details) -> String {
    let mut text = format!("{}\nstarted by {}\n", line(&details.standing), details.by);
    if let Some(closed) = &details.standing.closed {
        let _ = writeln!(text, "took {:.1} s, {} nodes preempted", closed.seconds, closed.preemptions);
        if let Some(reason) = &closed.reason {
            let _ = writeln!(text, "{reason}");
        }
    }
    if details.standing.closed.is_none() {
        let _ = writeln!(text, "{} workers are running", details.running);
    }
    for held in details.in_flight.iter().take(SHOWN) {
        let item = &held.item;
        let since = Timestamp::now().duration_since(item.since).as_secs();
        let stage = format!("{:?}", item.stage).to_lowercase();
        let _ = writeln!(
            text,
            "  in flight: {}  attempt {}, {stage}, for {since} s, on {}",
            shown(&item.item.0),
            item.attempt,
            held.node
        );
    }
    for failure in details.failures.iter().take(SHOWN) {
        let _ = writeln!(
            text,
            "  failed: {}  after {} attempts: {}",
            shown(&failure.item.0),
            failure.attempts,
            failure.message
        );
    }
    let hidden = details.failures.len().saturating_sub(SHOWN);
    if hidden > 0 {
        let _ = writeln!(text, "  and {hidden} more failures: --format json has them all");
    }
    text
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
        let _ = writeln!(text, "run {}", line(&run.standing));
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
