//! How a JSON Schema is gone through: tables, lists, and leaves, each with its path, in which `*` stands
//! for any key and `[]` for any item.

use std::collections::BTreeSet;

use serde_json::Value;

use super::AnyStack;

/// What a value of a schema is.
pub(super) enum Shape<'a> {
    /// A plain value, a list of plain values, or a table of whatever one likes.
    Leaf,
    /// A table, with the schema that describes it.
    Table(&'a Value),
    /// A plain value, or else a table.
    Either(&'a Value),
    /// A list of tables.
    List(&'a Value),
}

pub(super) fn shape(schema: &Value) -> Shape<'_> {
    let choices: Vec<&Value> =
        ["anyOf", "oneOf"].into_iter().flat_map(|key| schema[key].as_array().into_iter().flatten()).collect();
    let table = std::iter::once(schema).chain(choices.iter().copied()).find(|schema| is_table(schema));
    match table {
        Some(table) if choices.iter().any(|one| !is_table(one) && one["type"] != "null") => {
            Shape::Either(table)
        }
        Some(table) => Shape::Table(table),
        None if is_table(&schema["items"]) => Shape::List(&schema["items"]),
        None => Shape::Leaf,
    }
}

fn is_table(schema: &Value) -> bool {
    schema["properties"].is_object() || schema["additionalProperties"].is_object()
}

/// The paths of all leaves of a schema.
#[must_use]
pub fn paths(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(schema, "", &mut found);
    found
}

fn walk(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match shape(schema) {
        Shape::Leaf => drop(found.insert(path.to_owned())),
        Shape::List(of) => walk(of, &format!("{path}[]"), found),
        either_or @ (Shape::Table(of) | Shape::Either(of)) => {
            if matches!(either_or, Shape::Either(_)) {
                found.insert(path.to_owned());
            }
            for (name, schema) in of["properties"].as_object().into_iter().flatten() {
                walk(schema, &below(name), found);
            }
            if of["additionalProperties"].is_object() {
                walk(&of["additionalProperties"], &below("*"), found);
            }
        }
    }
}

/// Every leaf that a stack has, by its path and the path's pattern.
#[must_use]
pub fn leaves_of(schema: &Value, stack: &AnyStack) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    collect(schema, &stack.0, &mut Vec::new(), "", &mut found);
    found
}

fn collect(
    schema: &Value,
    value: &Value,
    path: &mut Vec<String>,
    pattern: &str,
    found: &mut Vec<(Vec<String>, String)>,
) {
    let below = |name: &str| if pattern.is_empty() { name.to_owned() } else { format!("{pattern}.{name}") };
    match (shape(schema), value) {
        (Shape::List(of), Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                path.push(at.to_string());
                collect(of, item, path, &format!("{pattern}[]"), found);
                path.pop();
            }
        }
        (Shape::Table(of) | Shape::Either(of), Value::Object(fields)) => {
            for (name, value) in fields {
                let (schema, pattern) = match of["properties"].get(name) {
                    Some(schema) => (schema, below(name)),
                    None => (&of["additionalProperties"], below("*")),
                };
                path.push(name.clone());
                collect(schema, value, path, &pattern, found);
                path.pop();
            }
        }
        _ => found.push((path.clone(), pattern.to_owned())),
    }
}
