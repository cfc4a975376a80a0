//! Reads JSON as the API server does: which fields stand twice is known, and what is no JSON is refused in the words of
//! Go's parser.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A document, and the paths of the fields that stand in it more than once.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) twice: Vec<String>,
}

/// Reads a document. The error is Go's.
pub(super) fn read(bytes: &[u8]) -> Result<Document, String> {
    let twice = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let seed = Seed { path: String::new(), twice: &twice };
    let value = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    let value = value.map_err(|error| told(&error, bytes))?;
    Ok(Document { value, twice: twice.into_inner() })
}

/// What Go says of a document that is no JSON.
fn told(error: &serde_json::Error, bytes: &[u8]) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".into();
    }
    let line = bytes.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let at = error.column().saturating_sub(1);
    let found = line.get(at).or(line.last()).copied().unwrap_or_default();
    let text = error.to_string();
    let context = [
        ("trailing characters", "after top-level value"),
        ("key must be a string", "looking for beginning of object key string"),
        ("trailing comma", "looking for beginning of object key string"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("expected `:`", "after object key"),
        ("control character", "in string literal"),
        ("invalid escape", "in string escape code"),
    ];
    if text.starts_with("expected ident") {
        let start = (0..=at).rev().find(|start| b"ntf".contains(&line[*start])).unwrap_or(0);
        let word = match line.get(start) {
            Some(b'n') => "null",
            Some(b't') => "true",
            _ => "false",
        };
        let expected = word.as_bytes().get(at - start).copied().unwrap_or_default();
        return format!(
            "invalid character '{}' in literal {word} (expecting '{}')",
            char::from(found),
            char::from(expected)
        );
    }
    let context = context
        .iter()
        .find(|(ours, _)| text.starts_with(ours))
        .map_or("looking for beginning of value", |(_, go)| go);
    format!("invalid character '{}' {context}", char::from(found))
}

struct Seed<'a> {
    path: String,
    twice: &'a RefCell<Vec<String>>,
}

impl Seed<'_> {
    fn below(&self, path: String) -> Self {
        Seed { path, twice: self.twice }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) =
            list.next_element_seed(self.below(format!("{}[{}]", self.path, items.len())))?
        {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            let value = entries.next_value_seed(self.below(path.clone()))?;
            let mut twice = self.twice.borrow_mut();
            if map.contains_key(&name) && !twice.contains(&path) {
                twice.push(path);
            }
            // As Go's reader has it: what is there already is added to.
            match (map.get_mut(&name), value) {
                (Some(Value::Object(held)), Value::Object(more)) => held.extend(more),
                (_, value) => drop(map.insert(name, value)),
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_stand_twice_are_named_and_the_last_counts() {
        let document = read(br#"{"a": 1, "b": {"c": 1, "c": 2}, "a": [{"d": 1, "d": 2}]}"#).expect("JSON");
        assert_eq!(document.value, json!({"a": [{"d": 2}], "b": {"c": 2}}));
        assert_eq!(document.twice, ["b.c", "a[0].d", "a"]);
    }

    #[test]
    fn what_is_no_json_is_refused_as_go_does() {
        for (text, why) in [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            ("nonsense", "invalid character 'o' in literal null (expecting 'u')"),
            ("{\"a\": }", "invalid character '}' looking for beginning of value"),
            ("{} {}", "invalid character '{' after top-level value"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
        ] {
            assert_eq!(read(text.as_bytes()).expect_err(text), why, "{text}");
        }
    }
}
