//! One random edit of a stack: a field that gets another value, comes, or goes; a table that comes or goes.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::shape::{Shape, shape};
use super::{AnyStack, below, values};
use crate::Random;

/// Tries to find another value.
const TRIES: usize = 6;

/// What no single edit changes: it would be another stack, or another place for all of it.
const SETTLED: [&str; 4] = ["stack.name", "stack.project", "stack.region", "stack.zone"];

/// What became of a place in a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has another value, or one where there was none.
    Set,
    /// It is not there any more.
    Removed,
}

/// An edit.
#[derive(Clone, Debug)]
pub struct Edit {
    /// What became of the place.
    pub kind: Kind,
    /// The place: `topic`, `items`, `retention`.
    pub path: Vec<String>,
    /// Its pattern: `topic.*.retention`.
    pub pattern: String,
    /// The stack afterwards.
    pub stack: AnyStack,
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.join(".");
        match self.stack.at(&self.path) {
            Some(value) => write!(f, "{path} = {value}"),
            None => write!(f, "{path} removed"),
        }
    }
}

/// A place that can be edited.
struct Place<'a> {
    path: Vec<String>,
    schema: &'a Value,
    is_required: bool,
}

/// One edit, of a pattern of places that `is_wanted`. It may make the stack invalid: who draws looks.
#[must_use]
pub fn edit(
    stack: &AnyStack,
    schema: &Value,
    random: &mut Random,
    is_wanted: impl Fn(&str) -> bool,
) -> Option<Edit> {
    let mut places = places(stack, schema);
    places.retain(|pattern, _| is_wanted(pattern) && !SETTLED.contains(&pattern.as_str()));
    let patterns: Vec<&String> = places.keys().collect();
    let pattern = (*random.one(&patterns)?).clone();
    let place = random.one(&places[&pattern])?;
    let now = stack.at(&place.path);
    let edited = |value: Option<Value>| {
        let kind = if value.is_some() { Kind::Set } else { Kind::Removed };
        let mut edited = stack.clone();
        put(&mut edited.0, &place.path, value);
        Edit { kind, path: place.path.clone(), pattern: pattern.clone(), stack: edited }
    };
    // A whole table only comes or goes: another one in its place would be many edits.
    let is_table = place.path.len() == 2;
    if now.is_some() && !place.is_required && (is_table || random.below(3) == 0) {
        return Some(edited(None));
    }
    let mut draws = (0..TRIES).map(|_| stack.fill(place.schema, &place.path, &pattern, random));
    let another = draws.find(|value| !value.is_null() && Some(value) != now);
    another.map(|value| edited(Some(value)))
}

/// All places of a stack, by pattern.
fn places<'a>(stack: &AnyStack, schema: &'a Value) -> BTreeMap<String, Vec<Place<'a>>> {
    let mut found = BTreeMap::new();
    within(stack, &schema["properties"]["stack"], &["stack".to_owned()], "stack", &mut found);
    for (table, of) in schema["properties"].as_object().into_iter().flatten() {
        if table == "stack" {
            continue;
        }
        let of = &of["additionalProperties"];
        for key in stack.keys(table) {
            let path = vec![table.clone(), key.to_owned()];
            within(stack, of, &path, &format!("{table}.*"), &mut found);
            note(&mut found, format!("{table}.*"), Place { path, schema: of, is_required: false });
        }
        let path = vec![table.clone(), "added".to_owned()];
        if table != "job" && table != "cluster" {
            note(&mut found, format!("{table}.*"), Place { path, schema: of, is_required: false });
        }
    }
    found
}

fn within<'a>(
    stack: &AnyStack,
    schema: &'a Value,
    path: &[String],
    pattern: &str,
    found: &mut BTreeMap<String, Vec<Place<'a>>>,
) {
    let (Shape::Table(of) | Shape::Either(of)) = shape(schema) else { return };
    let required: Vec<&str> =
        of["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut inner: Vec<(String, String, &Value, bool)> = Vec::new();
    for (name, schema) in of["properties"].as_object().into_iter().flatten() {
        inner.push((name.clone(), format!("{pattern}.{name}"), schema, required.contains(&name.as_str())));
    }
    if of["additionalProperties"].is_object() {
        for name in values::keys(pattern) {
            let is_required = values::MUST_BE.contains(&(pattern, name));
            let entry = &of["additionalProperties"];
            inner.push(((*name).to_owned(), format!("{pattern}.*"), entry, is_required));
        }
    }
    for (name, pattern, schema, is_required) in inner {
        let path = below(path, &name);
        let value = stack.at(&path);
        let is_there = value.is_some();
        let is_whole = !matches!(shape(schema), Shape::Table(_));
        if value.is_some_and(Value::is_object) {
            within(stack, schema, &path, &pattern, found);
        }
        if is_whole || !is_there {
            note(found, pattern, Place { path, schema, is_required });
        }
    }
}

fn note<'a>(found: &mut BTreeMap<String, Vec<Place<'a>>>, pattern: String, place: Place<'a>) {
    found.entry(pattern).or_default().push(place);
}

fn put(root: &mut Value, path: &[String], value: Option<Value>) {
    let Some((last, steps)) = path.split_last() else { return };
    let mut here = root;
    for step in steps {
        if here.get(step).is_none() {
            here[step.as_str()] = json!({});
        }
        here = &mut here[step.as_str()];
    }
    match value {
        Some(value) => here[last.as_str()] = value,
        None => drop(here.as_object_mut().and_then(|table| table.remove(last))),
    }
}
