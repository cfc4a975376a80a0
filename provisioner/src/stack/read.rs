//! Reads one table of a TOML file into its type and reports everything that is wrong with it, not
//! only the first thing. Knows nothing of stacks: what keys a table may have, and which it must,
//! is told from the type's JSON Schema; what the values must be, from its `Deserialize`.

use std::ops::Range;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};

use super::problem::{Problem, nearest};

/// A key with its place in the file.
pub(crate) type Key<'a> = Spanned<DeString<'a>>;

/// A value with its place in the file.
pub(crate) type Node<'a> = Spanned<DeValue<'a>>;

/// Reads `value` as a `T`. `head` is the place to point at when something is missing.
pub(crate) fn table<T: DeserializeOwned + JsonSchema>(
    value: &Node<'_>,
    head: &Range<usize>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let mut value = value.clone();
    check_keys(&schema::<T>(), &mut value, head, problems);
    let mut complete = true;
    loop {
        match T::deserialize(ValueDeserializer::from(value.clone())) {
            // Whatever else is wrong with it, others may refer to it.
            Ok(read) => return complete.then_some(read),
            Err(error) => {
                let span = error.span().unwrap_or_else(|| head.clone());
                let missing = error.message().starts_with("missing field");
                complete &= !missing;
                if !missing {
                    problems.push(Problem::new(span.clone(), plain(error.message())));
                }
                // Without the value at fault, the next try tells of the next one.
                if !remove_at(&mut value, &span) {
                    return None;
                }
            }
        }
    }
}

/// The JSON Schema of a type, with everything in place.
pub(crate) fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Reports unknown and missing keys, and takes the unknown ones out.
fn check_keys(schema: &Value, value: &mut Node<'_>, head: &Range<usize>, problems: &mut Vec<Problem>) {
    let schema = some_of(schema);
    let whole = value.span();
    let DeValue::Table(table) = value.get_mut() else { return };
    let known = schema["properties"].as_object();
    let rest = schema.get("additionalProperties").filter(|s| s.is_object());
    let mut unknown = Vec::new();
    for (key, value) in table.iter_mut() {
        let name: &str = key.get_ref();
        match (known.and_then(|k| k.get(name)), rest) {
            (Some(schema), _) | (None, Some(schema)) => check_keys(schema, value, &key.span(), problems),
            (None, None) if known.is_some() => {
                let help = hint(name, known.into_iter().flatten().map(|(k, _)| k.as_str()));
                problems.push(Problem::new(key.span(), format!("unknown key `{name}`")).help(help));
                unknown.push(key.span());
            }
            (None, None) => {}
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !table.keys().any(|key| key.get_ref() == name) {
            let what = schema["properties"][name]["description"].as_str().unwrap_or_default();
            let place = if head.is_empty() { &whole } else { head };
            problems.push(
                Problem::new(place.clone(), format!("missing key `{name}`")).help(first_sentence(what)),
            );
        }
    }
    keep(table, |key| !unknown.contains(&key.span()));
}

/// `Option<T>` is "T or null" in a schema: the T of it.
pub(super) fn some_of(schema: &Value) -> &Value {
    let choices = schema["anyOf"].as_array().into_iter().flatten();
    choices.into_iter().find(|choice| choice["type"] == "object").unwrap_or(schema)
}

fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn first_sentence(text: &str) -> String {
    let text = text.replace('\n', " ");
    text.split_inclusive(". ").next().unwrap_or_default().trim().to_owned()
}

/// Removes the entry, however deep, whose value lies around `span`: the innermost one. A table need not
/// lie around what is in it, for its parts may be written far apart.
fn remove_at(value: &mut Node<'_>, span: &Range<usize>) -> bool {
    let around = |r: Range<usize>| r.start <= span.start && span.end <= r.end;
    let DeValue::Table(table) = value.get_mut() else { return false };
    for (key, inner) in table.iter_mut() {
        if remove_at(inner, span) {
            return true;
        }
        if around(inner.span()) || items_around(inner, span) {
            let key = key.span();
            keep(table, |k| k.span() != key);
            return true;
        }
    }
    false
}

/// Whether something in an array lies around `span`.
fn items_around(value: &Node<'_>, span: &Range<usize>) -> bool {
    let around = |r: Range<usize>| r.start <= span.start && span.end <= r.end;
    match value.get_ref() {
        DeValue::Array(items) => items.iter().any(|item| around(item.span()) || items_around(item, span)),
        DeValue::Table(table) => table.values().any(|item| around(item.span()) || items_around(item, span)),
        _ => false,
    }
}

/// Keeps only some of a table's entries.
pub(crate) fn keep<'a>(table: &mut DeTable<'a>, wanted: impl Fn(&Key<'a>) -> bool) {
    *table = std::mem::take(table).into_iter().filter(|(key, _)| wanted(key)).collect();
}

/// serde's words, in the words of people who write files.
fn plain(message: &str) -> String {
    let mut text = message.to_owned();
    if text.starts_with("invalid value") {
        text = text.replace("u32", "a whole number from 0 to 4294967295");
        text = text.replace("u64", "a whole number, 0 or more");
    }
    for (from, to) in [
        ("invalid type: ", "wrong type: "),
        ("u32", "a whole number"),
        ("u64", "a whole number"),
        ("i64", "a whole number"),
        ("a map", "a table"),
        ("unknown variant", "unknown value"),
        ("unknown field", "unknown key"),
        ("a sequence", "an array"),
        ("sequence", "an array"),
        ("map", "a table"),
    ] {
        text = text.replace(from, to);
    }
    // The names of our types mean nothing to anybody else.
    match text.split_once("struct ") {
        Some((before, _)) => format!("{before}a table"),
        None => text,
    }
}

/// Parses a document: its root, and the first syntax error of each line, since recovery cascades.
pub(super) fn document(text: &str) -> (DeTable<'_>, Vec<Problem>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let line_of = |at: usize| text.get(..at).map_or(0, |head| head.matches('\n').count());
    let mut problems: Vec<Problem> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        if problems.last().is_none_or(|last| line_of(last.span.start) != line_of(span.start)) {
            problems.push(syntax(text, span, error.message()));
        }
    }
    (root.into_inner(), problems)
}

/// A syntax error, with what to do about the commonest.
fn syntax(text: &str, span: Range<usize>, message: &str) -> Problem {
    let found = text.get(span.clone()).unwrap_or_default();
    match message.split(',').next().unwrap_or_default() {
        "string values must be quoted" if found.trim().is_empty() => {
            Problem::new(span, "no value after the `=`")
        }
        "invalid boolean" | "string values must be quoted" => Problem::new(span, "a text needs quotes")
            .help(format!("write \"{}\"", found.trim_matches(['“', '”', '‘', '’']))),
        "key with no value" if has_colon(text, &span) => {
            Problem::new(span, "a key and its value have a `=` between them").help("this is TOML, not YAML")
        }
        "duplicate key" => Problem::new(span, format!("`{found}` is there twice")).help("drop one of them"),
        _ => Problem::new(span, message),
    }
}

/// Whether a `:` stands where a `=` should.
fn has_colon(text: &str, span: &Range<usize>) -> bool {
    let (before, after) = text.split_at_checked(span.start).unwrap_or((text, ""));
    before.trim_end().ends_with(':') || after.starts_with(':')
}
