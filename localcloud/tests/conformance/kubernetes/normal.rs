//! Makes what differs from run to run the same: uids, times, revisions, generated names, addresses in memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// What was seen so far in one case, so that the same uid or name reads the same everywhere.
#[derive(Default)]
pub(super) struct Normal {
    uids: Vec<String>,
    /// Generated names, and how they read.
    names: BTreeMap<String, String>,
    generated: BTreeMap<String, usize>,
}

impl Normal {
    /// Notes the generated names in a body.
    pub(super) fn note(&mut self, body: &Value) {
        match body {
            Value::Object(map) => {
                let text = |key: &str| body.pointer(key).and_then(Value::as_str).unwrap_or_default();
                let (name, base) = (text("/metadata/name"), text("/metadata/generateName"));
                if !base.is_empty() && name.starts_with(base) && !self.names.contains_key(name) {
                    let number = self.generated.entry(base.to_owned()).or_default();
                    *number += 1;
                    self.names.insert(name.to_owned(), format!("{base}<{number}>"));
                }
                map.values().for_each(|value| self.note(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.note(item)),
            _ => {}
        }
    }

    /// A text as it reads in every run.
    pub(super) fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, shown) in &self.names {
            text = text.replace(name, shown);
        }
        let mut read = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let boundary = !read.ends_with(|c: char| c.is_ascii_alphanumeric());
            if boundary && let Some(length) = shape(rest, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh") {
                let number = self.number(&rest[..length]);
                let _ = write!(read, "<uid {number}>");
                rest = &rest[length..];
            } else if boundary && let Some(mut length) = shape(rest, "dddd-dd-ddTdd:dd:dd") {
                let fraction = &rest[length..];
                if let Some(digits) = fraction.strip_prefix('.') {
                    length += 1 + digits.chars().take_while(char::is_ascii_digit).count();
                }
                length += usize::from(rest[length..].starts_with('Z'));
                read.push_str("<time>");
                rest = &rest[length..];
            } else if let Some(after) = rest.strip_prefix("\"resourceVersion\":\"") {
                read.push_str("\"resourceVersion\":\"<revision>");
                rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            } else if rest.starts_with("0xc0") && shape(rest, "0xchhhhhhhhh").is_some() {
                read.push_str("<address>");
                rest = rest[3..].trim_start_matches(|c: char| c.is_ascii_hexdigit());
            } else if rest.starts_with('-')
                && shape(rest, "-dddddddd").is_some()
                && !starts_with_digit(rest.get(9..))
            {
                // A cron job names its Jobs by the minute.
                read.push_str("-<minute>");
                rest = &rest[9..];
            } else {
                read.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        read
    }

    fn number(&mut self, uid: &str) -> usize {
        let known = self.uids.iter().position(|known| known == uid);
        1 + known.unwrap_or_else(|| {
            self.uids.push(uid.to_owned());
            self.uids.len() - 1
        })
    }
}

fn starts_with_digit(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit()))
}

/// The length of a pattern that the text begins with: `h` is a hexadecimal digit, `d` a decimal one.
fn shape(text: &str, pattern: &str) -> Option<usize> {
    let mut bytes = text.bytes();
    let fits = pattern.bytes().all(|wanted| match (wanted, bytes.next()) {
        (b'h', Some(byte)) => byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase(),
        (b'd', Some(byte)) => byte.is_ascii_digit(),
        (wanted, found) => found == Some(wanted),
    });
    fits.then_some(pattern.len())
}

/// A body without what no two runs share: which of several managers of one second comes first, and what the parts of a
/// control plane wrote themselves, of which the local one keeps no account.
pub(super) fn settled(body: &Value) -> Value {
    match body {
        Value::Object(map) => {
            let field = |(name, value): (&String, &Value)| {
                let mut value = settled(value);
                if name == "managedFields"
                    && let Some(managers) = value.as_array_mut()
                {
                    managers.retain(|manager| manager["manager"] != "kube-controller-manager");
                    managers.sort_by_key(|manager| {
                        ["operation", "manager", "subresource"].map(|key| manager[key].to_string())
                    });
                }
                if name == "causes"
                    && let Some(causes) = value
                        .as_array_mut()
                        .filter(|causes| causes.iter().all(|cause| cause["reason"] == "FieldManagerConflict"))
                {
                    causes.sort_by_key(|cause| ["message", "field"].map(|key| cause[key].to_string()));
                }
                let is_nothing = name == "managedFields" && value.as_array().is_some_and(Vec::is_empty);
                (!is_nothing).then(|| (name.clone(), value))
            };
            Value::Object(map.iter().filter_map(field).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(settled).collect()),
        Value::String(text) => without_numbers(text).into(),
        other => other.clone(),
    }
}

/// A message without the object that it quotes whole, and without revisions.
fn without_numbers(text: &str) -> String {
    let mut text = text.to_owned();
    if let (Some(start), Some(end)) = (
        text.find("patch: Invalid value: \"{")
            .or_else(|| text.starts_with("Invalid value: \"{\\\"apiV").then_some(0)),
        text.rfind("}\": "),
    ) {
        let start = start + text[start..].find('{').unwrap_or(0);
        text.replace_range(start..=end, "<the patched object>");
    }
    // The server quotes objects as its own inner types have them.
    while let Some(start) = text.find("Invalid value: {")
        && let Some(length) = text[start..].find("}: ")
    {
        text.replace_range(start + 15..=start + length, "<an object>");
    }
    if let Some(start) = text.find("in record (")
        && let Some(length) = text[start..].find(')')
    {
        text.replace_range(start + 11..start + length, "<revision>");
    }
    text
}

/// Values that only say when or how often something was written.
const VOLATILE: [&str; 2] = ["resourceVersion", "continue"];

/// A value as the transcript shows it: like YAML, short values on one line.
pub(super) fn show(value: &Value, indent: usize, into: &mut String) {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(map) if !is_short(value) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for key in keys {
                let _ = write!(into, "{pad}{key}:");
                below(&masked(key, &map[key]), key, indent, into);
            }
        }
        Value::Array(items) if !is_short(value) => {
            for item in items {
                let _ = write!(into, "{pad}-");
                below(item, "", indent, into);
            }
        }
        _ => {
            let _ = writeln!(into, "{pad}{}", sorted(value));
        }
    }
}

fn below(value: &Value, key: &str, indent: usize, into: &mut String) {
    if is_short(value) || key == "fieldsV1" {
        let _ = writeln!(into, " {}", sorted(value));
    } else {
        into.push('\n');
        show(value, indent + 1, into);
    }
}

fn masked(key: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if VOLATILE.contains(&key) && !text.is_empty() => format!("<{key}>").into(),
        other => other.clone(),
    }
}

fn is_short(value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            !VOLATILE.iter().any(|key| map.contains_key(*key))
                && map.values().all(|value| !value.is_object() && !value.is_array())
                && value.to_string().len() < 90
        }
        Value::Array(items) => items.iter().all(|item| !item.is_object()) && value.to_string().len() < 90,
        _ => true,
    }
}

/// JSON on one line, fields in order.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let fields: Vec<String> = keys
                .into_iter()
                .map(|key| format!("{}: {}", Value::from(key.as_str()), sorted(&map[key])))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
