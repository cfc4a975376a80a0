//! Tables as the text of a stack file.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::report::{one_line, toml_key};

/// One table.
pub(super) struct Table {
    /// `topic`.
    pub kind: &'static str,
    pub key: String,
    pub fields: Map<String, Value>,
}

impl Table {
    /// `topic.items`.
    pub(super) fn address(&self) -> String {
        format!("{}.{}", self.kind, self.key)
    }

    /// Whether it is that table.
    pub(super) fn is(&self, table: &str, key: &str) -> bool {
        self.kind == table && self.key == key
    }
}

/// The file, and where each table is in it.
pub(super) fn file<'a>(
    project: &str,
    header: &Map<String, Value>,
    tables: impl Iterator<Item = &'a Table>,
) -> (String, Vec<Range<usize>>) {
    let mut text = format!(
        "# What is in the project {}, written by `provision import`.\n\
         # `provision plan --adopt '*'` shows what taking it over would change; `apply --adopt '*'` does it.\n\
         [stack]\n",
        one_line(project)
    );
    push_values(&mut text, header);
    let mut ranges = Vec::new();
    for table in tables {
        text.push('\n');
        let start = text.len();
        push(&mut text, &format!("{}.{}", table.kind, toml_key(&table.key)), &table.fields);
        ranges.push(start..text.len() + 1);
    }
    (text, ranges)
}

/// A table, and its pools as tables of their own.
fn push(text: &mut String, path: &str, fields: &Map<String, Value>) {
    let (pools, own): (Map<_, _>, Map<_, _>) =
        fields.clone().into_iter().partition(|(key, value)| key == "pool" && value.is_object());
    let _ = writeln!(text, "[{path}]");
    push_values(text, &own);
    for (name, pool) in pools.values().filter_map(Value::as_object).flatten() {
        if let Value::Object(pool) = pool {
            let _ = writeln!(text, "[{path}.pool.{}]", toml_key(name));
            push_values(text, pool);
        }
    }
}

fn push_values(text: &mut String, values: &Map<String, Value>) {
    for (key, value) in values {
        // A table is without what is null.
        if let Ok(value) = toml::Value::try_from(value) {
            let _ = writeln!(text, "{} = {value}", toml_key(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_wrote_is_data_whatever_it_is() {
        let hostile = "a\"]\n[topic.evil]\n# \u{1b}[31m'''\\\u{7f}";
        let fields =
            json!({ "filter": hostile, "labels": { hostile: "x" }, "list": [{ "prefix": hostile }] });
        let pools = json!({ "pool": { hostile: { "nodes": 1 } } });
        let of = |table, fields: &Value| Table {
            kind: table,
            key: "k".into(),
            fields: fields.as_object().cloned().unwrap_or_default(),
        };
        let tables = [of("topic", &fields), of("cluster", &pools)];
        let (text, ranges) = file("p\n[topic.evil]", &Map::new(), tables.iter());
        let read: toml::Table = toml::from_str(&text).expect("TOML");
        let read = serde_json::to_value(read).expect("JSON");
        assert_eq!(
            read,
            json!({ "stack": {}, "topic": { "k": fields }, "cluster": { "k": pools } }),
            "{text}"
        );
        assert!(text[ranges[1].start..].starts_with("[cluster.k]"));
    }
}
