//! The items of a run, from a list that somebody wrote. Keys are hostile input: any text may be one.

use std::collections::HashSet;
use std::path::Path;

use contract::{Item, ItemLine};

/// Longest key, in bytes.
const LONGEST: usize = 16 * 1024;

/// A list of different items, in the order given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Items {
    /// The items.
    pub lines: Vec<ItemLine>,
    /// How often an item came again and was dropped.
    pub duplicates: usize,
}

/// A list that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ItemsError {
    /// It cannot be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(String, String),
    /// There is nothing in it.
    #[error("{0} has no items: write one a line")]
    Empty(String),
    /// A line is not text.
    #[error("{0} line {1} is not UTF-8")]
    NotText(String, usize),
    /// A key is too long.
    #[error("{0} line {1}: an item has at most {LONGEST} bytes, this one {2}")]
    TooLong(String, usize, usize),
    /// A line of an `.ndjson` list is not an item.
    #[error("{0} line {1}: {2}; write {{\"item\": \"KEY\"}}")]
    NotAnItem(String, usize, String),
    /// An item came twice with different payloads.
    #[error("{0} line {1}: item `{2}` came before with another payload")]
    TwoPayloads(String, usize, String),
}

impl Items {
    /// Reads a list: one item a line, or, if the name ends in `.ndjson` or `.jsonl`, one JSON object
    /// with `item` and perhaps `payload` a line. `-` is stdin. Blocks.
    pub(crate) fn read(path: &Path) -> Result<Self, ItemsError> {
        let name = if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() };
        let bytes = match path == Path::new("-") {
            true => std::io::read_to_string(std::io::stdin()).map(String::into_bytes),
            false => std::fs::read(path),
        };
        let bytes = bytes.map_err(|error| ItemsError::Unreadable(name.clone(), error.to_string()))?;
        let json = path.extension().is_some_and(|ending| ending == "ndjson" || ending == "jsonl");
        Self::parse(&name, &bytes, json)
    }

    /// Reads a list from memory; `name` is for errors.
    pub(crate) fn parse(name: &str, bytes: &[u8], json: bool) -> Result<Self, ItemsError> {
        let mut seen: HashSet<Item> = HashSet::new();
        let mut items = Self::default();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let number = at + 1;
            let line = str::from_utf8(line).map_err(|_| ItemsError::NotText(name.into(), number))?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.trim().is_empty() {
                continue;
            }
            let line = match json {
                true => serde_json::from_str(line)
                    .map_err(|error| ItemsError::NotAnItem(name.into(), number, error.to_string()))?,
                false => ItemLine { item: Item(line.to_owned()), payload: None },
            };
            if line.item.0.is_empty() {
                let what = "an item is empty".to_owned();
                return Err(ItemsError::NotAnItem(name.into(), number, what));
            }
            if line.item.0.len() > LONGEST {
                return Err(ItemsError::TooLong(name.into(), number, line.item.0.len()));
            }
            if seen.insert(line.item.clone()) {
                items.lines.push(line);
            } else if json
                && items.lines.iter().any(|had| had.item == line.item && had.payload != line.payload)
            {
                return Err(ItemsError::TwoPayloads(name.into(), number, line.item.0));
            } else {
                items.duplicates += 1;
            }
        }
        if items.lines.is_empty() { Err(ItemsError::Empty(name.into())) } else { Ok(items) }
    }

    /// As `items.ndjson` holds them.
    #[must_use]
    pub(crate) fn to_ndjson(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for line in &self.lines {
            // Plain data to memory: cannot fail.
            let _ = serde_json::to_writer(&mut text, line);
            text.push(b'\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Result<(Vec<String>, usize), ItemsError> {
        let items = Items::parse("items.txt", text.as_bytes(), false)?;
        Ok((items.lines.into_iter().map(|line| line.item.0).collect(), items.duplicates))
    }

    #[test]
    fn one_item_a_line_and_each_once() {
        assert_eq!(keys("USD\nGBP\r\n\nUSD\n"), Ok((vec!["USD".into(), "GBP".into()], 1)));
    }

    #[test]
    fn any_text_is_an_item() {
        let odd = "../../etc/passwd\n $(rm -rf /) \n\"quoted\"\n";
        let expected = vec!["../../etc/passwd".to_owned(), " $(rm -rf /) ".into(), "\"quoted\"".into()];
        assert_eq!(keys(odd), Ok((expected, 0)));
    }

    #[test]
    fn an_ndjson_item_may_hold_a_newline_and_a_payload() {
        let text = b"{\"item\":\"a\\nb\",\"payload\":{\"n\":1}}\n";
        let items = Items::parse("items.ndjson", text, true).expect("items");
        assert_eq!(items.lines[0].item.0, "a\nb");
        assert_eq!(items.to_ndjson(), b"{\"item\":\"a\\nb\",\"payload\":{\"n\":1}}\n");
    }

    #[test]
    fn a_list_that_cannot_be_used_says_why() {
        assert_eq!(keys("\n\n"), Err(ItemsError::Empty("items.txt".into())));
        let not_text = Items::parse("l", b"a\n\xff\n", false);
        assert_eq!(not_text, Err(ItemsError::NotText("l".into(), 2)));
        let two = Items::parse("l", b"{\"item\":\"a\"}\n{\"item\":\"a\",\"payload\":1}\n", true);
        assert_eq!(two, Err(ItemsError::TwoPayloads("l".into(), 2, "a".into())));
        assert!(matches!(keys(&"x".repeat(LONGEST + 1)), Err(ItemsError::TooLong(..))));
    }
}
