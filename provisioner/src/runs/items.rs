//! The items of a run, from a list that somebody wrote. Keys are hostile input: any text may be one.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use contract::{Item, ItemLine};
use serde::Deserialize;
use serde_json::Value;

/// Longest key, in bytes.
const LONGEST: usize = 16 * 1024;
/// Largest line of an `.ndjson` list, in bytes: the service takes messages of 10 MB at most.
const LONGEST_LINE: usize = 8 << 20;
/// Largest list, in bytes: what workers read back into memory.
const LARGEST: u64 = 128 << 20;
/// What some editors begin a file with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A list of different items, in the order given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Items {
    /// The items.
    pub lines: Vec<ItemLine>,
    /// How often an item came again and was dropped.
    pub duplicates: usize,
}

/// A line of an `.ndjson` list as a person wrote it: a key that nobody knows is a mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLine {
    item: Item,
    #[serde(default)]
    payload: Option<Value>,
}

impl From<WrittenLine> for ItemLine {
    fn from(WrittenLine { item, payload }: WrittenLine) -> Self {
        Self { item, payload }
    }
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
    /// It is too large.
    #[error("{0} has more than {LARGEST} bytes: split it into several runs")]
    TooLarge(String),
    /// A line is not text.
    #[error("{0} is not UTF-8")]
    NotText(String),
    /// A key is too long.
    #[error("{0}: an item has at most {LONGEST} bytes, this one {1}")]
    TooLong(String, usize),
    /// An item and its payload do not fit into one message.
    #[error(
        "{0}: an item and its payload have at most {LONGEST_LINE} bytes, these {1}: \
         put what is larger into an object, and its name into the payload"
    )]
    LargePayload(String, usize),
    /// A line of an `.ndjson` list is not an item.
    #[error("{0}: {1}; write {{\"item\": \"KEY\"}}, or {{\"item\": \"KEY\", \"payload\": …}}")]
    NotAnItem(String, String),
    /// A key is empty.
    #[error("{0}: an item is empty; a key is any other text")]
    NoKey(String),
    /// An item came twice with different payloads.
    #[error("{0}: item `{1}` came before with another payload")]
    TwoPayloads(String, String),
}

impl Items {
    /// Reads a list: one item a line, or, if `json` or if the name ends in `.ndjson` or `.jsonl`, one
    /// JSON object with `item` and perhaps `payload` a line. `-` is stdin. Blocks.
    pub(crate) fn read(path: &Path, json: bool) -> Result<Self, ItemsError> {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
        let mut bytes = Vec::new();
        let read = match is_stdin {
            true => std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes),
            false => File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)),
        };
        read.map_err(|error| ItemsError::Unreadable(name.clone(), error.to_string()))?;
        if bytes.len() as u64 > LARGEST {
            return Err(ItemsError::TooLarge(name));
        }
        let json = json || path.extension().is_some_and(|ending| ending == "ndjson" || ending == "jsonl");
        Self::parse(&name, &bytes, json)
    }

    /// Reads a list from memory; `name` is for errors.
    pub(crate) fn parse(name: &str, bytes: &[u8], json: bool) -> Result<Self, ItemsError> {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let lines = bytes.split(|byte| *byte == b'\n').zip(1..).map(|(line, number)| {
            let at = format!("{name} line {number}");
            let Ok(line) = str::from_utf8(line) else { return Err(ItemsError::NotText(at)) };
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.trim().is_empty() {
                return Ok(None);
            }
            let line = match json {
                true if line.len() > LONGEST_LINE => return Err(ItemsError::LargePayload(at, line.len())),
                true => serde_json::from_str::<WrittenLine>(line)
                    .map_err(|error| ItemsError::NotAnItem(at.clone(), error.to_string()))?
                    .into(),
                false => ItemLine { item: Item(line.to_owned()), payload: None },
            };
            Ok(Some((at, line)))
        });
        Self::distinct(name, lines.filter_map(Result::transpose))
    }

    /// The items that a command line names.
    pub(crate) fn named(keys: impl IntoIterator<Item = String>) -> Result<Self, ItemsError> {
        let lines = keys.into_iter().zip(1..).map(|(key, number)| {
            Ok((format!("argument {number}"), ItemLine { item: Item(key), payload: None }))
        });
        Self::distinct("the command line", lines)
    }

    /// The items of another run.
    pub(crate) fn again(lines: Vec<ItemLine>) -> Self {
        Self { lines, duplicates: 0 }
    }

    /// Each item once, in the order of its first line. Lines come with where they stand.
    fn distinct(
        name: &str,
        lines: impl Iterator<Item = Result<(String, ItemLine), ItemsError>>,
    ) -> Result<Self, ItemsError> {
        let mut seen: HashMap<Item, usize> = HashMap::new();
        let mut items = Self::default();
        for line in lines {
            let (at, line) = line?;
            match line.item.0.len() {
                0 => return Err(ItemsError::NoKey(at)),
                1..=LONGEST => {}
                bytes => return Err(ItemsError::TooLong(at, bytes)),
            }
            match seen.get(&line.item) {
                None => {
                    seen.insert(line.item.clone(), items.lines.len());
                    items.lines.push(line);
                }
                Some(&first) if items.lines[first].payload == line.payload => items.duplicates += 1,
                Some(_) => return Err(ItemsError::TwoPayloads(at, line.item.0)),
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
    fn items_of_the_command_line_are_taken_as_they_stand() {
        let items = Items::named(["USD".to_owned(), " a ".into(), "USD".into()]).expect("items");
        assert_eq!(items.to_ndjson(), b"{\"item\":\"USD\"}\n{\"item\":\" a \"}\n");
        assert_eq!(items.duplicates, 1);
        let empty = Items::named([String::new()]).expect_err("no item").to_string();
        assert!(empty.starts_with("argument 1: an item is empty"), "{empty}");
    }

    #[test]
    fn many_items_that_come_twice_are_compared_in_one_pass() {
        let line = |n| format!("{{\"item\":\"{n}\",\"payload\":{n}}}\n");
        let once = (0..200_000).map(line).collect::<Vec<_>>().concat();
        let items = Items::parse("l", once.repeat(2).as_bytes(), true).expect("items");
        assert_eq!((items.lines.len(), items.duplicates), (200_000, 200_000));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_item() {
        assert_eq!(keys("\u{feff}USD\n"), Ok((vec!["USD".into()], 0)));
    }

    #[test]
    fn a_list_that_cannot_be_used_says_why() {
        assert_eq!(keys("\n\n"), Err(ItemsError::Empty("items.txt".into())));
        let not_text = Items::parse("l", b"a\n\xff\n", false);
        assert_eq!(not_text, Err(ItemsError::NotText("l line 2".into())));
        let two = Items::parse("l", b"{\"item\":\"a\"}\n{\"item\":\"a\",\"payload\":1}\n", true);
        assert_eq!(two, Err(ItemsError::TwoPayloads("l line 2".into(), "a".into())));
        assert!(matches!(keys(&"x".repeat(LONGEST + 1)), Err(ItemsError::TooLong(..))));
        let large = format!("{{\"item\":\"a\",\"payload\":\"{}\"}}\n", "x".repeat(LONGEST_LINE));
        let large = Items::parse("l", large.as_bytes(), true);
        assert_eq!(large, Err(ItemsError::LargePayload("l line 1".into(), LONGEST_LINE + 25)));
        let typo =
            Items::parse("l", b"{\"item\":\"a\",\"paylod\":1}\n", true).expect_err("a typo").to_string();
        assert!(typo.starts_with("l line 1: unknown field `paylod`, expected `item` or `payload`"), "{typo}");
    }
}
