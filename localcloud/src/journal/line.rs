//! The lines of the journal: an object that sets or removes one key, or a list of such objects
//! that count together or not at all.

use std::borrow::Cow;

use serde::ser::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the parser takes is 128 levels, of which a line has two of its own.
const DEEPEST: usize = 126;

/// One change, as it is written.
#[derive(Serialize)]
struct Written<'a, T> {
    table: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a T>,
}

/// One change, as it is read; none as value removes the key.
#[derive(Deserialize)]
pub(crate) struct Entry<'a> {
    #[serde(borrow)]
    pub(super) table: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) value: Option<&'a RawValue>,
}

/// Changes that are written down together.
#[derive(Default)]
pub(crate) struct Batch {
    /// Joined by commas, behind the bracket of a list.
    entries: Vec<u8>,
    count: usize,
}

impl Batch {
    /// Sets a key.
    pub(crate) fn put<T: Serialize>(&mut self, table: &str, key: &str, value: &T) -> serde_json::Result<()> {
        self.add(&Written { table, key, value: Some(value) })
    }

    /// Removes a key.
    pub(crate) fn delete(&mut self, table: &str, key: &str) -> serde_json::Result<()> {
        self.add::<()>(&Written { table, key, value: None })
    }

    fn add<T: Serialize>(&mut self, entry: &Written<'_, T>) -> serde_json::Result<()> {
        let before = self.entries.len();
        self.entries.push(if before == 0 { b'[' } else { b',' });
        let start = self.entries.len();
        let mut written = serde_json::to_writer(&mut self.entries, entry);
        if is_too_deep(&self.entries[start..]) {
            written = Err(serde_json::Error::custom("nested too deep to be read back"));
        }
        match &written {
            Ok(()) => self.count += 1,
            Err(_) => self.entries.truncate(before),
        }
        written
    }

    /// None for a batch of nothing.
    pub(super) fn into_line(mut self) -> Option<Vec<u8>> {
        match self.count {
            0 => return None,
            1 => drop(self.entries.remove(0)),
            _ => self.entries.push(b']'),
        }
        self.entries.push(b'\n');
        Some(self.entries)
    }
}

/// One line that can't be read back would keep the local cloud from starting again.
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest > DEEPEST
}

/// The changes of a line.
pub(crate) fn decode(line: &[u8]) -> serde_json::Result<Vec<Entry<'_>>> {
    if line.first() == Some(&b'[') {
        serde_json::from_slice(line)
    } else {
        Ok(vec![serde_json::from_slice(line)?])
    }
}

/// Writes one row as a line.
pub(super) fn encode<T: Serialize>(
    into: &mut Vec<u8>,
    table: &str,
    key: &str,
    value: &T,
) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *into, &Written { table, key, value: Some(value) })?;
    into.push(b'\n');
    Ok(())
}
