//! Reads NDJSON: one object a line. Keys that are not declared are not looked at; a key that is not
//! there is null. Whole and decimal numbers may stand in quotes, as large ones do in JSON.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read as _};

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::intake::Intake;
use super::rejects::AsRead;
use super::{LONGEST_ROW, Read, judged};
use crate::etl::columns::{Cell, Columns};
use crate::handler::{HandlerError, permanent};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// Reads a whole input.
pub(super) async fn read(
    input: impl io::Read + Send,
    columns: &Columns,
    mut intake: Intake,
) -> Result<Read, HandlerError> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let names: HashMap<&str, usize> =
        columns.all().iter().enumerate().map(|(at, column)| (column.name(), at)).collect();
    intake.names(&[b"row"])?;
    let mut text = Vec::new();
    let mut line = 0;
    while next_line(&mut input, &mut text, line + 1)? {
        line += 1;
        if text.trim_ascii().is_empty() {
            continue;
        }
        let fits = object(&text, &names).and_then(|row| intake.push(|at| row[at].cell()));
        if let Err(reason) = fits {
            intake.reject(line, &reason, AsRead::Line(&text))?;
        }
        intake.pause().await?;
    }
    intake.finish(columns.table().clone())
}

/// The next line without its end; false after the last.
fn next_line(input: &mut impl BufRead, text: &mut Vec<u8>, line: u64) -> Result<bool, HandlerError> {
    text.clear();
    input.by_ref().take(LONGEST_ROW + 1).read_until(b'\n', text).map_err(judged)?;
    if text.len() as u64 > LONGEST_ROW {
        return Err(permanent!("line {line} is longer than {} MiB", LONGEST_ROW >> 20));
    }
    let found = !text.is_empty();
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    Ok(found)
}

/// The declared keys of an object, in their order.
fn object<'t>(text: &'t [u8], names: &HashMap<&str, usize>) -> Result<Vec<Found<'t>>, String> {
    let text = std::str::from_utf8(text)
        .map_err(|_| "it is not UTF-8; other encodings must be converted to it".to_owned())?;
    let mut json = serde_json::Deserializer::from_str(text);
    let row = Row { names }.deserialize(&mut json).and_then(|row| json.end().map(|()| row));
    row.map_err(|error| format!("it is not a JSON object: {error}"))
}

/// What a line has under a declared key.
#[derive(Clone)]
enum Found<'t> {
    Null,
    Text(Cow<'t, str>),
    Number(&'t str),
    Bool(bool),
    Nested(&'t str),
}

impl Found<'_> {
    fn of(raw: &RawValue) -> Result<Found<'_>, serde_json::Error> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'"') if !text.contains('\\') => Found::Text(Cow::Borrowed(&text[1..text.len() - 1])),
            Some(b'"') => Found::Text(Cow::Owned(serde_json::from_str(text)?)),
            Some(b'n') | None => Found::Null,
            Some(b't') => Found::Bool(true),
            Some(b'f') => Found::Bool(false),
            Some(b'{' | b'[') => Found::Nested(text),
            Some(_) => Found::Number(text),
        })
    }

    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Null => Cell::Null,
            Self::Text(text) => Cell::Text(text.as_bytes()),
            Self::Number(text) => Cell::Number(text),
            Self::Bool(value) => Cell::Bool(*value),
            Self::Nested(text) => Cell::Nested(text),
        }
    }
}

#[derive(Clone, Copy)]
struct Row<'n> {
    names: &'n HashMap<&'n str, usize>,
}

impl<'t> DeserializeSeed<'t> for Row<'_> {
    type Value = Vec<Found<'t>>;

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'t> Visitor<'t> for Row<'_> {
    type Value = Vec<Found<'t>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error as _;
        let mut row = vec![None; self.names.len()];
        while let Some(place) = map.next_key_seed(Key { names: self.names })? {
            let Some(at) = place else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if row[at].replace(Found::of(map.next_value()?).map_err(A::Error::custom)?).is_some() {
                return Err(A::Error::custom("a key stands in it twice"));
            }
        }
        Ok(row.into_iter().map(|found| found.unwrap_or(Found::Null)).collect())
    }
}

/// The place of a key, if it is declared.
struct Key<'n> {
    names: &'n HashMap<&'n str, usize>,
}

impl<'t> DeserializeSeed<'t> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.names.get(key).copied())
    }
}
