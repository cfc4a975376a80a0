//! Random valid stacks, and random edits of them, made from the JSON Schema of stack.toml. A field for
//! which `values.rs` has no values fails whoever uses this, so that none is forgotten.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::Random;

mod edit;
mod shape;
mod values;

pub use edit::{Edit, Kind, edit};
pub use shape::{leaves_of, paths};

use shape::{Shape, shape};

/// A field that need not be there is there once in so many times.
const ONE_IN: usize = 3;

/// A stack as a table of tables.
#[derive(Clone, Debug, PartialEq)]
pub struct AnyStack(pub Value);

impl AnyStack {
    /// A stack called `name`, with a cluster and jobs or without.
    #[must_use]
    pub fn draw(name: &str, with_cluster: bool, schema: &Value, random: &mut Random) -> Self {
        let mut stack = Self(json!({ "stack": {} }));
        let tables: &[(&str, &[&str], usize)] = &[
            ("topic", &["items", "more", "third"], 1),
            ("subscription", &["work", "side"], 1),
            ("bucket", &["data", "extra"], 1),
            ("service_account", &["worker", "helper"], 0),
            ("secret", &["in-env", "in-file", "kept"], 0),
            ("api", &["bigquery", "datastore"], 0),
        ];
        let within: &[(&str, &[&str], usize)] =
            if with_cluster { &[("cluster", &["main"], 1), ("job", &["load", "other"], 1)] } else { &[] };
        // What may be named comes before who names it.
        for (table, keys, least) in tables.iter().chain(within).chain([&("grant", &["one", "two"][..], 0)]) {
            let count = least + random.below(keys.len() + 1 - least);
            for key in &keys[..count] {
                // So that tables can refer to those of their own kind.
                stack.0[*table][*key] = json!({});
            }
        }
        let names: Vec<(String, Vec<String>)> = stack
            .tables()
            .map(|(table, keys)| (table.to_owned(), keys.keys().cloned().collect()))
            .filter(|(table, _)| table != "stack")
            .collect();
        for (table, keys) in names {
            for key in keys {
                let of = &schema["properties"][&table]["additionalProperties"];
                let at = [table.clone(), key.clone()];
                stack.0[&table][&key] = stack.fill(of, &at, &format!("{table}.*"), random);
            }
        }
        let header = stack.fill(&schema["properties"]["stack"], &["stack".to_owned()], "stack", random);
        stack.0["stack"] = header;
        stack.0["stack"]["name"] = name.into();
        stack
    }

    /// As the text of a file.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut text = String::new();
        for (table, keys) in self.tables() {
            let write = |text: &mut String, head: String, fields: &Value| {
                let _ = writeln!(text, "[{head}]");
                for (key, value) in fields.as_object().into_iter().flatten() {
                    let _ = writeln!(text, "{} = {}", quoted(key), inline(value));
                }
            };
            if table == "stack" {
                write(&mut text, table.to_owned(), &self.0[table]);
                continue;
            }
            for (key, fields) in keys {
                write(&mut text, format!("{table}.{key}"), fields);
            }
        }
        text
    }

    /// The value at a path.
    #[must_use]
    pub fn at(&self, path: &[String]) -> Option<&Value> {
        path.iter().try_fold(&self.0, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            value => value.get(step),
        })
    }

    /// The keys of a table.
    pub fn keys(&self, table: &str) -> impl Iterator<Item = &str> {
        self.0[table].as_object().into_iter().flatten().map(|(key, _)| key.as_str())
    }

    /// Patterns of the fields that it has.
    #[must_use]
    pub fn reached(&self, schema: &Value) -> BTreeSet<String> {
        leaves_of(schema, self).into_iter().map(|(_, pattern)| pattern).collect()
    }

    fn tables(&self) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        let all = self.0.as_object().into_iter().flatten();
        all.filter_map(|(table, keys)| Some((table.as_str(), keys.as_object()?)))
    }

    /// A random value of a schema; null for none.
    fn fill(&self, schema: &Value, at: &[String], pattern: &str, random: &mut Random) -> Value {
        match shape(schema) {
            Shape::Leaf => self.value(at, pattern, random),
            Shape::List(of) => {
                let items = 0..random.below(3);
                items.map(|_| self.fill(of, at, &format!("{pattern}[]"), random)).collect()
            }
            Shape::Either(_) if random.below(2) == 0 => self.value(at, pattern, random),
            Shape::Table(of) | Shape::Either(of) => {
                let mut table = Map::new();
                let required: Vec<&str> =
                    of["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                for (name, schema) in of["properties"].as_object().into_iter().flatten() {
                    if !required.contains(&name.as_str()) && random.below(ONE_IN) > 0 {
                        continue;
                    }
                    let value = self.fill(schema, &below(at, name), &format!("{pattern}.{name}"), random);
                    if !value.is_null() {
                        table.insert(name.clone(), value);
                    }
                }
                if of["additionalProperties"].is_object() {
                    for name in values::keys(pattern) {
                        if random.below(2) == 0 || values::MUST_BE.contains(&(pattern, name)) {
                            let (schema, at) = (&of["additionalProperties"], below(at, name));
                            let value = self.fill(schema, &at, &format!("{pattern}.*"), random);
                            table.insert((*name).to_owned(), value);
                        }
                    }
                }
                values::tidy(pattern, at, &mut table, self, random);
                table.into()
            }
        }
    }

    fn value(&self, at: &[String], pattern: &str, random: &mut Random) -> Value {
        random.one(&values::of(pattern, at, self)).cloned().unwrap_or_default()
    }
}

fn below(at: &[String], name: &str) -> Vec<String> {
    at.iter().cloned().chain([name.to_owned()]).collect()
}

/// A value as TOML writes it in a line.
fn inline(value: &Value) -> String {
    let all = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{} = {}", quoted(key), inline(value)));
            format!("{{ {} }}", all(fields.collect()))
        }
        Value::Array(items) => format!("[{}]", all(items.iter().map(inline).collect())),
        // JSON's strings, numbers and booleans are TOML's.
        plain => plain.to_string(),
    }
}

fn quoted(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { Value::from(key).to_string() }
}
