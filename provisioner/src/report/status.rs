//! How a stack stands, as text.

use std::fmt::Write as _;

use super::runs::line;
use crate::commands::StackStatus;

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
