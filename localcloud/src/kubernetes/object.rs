//! Reading and writing the fields that all Kubernetes objects have, on plain JSON.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::kinds::Kind;

/// The deepest nesting of an object. What is stored around it nests too, and is read back by a
/// parser that takes 128 levels.
pub(crate) const DEEPEST: usize = 100;

/// How deep a value is nested; 0 for one that holds no others.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The text at a JSON pointer; empty if there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a JSON pointer.
pub(crate) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// The truth at a JSON pointer; false if there is none.
pub(crate) fn truth(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
}

/// The list at a JSON pointer; empty if there is none.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The instant at a JSON pointer.
pub(crate) fn instant(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

/// An instant as Kubernetes writes it, in whole seconds.
pub(crate) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// An instant with microseconds, as `MicroTime` has it.
pub(crate) fn micros(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// Whether somebody has asked for its deletion.
pub(crate) fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// A label's value.
pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/labels")?.get(key)?.as_str()
}

/// An annotation's value.
pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

/// The metadata, made if it is not there.
pub(crate) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    section(object, "metadata")
}

/// A section of an object that is itself an object, made if it is not there.
pub(crate) fn section<'a>(object: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    entries(entries(object).entry(key).or_insert(Value::Null))
}

/// A value as an object; whatever else it was is replaced.
pub(crate) fn entries(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was made an object above"),
    }
}

/// Whether a finalizer stands on it.
pub(crate) fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list(object, "/metadata/finalizers").iter().any(|held| held == finalizer)
}

/// Takes a finalizer off.
pub(crate) fn remove_finalizer(object: &mut Value, finalizer: &str) {
    let metadata = metadata(object);
    let Some(Value::Array(finalizers)) = metadata.get_mut("finalizers") else { return };
    finalizers.retain(|held| held != finalizer);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    }
}

/// Puts a finalizer on, once.
pub(crate) fn add_finalizer(object: &mut Value, finalizer: &str) {
    if has_finalizer(object, finalizer) {
        return;
    }
    match metadata(object).entry("finalizers").or_insert_with(|| json!([])) {
        Value::Array(finalizers) => finalizers.push(finalizer.into()),
        other => *other = json!([finalizer]),
    }
}

/// The reference that makes `owner` the controller of what carries it.
pub(crate) fn controller_reference(kind: &Kind, owner: &Value) -> Value {
    json!({
        "apiVersion": kind.api_version(), "kind": kind.kind, "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// The uid of the owner that controls it.
pub(crate) fn controller_uid(object: &Value) -> Option<&str> {
    let owners = list(object, "/metadata/ownerReferences");
    owners.iter().find(|owner| truth(owner, "/controller")).map(uid_of_reference)
}

/// The uid that an owner reference names.
pub(crate) fn uid_of_reference(reference: &Value) -> &str {
    text(reference, "/uid")
}

/// A condition of the status, by type.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

/// Whether a condition of the status is `True`.
pub(crate) fn is_condition_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "/status") == "True")
}

/// What a condition says.
pub(crate) struct Condition<'a> {
    pub(crate) kind: &'a str,
    pub(crate) status: bool,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

/// Sets a condition of the status; its transition time moves only when its status does.
pub(crate) fn set_condition(object: &mut Value, new: &Condition<'_>, now: Timestamp) {
    let status = if new.status { "True" } else { "False" };
    let conditions = section(object, "status").entry("conditions").or_insert_with(|| json!([]));
    let Value::Array(conditions) = conditions else { return };
    let mut fresh = json!({"type": new.kind, "status": status, "lastTransitionTime": seconds(now)});
    for (key, value) in [("reason", new.reason), ("message", new.message)] {
        if !value.is_empty() {
            fresh[key] = value.into();
        }
    }
    match conditions.iter_mut().find(|held| text(held, "/type") == new.kind) {
        None => conditions.push(fresh),
        Some(held) => {
            if text(held, "/status") == status
                && let Some(since) = held.get("lastTransitionTime")
            {
                fresh["lastTransitionTime"] = since.clone();
            }
            // Fields that the caller does not speak of (probe times) stay.
            for (key, value) in entries(&mut fresh).clone() {
                entries(held).insert(key, value);
            }
            for (key, value) in [("reason", new.reason), ("message", new.message)] {
                if value.is_empty() {
                    entries(held).remove(key);
                }
            }
        }
    }
}

/// A pod's phase says that it has ended.
pub(crate) fn is_terminal(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// A value as JSON. What the cluster builds itself always has a JSON form.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
