//! What a change does to a field, as text.

use std::fmt::Write as _;

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::{Style, plain};
use crate::compare::FieldChange;

/// A field before and after; of texts of several lines what of them differs.
pub(super) fn push_field(text: &mut String, field: &FieldChange, style: Style) {
    let FieldChange { path, before, after } = field;
    let path = plain(path);
    match (before.as_str(), after.as_str()) {
        (Some(before), Some(after)) if before.contains('\n') || after.contains('\n') => {
            let _ = writeln!(text, "      {path}:");
            for change in TextDiff::from_lines(before, after).iter_all_changes() {
                let line = plain(change.value().trim_end_matches('\n'));
                let line = match change.tag() {
                    ChangeTag::Equal => format!("  {line}"),
                    ChangeTag::Insert => style.green(format!("+ {line}")),
                    ChangeTag::Delete => style.red(format!("- {line}")),
                };
                let _ = writeln!(text, "        {line}");
            }
        }
        _ => {
            let _ = writeln!(text, "      {path}: {} → {}", shown(before), shown(after));
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => plain(text).into_owned(),
        other => plain(&other.to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_in_a_value_paints_or_moves_the_cursor() {
        let mut text = String::new();
        for (before, after) in [("a\u{1b}[2J", "b\rc"), ("a\nb\u{1b}[1m\n", "a\n")] {
            let field = FieldChange { path: "name".into(), before: json!(before), after: json!(after) };
            push_field(&mut text, &field, Style::plain());
        }
        insta::assert_snapshot!(text, @r"
        name: a\u{1b}[2J → b\rc
        name:
            a
          - b\u{1b}[1m
        ");
    }
}
