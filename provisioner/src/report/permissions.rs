//! The least roles of a command, and what stands in the way of a plan, as text and as data.

use std::fmt::Write as _;

use serde::Serialize;

use super::Style;
use crate::finding::{Finding, Level};
use crate::permissions::{Doing, Role};

/// One role a line, for `xargs` and for people.
pub(crate) fn permissions_text(roles: &[Role]) -> String {
    roles.iter().flat_map(|role| [role.role.as_ref(), "\n"]).collect()
}

/// The roles, each with the permissions that it is taken for.
pub(crate) fn permissions_json(doing: Doing, stack: &str, roles: &[Role]) -> impl Serialize {
    serde_json::json!({ "format_version": 1, "stack": stack, "command": doing, "roles": roles })
}

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
        let _ = writeln!(text, "\n{level}: {}\n  {}", finding.what, finding.help);
    }
}
