//! The stack that came of all its texts, with every default in place, and which text wrote what.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::Stack;
use super::texts::Texts;

/// Where each key of a stack was written.
#[derive(Default)]
pub(super) struct Written {
    pub(super) texts: Texts,
    pub(super) places: BTreeMap<Vec<String>, usize>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A place in a file, or `--set`.
    Written(String),
    /// Nobody wrote it.
    Default,
}

/// The stack as it is meant.
pub(crate) struct Effective<'a> {
    /// Its tables with their paths, `[stack]` first.
    pub tables: Vec<(Vec<String>, Map<String, Value>)>,
    stack: &'a Stack,
}

impl Written {
    pub(super) fn of(root: &DeTable<'_>, texts: &Texts) -> Self {
        let mut places = BTreeMap::new();
        note(root, &mut Vec::new(), &mut places);
        Self { texts: texts.clone(), places }
    }
}

impl Written {
    /// Whether somebody wrote the value at a path.
    pub(super) fn has(&self, path: &[String]) -> bool {
        self.places.contains_key(path)
    }
}

fn note(table: &DeTable<'_>, path: &mut Vec<String>, places: &mut BTreeMap<Vec<String>, usize>) {
    for (key, node) in table {
        path.push(key.get_ref().to_string());
        places.insert(path.clone(), key.span().start);
        if let DeValue::Table(inner) = node.get_ref() {
            note(inner, path, places);
        }
        path.pop();
    }
}

impl Stack {
    /// The stack with every default in place.
    pub(crate) fn effective(&self) -> Result<Effective<'_>> {
        let mut tables = vec![(vec!["stack".to_owned()], written(serde_json::to_value(&self.header)?))];
        for declared in &self.declared {
            let mut own = written(declared.spec.written()?);
            if let Some(name) = &declared.name {
                own.insert("name".into(), name.as_str().into());
            }
            if declared.existing {
                own.insert("existing".into(), true.into());
            }
            if let Some(timeout) = declared.timeout {
                own.insert("timeout".into(), timeout.to_string().into());
            }
            tables.push((vec![declared.table.to_owned(), declared.key.clone()], own));
        }
        Ok(Effective { tables, stack: self })
    }
}

impl Effective<'_> {
    /// Where the value at a path comes from.
    pub(crate) fn origin(&self, path: &[String]) -> Origin {
        let Written { texts, places } = &self.stack.written;
        let Some(place) = places.get(path) else { return Origin::Default };
        let named = texts.named(*place);
        match (&self.stack.env, path) {
            (Some(env), [table, key]) if table == "stack" && key == "name" => {
                Origin::Written(format!("{named} and --env {env}"))
            }
            _ => Origin::Written(named),
        }
    }
}

/// A table without what is not there: TOML has no null.
fn written(value: Value) -> Map<String, Value> {
    match without_null(value) {
        Value::Object(table) => table,
        _ => Map::new(),
    }
}

fn without_null(value: Value) -> Value {
    match value {
        Value::Object(table) => {
            let kept = table.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key, without_null(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_null).collect(),
        value => value,
    }
}
