//! The parsers of the Kubernetes API, fed with anything.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::controllers::schedule::Schedule;
use super::super::kinds::POD;
use super::super::{quantity, selector};
use super::apply::Application;
use super::fields::FieldSet;
use super::managed::{self, Writer};
use super::target::Place;
use super::{body, patch, protobuf};
use crate::fuzz::END;

/// Two values; the second is like the first where there is none.
fn values(bytes: &[u8]) -> Option<(Value, Value)> {
    let end = bytes.iter().position(|byte| *byte == END).unwrap_or(bytes.len());
    let first: Value = serde_json::from_slice(&bytes[..end]).ok()?;
    let second = bytes.get(end + 1..).and_then(|rest| serde_json::from_slice(rest).ok());
    Some((first.clone(), second.unwrap_or(first)))
}

/// What is stored can be read again.
fn check(value: &Value) {
    let text = value.to_string();
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "too deep: {} bytes", text.len());
}

pub(crate) fn json_patch(bytes: &[u8]) {
    let Some((patch, _)) = values(bytes) else { return };
    let mut target = json!({"a": [1, {"b": "c"}], "x": null});
    let _ = patch::json(&mut target, &patch);
    check(&target);
}

pub(crate) fn merges(bytes: &[u8]) {
    let Some((target, patch)) = values(bytes) else { return };
    let (mut merged, mut strategic) = (target.clone(), target);
    patch::merge(&mut merged, &patch);
    let _ = patch::strategic(&mut strategic, &patch, "Pod");
    check(&merged);
    check(&strategic);
}

pub(crate) fn apply(bytes: &[u8]) {
    let Some((live, declared)) = values(bytes) else { return };
    if !live.is_object() || !declared.is_object() {
        return;
    }
    let set = FieldSet::of(&declared, "Pod");
    assert_eq!(FieldSet::from_json(&set.to_json()).paths(), set.paths());
    let _ = managed::owners(&live);
    for force in [false, true] {
        let writer = Writer { manager: "fuzz", applies: true, subresource: "" };
        let now = Timestamp::UNIX_EPOCH;
        let _ = Application { kind: "Pod", live: &live, declared: &declared, writer, force, now }.run();
    }
}

pub(crate) fn protobuf(bytes: &[u8]) {
    if let Some(object) = protobuf::object(bytes) {
        check(&object);
    }
}

pub(crate) fn yaml(bytes: &[u8]) {
    if let Ok(object) = body::yaml_object(&bytes::Bytes::copy_from_slice(bytes)) {
        check(&object);
    }
}

pub(crate) fn path(bytes: &[u8]) {
    let _ = Place::of(&String::from_utf8_lossy(bytes));
}

pub(crate) fn selectors(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let object = json!({"metadata": {"name": "x", "labels": {"a": "1"}}});
    let _ = selector::Labels::parse(&text).map(|labels| labels.accepts(&object));
    let _ = selector::Fields::parse(&text, &POD).map(|fields| fields.accepts(&object));
}

pub(crate) fn quantity(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let canonical = quantity::canonical(&text);
    if quantity::millis(&text).is_some() {
        assert_eq!(quantity::millis(&canonical), quantity::millis(&text), "{text} as {canonical}");
    }
}

pub(crate) fn schedule(bytes: &[u8]) {
    if let Ok(schedule) = Schedule::parse(&String::from_utf8_lossy(bytes)) {
        for after in [Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            assert!(schedule.next(after).is_none_or(|next| next > after));
        }
    }
}
