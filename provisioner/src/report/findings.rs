//! What stands in the way of a plan, as text.

use std::fmt::Write as _;

use super::{Style, plain_lines};
use crate::finding::{Finding, Level};

/// What stands in the way, for people; empty if nothing does.
pub(crate) fn findings_text(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    push_findings(&mut text, findings, style);
    text.trim_start().to_owned()
}

/// What stands in the way, a paragraph each.
pub(super) fn push_findings(text: &mut String, findings: &[Finding], style: Style) {
    for finding in findings {
        let level = match finding.level {
            Level::Error => style.red("error"),
            Level::Warning => style.yellow("warning"),
            Level::Note => style.dim("note"),
        };
        let _ = writeln!(text, "\n{level}: {}\n  {}", plain_lines(&finding.what), plain_lines(&finding.help));
    }
}
