//! Reads objects in Kubernetes' protobuf, which `kubectl create` and typed clients send, as JSON. The messages are the
//! types of the schema; pointers are there even when what they point to is zero.

use std::collections::HashMap;

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::object::{micros, seconds};
use super::super::schema;

/// What every message starts with, before its envelope.
const MAGIC: &[u8] = b"k8s\0";
/// Messages in messages; the kinds need about ten.
const DEEPEST: usize = 32;

/// Reads an object; None if the bytes are not one, or of a kind that is not in the table.
pub(super) fn object(bytes: &[u8]) -> Option<Value> {
    let mut envelope = Reader(bytes.strip_prefix(MAGIC)?);
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    while !envelope.0.is_empty() {
        match envelope.field()? {
            (1, Wire::Bytes(bytes)) => {
                let mut names = Reader(bytes);
                while !names.0.is_empty() {
                    match names.field()? {
                        (1, Wire::Bytes(text)) => api_version = String::from_utf8(text.to_vec()).ok()?,
                        (2, Wire::Bytes(text)) => kind = String::from_utf8(text.to_vec()).ok()?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let mut object = Map::new();
    message(&kind, raw, &mut object, 0)?;
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Some(Value::Object(object))
}

fn message(kind: &str, bytes: &[u8], into: &mut Map<String, Value>, depth: usize) -> Option<()> {
    let fields = &schema::of(kind).filter(|_| depth < DEEPEST)?.fields;
    let mut reader = Reader(bytes);
    while !reader.0.is_empty() {
        let (number, wire) = reader.field()?;
        // A field of a newer client: its kind does not have it here.
        let Some(field) = fields.iter().find(|field| field.number == number) else { continue };
        let shape = &field.shape;
        match (field.name, wire) {
            ("", Wire::Bytes(bytes)) => message(shape.kind, bytes, into, depth + 1)?,
            (name, Wire::Bytes(bytes)) if shape.map => {
                let (key, value) = entry(shape.kind, bytes, depth)?;
                if let Value::Object(map) = into.entry(name).or_insert_with(|| Value::Object(Map::new())) {
                    map.insert(key, value);
                }
            }
            (name, wire) => {
                let value = value(shape.kind, &wire, depth)?;
                if shape.many {
                    if let Value::Array(items) = into.entry(name).or_insert_with(|| Value::Array(vec![])) {
                        items.push(value);
                    }
                } else if shape.pointer || !is_zero(&value) {
                    into.insert(name.into(), value);
                }
            }
        }
    }
    Some(())
}

fn entry(kind: &str, bytes: &[u8], depth: usize) -> Option<(String, Value)> {
    let mut reader = Reader(bytes);
    let (mut key, mut found) = (String::new(), Value::String(String::new()));
    while !reader.0.is_empty() {
        match reader.field()? {
            (1, Wire::Bytes(text)) => key = String::from_utf8(text.to_vec()).ok()?,
            (2, wire) => found = value(kind, &wire, depth)?,
            _ => {}
        }
    }
    Some((key, found))
}

fn value(kind: &str, wire: &Wire<'_>, depth: usize) -> Option<Value> {
    Some(match (kind, wire) {
        ("i" | "l", Wire::Number(number)) => number.cast_signed().into(),
        ("b", Wire::Number(number)) => (*number != 0).into(),
        ("s", Wire::Bytes(bytes)) => std::str::from_utf8(bytes).ok()?.into(),
        ("y", Wire::Bytes(bytes)) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        ("T" | "U", Wire::Bytes(bytes)) => time(kind, bytes)?,
        ("Q", Wire::Bytes(bytes)) => texts(bytes)?.remove(&1).unwrap_or_default(),
        ("I", Wire::Bytes(bytes)) => {
            let mut parts = texts(bytes)?;
            let is_text = parts.get(&1).is_some_and(|kind| *kind == 1);
            parts.remove(if is_text { &3 } else { &2 }).unwrap_or_default()
        }
        ("F", Wire::Bytes(bytes)) => {
            let mut reader = Reader(bytes);
            match reader.field()? {
                (1, Wire::Bytes(json)) => serde_json::from_slice(json).ok()?,
                _ => Value::Null,
            }
        }
        (kind, Wire::Bytes(bytes)) => {
            let mut inner = Map::new();
            message(kind, bytes, &mut inner, depth + 1)?;
            Value::Object(inner)
        }
        _ => return None,
    })
}

/// A small message whose fields are texts and numbers.
fn texts(bytes: &[u8]) -> Option<HashMap<u64, Value>> {
    let mut reader = Reader(bytes);
    let mut found = HashMap::new();
    while !reader.0.is_empty() {
        let (number, wire) = reader.field()?;
        let value = match wire {
            Wire::Number(number) => Value::from(number.cast_signed()),
            Wire::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.into(),
        };
        found.insert(number, value);
    }
    Some(found)
}

fn time(kind: &str, bytes: &[u8]) -> Option<Value> {
    let parts = texts(bytes)?;
    let part = |number: u64| parts.get(&number).and_then(Value::as_i64).unwrap_or(0);
    // A time that is not set.
    if parts.is_empty() {
        return Some(Value::Null);
    }
    let at = Timestamp::new(part(1), i32::try_from(part(2)).ok()?).ok()?;
    Some(if kind == "T" { seconds(at) } else { micros(at) }.into())
}

/// What Go leaves out of JSON.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = self.number()?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.number()?),
            1 => Wire::Bytes(self.take(8)?),
            2 => {
                let length = self.number()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((tag >> 3, wire))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2, u8::try_from(content.len()).expect("a short field")];
        field.extend_from_slice(content);
        field
    }

    fn envelope(kind: &str, raw: &[u8]) -> Vec<u8> {
        let names = [bytes(1, b"batch/v1"), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &names), bytes(2, raw)].concat()
    }

    #[test]
    fn a_job_is_read_with_its_zeros_where_they_mean_something() {
        let metadata =
            [bytes(1, b"run"), bytes(3, b""), bytes(11, &[bytes(1, b"a"), bytes(2, b"b")].concat())].concat();
        // parallelism (a pointer) 0, suspend (a pointer) false.
        let spec = vec![1 << 3, 0, 10 << 3, 0];
        let job = [bytes(1, &metadata), bytes(2, &spec)].concat();
        assert_eq!(
            object(&envelope("Job", &job)).expect("a job"),
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "run", "labels": {"a": "b"}},
                "spec": {"parallelism": 0, "suspend": false}})
        );
    }

    #[test]
    fn broken_bytes_are_refused() {
        for broken in
            [&b""[..], b"k8s", b"k8s\0\xff\xff", &envelope("Job", &[0x0a, 0x7f]), &envelope("Nothing", b"")]
        {
            assert_eq!(object(broken), None);
        }
    }
}
