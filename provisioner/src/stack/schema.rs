//! The JSON Schema of stack.toml, for editors: made from the types that read it.

use serde_json::{Map, Value, json};

use super::Header;
use super::parse::Common;
use super::read::schema;
use crate::kinds::TABLES;

/// The JSON Schema of stack.toml (draft 2020-12).
#[must_use]
pub(crate) fn json_schema() -> Value {
    let common = schema::<Common>()["properties"].clone();
    let mut properties = Map::new();
    properties.insert("stack".into(), plain(schema::<Header>()));
    for table in TABLES {
        let mut one = plain(table.schema());
        // A table may have none of its own.
        if one["properties"].is_null() {
            one["properties"] = json!({});
        }
        if let (Some(own), Some(common)) = (one["properties"].as_object_mut(), common.as_object()) {
            let of_it = common.iter().filter(|(key, _)| table.is_named() || *key != "name");
            own.extend(of_it.map(|(key, schema)| (key.clone(), schema.clone())));
        }
        properties.insert(table.name().into(), json!({ "type": "object", "additionalProperties": one }));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "stack.toml",
        "description": "A fault-tolerant batch stack on Google Cloud, for `provision`.",
        "type": "object",
        "required": ["stack"],
        "additionalProperties": false,
        "properties": properties,
    })
}

fn plain(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
        schema.remove("title");
    }
    schema
}
