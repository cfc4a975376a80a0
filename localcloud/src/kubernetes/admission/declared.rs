//! What a manager declares for server-side apply: it must fit the schema of its kind, field by field. Nothing is filled
//! in: what is not said is not declared.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::kinds::Kind;
use super::super::object;
use super::super::quantity;
use super::super::schema::{Merge, Shape};

/// Checks a declaration. The error is what the server says of it.
pub(crate) fn declared(kind: &Kind, object: &mut Value) -> Result<(), String> {
    let mut checked = object.clone();
    for field in ["apiVersion", "kind"] {
        object::entries(&mut checked).remove(field);
    }
    check(&Shape::root(kind.kind), &mut checked, "").map_err(|why| {
        let version = if kind.group.is_empty() { "/v1".to_owned() } else { kind.api_version() };
        // The object is told by its name as the manifest has it: its namespace is the request's.
        format!(
            "failed to create typed patch object ({}/{}; {version}, Kind={}): {why}",
            "",
            object::name(object),
            kind.kind
        )
    })?;
    for field in ["apiVersion", "kind"] {
        checked[field] = object[field].clone();
    }
    *object = checked;
    Ok(())
}

fn check(shape: &Shape, value: &mut Value, path: &str) -> Result<(), String> {
    let expected = |what: &str, value: &Value| Err(format!("{path}: expected {what}, got {}", shown(value)));
    match value {
        Value::Null => Ok(()),
        Value::Array(items) if shape.many => {
            if let Merge::ByKeys(keys) = shape.merge(&Value::Array(vec![])) {
                distinct(items, keys, shape, path)?;
            }
            let item = shape.item();
            let keys = match shape.merge(&Value::Array(vec![])) {
                Merge::ByKeys(keys) => keys,
                _ => &[],
            };
            items.iter_mut().enumerate().try_for_each(|(at, value)| {
                let place = if keys.is_empty() { at.to_string() } else { told(value, keys, shape) };
                check(&item, value, &format!("{path}[{place}]"))
            })
        }
        Value::Object(map) if shape.map => {
            let item = shape.item();
            map.iter_mut().try_for_each(|(name, value)| check(&item, value, &format!("{path}.{name}")))
        }
        other if shape.many => expected("list", other),
        other if shape.map => expected("map", other),
        Value::Object(map) if shape.of().is_some() => {
            for (name, value) in map.iter_mut() {
                let path = format!("{path}.{name}");
                let field =
                    shape.field(name).ok_or_else(|| format!("{path}: field not declared in schema"))?;
                check(&field, value, &path)?;
            }
            Ok(())
        }
        other if shape.of().is_some() => expected("map", other),
        other => scalar(shape, other).map_or(Ok(()), |what| expected(what, other)),
    }
}

/// What a scalar should have been.
fn scalar(shape: &Shape, value: &mut Value) -> Option<&'static str> {
    match shape.kind {
        "s" | "y" | "T" | "U" => (!value.is_string()).then_some("string"),
        "i" | "l" => (!value.is_i64()).then_some("numeric (int or float)"),
        "b" => (!value.is_boolean()).then_some("boolean"),
        "Q" => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if quantity::millis(&text).is_some() {
                *value = quantity::canonical(&text).into();
            }
            None
        }
        _ => None,
    }
}

fn distinct(items: &[Value], keys: &[&str], shape: &Shape, path: &str) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for item in items {
        let told = told(item, keys, shape);
        if !seen.insert(told.clone()) {
            return Err(format!("{path}: duplicate entries for key [{told}]"));
        }
    }
    Ok(())
}

/// The keys of an item, as its place is told.
fn told(item: &Value, keys: &[&str], shape: &Shape) -> String {
    let one = |key: &&str| {
        let value = item.get(*key).cloned().or_else(|| shape.default_key(key).map(Value::from));
        format!("{key}={}", value.unwrap_or_default())
    };
    keys.iter().map(one).collect::<Vec<_>>().join(",")
}

/// A value as Go shows one of unknown type.
fn shown(value: &Value) -> String {
    format!(
        "&value.valueUnstructured{{Value:{}}}",
        match value {
            Value::String(text) => format!("{text:?}"),
            other => other.to_string(),
        }
    )
}
