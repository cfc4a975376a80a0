//! How a local cloud stands, and which grants were used in it, as text.

use std::fmt::Write as _;

/// How a local cloud stands.
pub(crate) fn local_text(url: &str, status: &localcloud::daemon::Status) -> anyhow::Result<String> {
    let mut text = format!("the local cloud answers at {url}\n");
    let value = serde_json::to_value(status)?;
    push(&mut text, 0, &value);
    Ok(text)
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
