//! Failed items, as text.

use std::fmt::Write as _;

use contract::{Failure, FailureKind};

use super::counted;
use super::plain::{one_line, plain};

/// Failed items, a line each.
pub(crate) fn failures_list(failures: &[&Failure]) -> String {
    if failures.is_empty() {
        return "no item is failed\n".to_owned();
    }
    let line = |failure: &&Failure| {
        let first = failure.message.lines().next().unwrap_or_default();
        let attempts = counted(failure.attempts.into(), "attempt");
        format!("{}  {}  after {attempts}: {}\n", failure.run, one_line(&failure.item.0), plain(first))
    };
    failures.iter().map(line).collect()
}

/// Why nothing more is tried.
pub(super) fn why(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Permanent => "it can never succeed",
        FailureKind::AttemptsUsedUp => "its attempts are used up",
        FailureKind::Vanished => "its workers died of it again and again",
        FailureKind::DeadLettered => "Pub/Sub gave up delivering it",
    }
}

/// Everything about a failed item.
pub(crate) fn failure_show(failure: &Failure) -> String {
    let Failure { run, item, attempts, message, output_tail, pod, node, at, .. } = failure;
    let (kind, attempts) = (why(failure.kind), counted((*attempts).into(), "attempt"));
    let mut text = format!(
        "{}\n  run {run}, failed {} after {attempts} ({kind})\n  on {node}, {pod}\n",
        one_line(&item.0),
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
