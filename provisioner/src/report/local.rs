//! How a local cloud stands, and which grants were used in it, as text.

use std::fmt::Write as _;

use serde_json::Value;

/// How a local cloud stands.
pub(crate) fn local_text(url: &str, status: &localcloud::daemon::Status) -> anyhow::Result<String> {
    let mut text = format!("the local cloud answers at {url}\n");
    let value = serde_json::to_value(status)?;
    push(&mut text, 0, &value);
    Ok(text)
}

/// JSON as indented lines: a list of words is one, and each of a list of things begins with its name.
fn push(text: &mut String, depth: usize, value: &Value) {
    let indent = "  ".repeat(depth);
    for (name, inner) in value.as_object().into_iter().flatten() {
        match inner {
            Value::Array(things) if things.iter().any(Value::is_object) => {
                let _ = writeln!(text, "{indent}{name}:");
                for thing in things {
                    let (title, rest) = titled(thing);
                    let _ = writeln!(text, "{indent}  {title}");
                    push(text, depth + 2, &rest);
                }
            }
            Value::Array(words) => {
                let words: Vec<String> = words.iter().map(word).collect();
                let all = if words.is_empty() { "none".to_owned() } else { words.join(", ") };
                let _ = writeln!(text, "{indent}{name}: {all}");
            }
            Value::Object(_) => {
                let _ = writeln!(text, "{indent}{name}:");
                push(text, depth + 1, inner);
            }
            _ => {
                let _ = writeln!(text, "{indent}{name}: {}", word(inner));
            }
        }
    }
}

/// The name of a thing, and what else is known of it.
fn titled(thing: &Value) -> (String, Value) {
    let mut rest = thing.clone();
    let name = rest.as_object_mut().and_then(|fields| fields.remove("name"));
    (name.as_ref().map_or_else(|| "-".to_owned(), word), rest)
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
