//! Reads an object as its kind, as a typed server does: fields that the kind does not have are named and taken out,
//! values of a wrong type are errors, and what is left is written as the server writes it.

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::kinds::Kind;
use super::super::object::{micros, seconds};
use super::super::quantity;
use super::super::schema::{self, Field, Shape, Type};

/// What every Go server says of a quantity that is none.
const QUANTITIES: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
/// The form of times, as Go writes it.
const TIMES: &str = "2006-01-02T15:04:05Z07:00";

/// Takes the fields out that the kind does not have, and names them; a value of the wrong type is an error.
pub(crate) fn known_fields(kind: &Kind, object: &mut Value) -> Result<Vec<String>, String> {
    let mut reader = Reader { unknown: vec![] };
    let own = schema::of(kind.kind).ok_or("the kind is not known")?;
    let header: Vec<(&str, Option<Value>)> =
        ["apiVersion", "kind"].map(|field| (field, object.get(field).cloned())).into();
    *object = match std::mem::take(object) {
        Value::Object(map) => reader.object(own, map, "", true).map_err(|why| refused(kind, &why))?,
        other => other,
    };
    for (field, value) in header {
        object[field] = value.filter(Value::is_string).unwrap_or_else(|| "".into());
    }
    Ok(reader.unknown)
}

/// A whole refusal, in the server's words.
pub(crate) fn refused(kind: &Kind, why: &str) -> String {
    format!("{} in version \"v1\" cannot be handled as a {}: {why}", kind.kind, kind.kind)
}

/// An object of a kind in which nothing is set, as it is written.
pub(crate) fn zero(kind: &Kind) -> Value {
    schema::of(kind.kind).map(zero_of).unwrap_or_default()
}

struct Reader {
    unknown: Vec<String>,
}

impl Reader {
    fn object(
        &mut self,
        own: &'static Type,
        mut map: Map<String, Value>,
        path: &str,
        is_root: bool,
    ) -> Result<Value, String> {
        if is_root {
            map.remove("apiVersion");
            map.remove("kind");
        }
        self.unknown.extend(map.keys().filter(|name| own.field(name).is_none()).map(|name| join(path, name)));
        let mut written = Map::new();
        self.fields(own, &mut map, path, &mut written)?;
        Ok(Value::Object(written))
    }

    fn fields(
        &mut self,
        own: &'static Type,
        map: &mut Map<String, Value>,
        path: &str,
        into: &mut Map<String, Value>,
    ) -> Result<(), String> {
        for field in &own.fields {
            if field.name.is_empty() {
                if let Some(inner) = schema::of(field.shape.kind) {
                    self.fields(inner, map, path, into)?;
                }
                continue;
            }
            let given = map.remove(field.name).filter(|value| !value.is_null());
            let path = join(path, field.name);
            let value = match given {
                Some(value) => self.value(&field.shape, value, &path, own.name)?,
                None => Value::Null,
            };
            if let Some(value) = written(field, value) {
                into.insert(field.name.into(), value);
            }
        }
        Ok(())
    }

    fn value(&mut self, shape: &Shape, value: Value, path: &str, owner: &str) -> Result<Value, String> {
        let wrong = |value: &Value| Err(mismatch(value, shape, path, owner));
        match value {
            Value::Array(items) if shape.many => {
                let item = shape.item();
                let items = items
                    .into_iter()
                    .enumerate()
                    .map(|(at, value)| self.item(&item, value, &format!("{path}[{at}]"), path, owner));
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }
            Value::Object(map) if shape.map => {
                let item = shape.item();
                let entries = map
                    .into_iter()
                    .map(|(key, value)| Ok((key, self.item(&item, value, path, path, owner)?)));
                Ok(Value::Object(entries.collect::<Result<_, String>>()?))
            }
            other if shape.many || shape.map => wrong(&other),
            Value::Object(map) if shape.of().is_some() => match shape.of() {
                Some(own) => self.object(own, map, path, false),
                None => Ok(Value::Object(map)),
            },
            other if shape.of().is_some() => wrong(&other),
            other => scalar(shape, other, path, owner),
        }
    }

    fn item(
        &mut self,
        shape: &Shape,
        value: Value,
        at: &str,
        path: &str,
        owner: &str,
    ) -> Result<Value, String> {
        match value {
            Value::Null => Ok(shape.of().map_or_else(|| zero_scalar(shape.kind), zero_of)),
            Value::Object(map) if shape.of().is_some() => self.value(shape, Value::Object(map), at, owner),
            other => self.value(shape, other, path, owner),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// How a field is written, if it is.
fn written(field: &Field, value: Value) -> Option<Value> {
    let shape = &field.shape;
    let is_list = shape.many || shape.map || shape.kind == "y";
    if shape.pointer {
        return Some(value).filter(|value| field.always || !value.is_null());
    }
    if is_list {
        let is_empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        return Some(value).filter(|_| field.always || !is_empty);
    }
    if let Some(own) = shape.of() {
        return Some(if value.is_null() { zero_of(own) } else { value });
    }
    let value = if value.is_null() { zero_scalar(shape.kind) } else { value };
    let is_zero = value == zero_scalar(shape.kind);
    let stays = match shape.kind {
        "T" | "U" | "Q" | "I" | "F" => !field.omit_zero,
        _ => field.always,
    };
    Some(value).filter(|_| stays || !is_zero)
}

fn zero_of(own: &'static Type) -> Value {
    let mut map = Map::new();
    for field in &own.fields {
        match (field.name, schema::of(field.shape.kind)) {
            ("", Some(inner)) => {
                if let Value::Object(inner) = zero_of(inner) {
                    map.extend(inner);
                }
            }
            (name, _) => {
                if let Some(value) = written(field, Value::Null) {
                    map.insert(name.into(), value);
                }
            }
        }
    }
    Value::Object(map)
}

fn zero_scalar(kind: &str) -> Value {
    match kind {
        "s" => "".into(),
        "i" | "l" | "I" => 0.into(),
        "b" => false.into(),
        "Q" => "0".into(),
        _ => Value::Null,
    }
}

fn scalar(shape: &Shape, value: Value, path: &str, owner: &str) -> Result<Value, String> {
    let fits = match (shape.kind, &value) {
        ("s", Value::String(_)) | ("b", Value::Bool(_)) | ("F", _) => true,
        ("i", Value::Number(number)) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        ("l", Value::Number(number)) => number.as_i64().is_some(),
        ("I", value) => value.is_string() || value.is_i64(),
        ("Q", Value::String(_) | Value::Number(_)) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return if quantity::millis(&text).is_some() {
                Ok(quantity::canonical(&text).into())
            } else {
                Err(QUANTITIES.into())
            };
        }
        ("T" | "U", Value::String(text)) => return time(shape.kind, text),
        ("y", Value::String(text)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text);
            let at = bytes.as_ref().err().map_or(0, |error| match error {
                base64::DecodeError::InvalidByte(at, _) => *at,
                _ => text.len(),
            });
            return if bytes.is_ok() {
                Ok(value)
            } else {
                Err(format!("illegal base64 data at input byte {at}"))
            };
        }
        _ => false,
    };
    if fits { Ok(value) } else { Err(mismatch(&value, shape, path, owner)) }
}

fn time(kind: &str, text: &str) -> Result<Value, String> {
    let at: Timestamp = text
        .parse()
        .map_err(|_| format!("parsing time {text:?} as {TIMES:?}: cannot parse {text:?} as \"2006\""))?;
    Ok(if kind == "T" { seconds(at) } else { micros(at) }.into())
}

/// A value of another type than its field has.
fn mismatch(value: &Value, shape: &Shape, path: &str, owner: &str) -> String {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".into(),
        // Which number it is only matters if it could have been one of this type.
        Value::Number(number) if matches!(shape.kind, "i" | "l") && !shape.many && !shape.map => {
            format!("number {number}")
        }
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(_) => "array".into(),
        Value::Object(_) => "object".into(),
    };
    format!("json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {}", go_type(shape))
}

fn go_type(shape: &Shape) -> String {
    let base = match shape.kind {
        "s" => "string".to_owned(),
        "i" => "int32".into(),
        "l" => "int64".into(),
        "b" => "bool".into(),
        "y" => "[]uint8".into(),
        "T" => "v1.Time".into(),
        "U" => "v1.MicroTime".into(),
        "Q" => "resource.Quantity".into(),
        other => format!("v1.{other}"),
    };
    match (shape.many, shape.map) {
        (true, _) => format!("[]{base}"),
        (_, true) => format!("map[string]{base}"),
        _ => base,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::kinds;
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_are_named_and_taken_out() {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "creationTimestamp": null},
            "spec": {"containers": [{"name": "x", "imagee": "y"}], "foo": 1}});
        let mut unknown = known_fields(&kinds::POD, &mut pod).expect("well typed");
        unknown.sort();
        assert_eq!(unknown, ["spec.containers[0].imagee", "spec.foo"]);
        assert_eq!(pod["spec"], json!({"containers": [{"name": "x", "resources": {}}]}));
        assert_eq!(pod["metadata"], json!({"name": "a"}));
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_with_its_place() {
        let mut wrong = json!({"spec": {"template": {"spec": {"containers": {}}}}});
        assert_eq!(
            known_fields(&kinds::JOB, &mut wrong).expect_err("an error"),
            "Job in version \"v1\" cannot be handled as a Job: json: cannot unmarshal object into Go struct field \
             PodSpec.spec.template.spec.containers of type []v1.Container"
        );
    }
}
