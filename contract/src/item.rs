//! An item's key, and how it is spelled in object names. Keys are hostile input.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest spelling of an item in an object name, in bytes; Cloud Storage allows 1,024 for the whole name.
const LONGEST: usize = 900;
/// `~` and 16 hexadecimal digits.
const TAIL: usize = 17;

/// The key of one unit of work: any non-empty text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Item(pub String);

/// One line of `items.ndjson`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemLine {
    /// The item's key.
    pub item: Item,
    /// What the handler is given beside the key; absent for plain lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<serde_json::Value>,
}

/// A line of an item list that is not an [`ItemLine`].
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the item list is no item: {reason}")]
pub struct BrokenList {
    /// Counted from 1.
    pub line: usize,
    reason: serde_json::Error,
}

impl ItemLine {
    /// Reads `items.ndjson`.
    ///
    /// # Errors
    /// The first line that is not an item.
    pub fn parse_all(ndjson: &[u8]) -> Result<Vec<Self>, BrokenList> {
        let lines = ndjson.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let parse =
            |(at, line)| serde_json::from_slice(line).map_err(|reason| BrokenList { line: at + 1, reason });
        lines.map(parse).collect()
    }
}

impl Item {
    /// The item's spelling where `{item}` stands in an object name: `A-Za-z0-9._-` stay, as does
    /// `/` between two segments that are not empty, `.` or `..`; every other byte is
    /// percent-encoded. Over 900 bytes the end gives way to `~` and 16 hex digits of the key's
    /// SHA-256. Two items never share a spelling (up to that hash).
    #[must_use]
    pub fn object_name(&self) -> String {
        let segments: Vec<&str> = self.0.split('/').collect();
        let mut name = String::with_capacity(self.0.len());
        for (at, segment) in segments.iter().enumerate() {
            if at > 0 {
                let between_plain = !is_special(segments[at - 1]) && !is_special(segment);
                name.push_str(if between_plain { "/" } else { "%2F" });
            }
            encode(segment, is_special(segment), &mut name);
        }
        self.shortened(name)
    }

    /// The item's spelling in the names of its own records: as [`Item::object_name`], but in one
    /// segment, so that the records of item `a` are never found under the prefix of `a/b`.
    #[must_use]
    pub fn record_name(&self) -> String {
        let mut name = String::with_capacity(self.0.len());
        encode(&self.0, is_special(&self.0), &mut name);
        self.shortened(name)
    }

    /// The item of that [spelling](Item::record_name); none if its end gave way to a hash, which does
    /// not tell the key, or if no item is spelled so.
    #[must_use]
    pub fn of_record_name(name: &str) -> Option<Self> {
        let mut bytes = Vec::with_capacity(name.len());
        let mut rest = name.as_bytes();
        while let [first, tail @ ..] = rest {
            let (byte, after) = match (first, tail) {
                (b'%', [high, low, after @ ..]) => {
                    let digit = |byte: &u8| char::from(*byte).to_digit(16);
                    (u8::try_from(digit(high)? * 16 + digit(low)?).ok()?, after)
                }
                _ => (*first, tail),
            };
            bytes.push(byte);
            rest = after;
        }
        let item = Self(String::from_utf8(bytes).ok()?);
        (item.record_name() == name).then_some(item)
    }

    /// The first two hex digits of the key's SHA-256: spreads a run's records over 256 prefixes.
    #[must_use]
    pub fn shard(&self) -> String {
        self.sha256()[..2].to_owned()
    }

    fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }

    fn shortened(&self, mut name: String) -> String {
        if name.len() > LONGEST {
            let mut end = LONGEST - TAIL;
            // Never cut an escape in two: `%` is at most two bytes before the cut.
            if let Some(escape) = name[..end].rfind('%').filter(|at| at + 3 > end) {
                end = escape;
            }
            name.truncate(end);
            name.push('~');
            name.push_str(&self.sha256()[..16]);
        }
        name
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_special(segment: &str) -> bool {
    matches!(segment, "" | "." | "..")
}

fn encode(text: &str, dots_too: bool, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'.' if dots_too => into.push_str("%2E"),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => into.push(byte.into()),
            // Writing to a String cannot fail.
            _ => drop(write!(into, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object_name(item: &str) -> String {
        Item(item.to_owned()).object_name()
    }

    #[test]
    fn a_list_is_read_whole_or_its_broken_line_is_named() {
        let lines =
            ItemLine::parse_all(b"{\"item\":\"a\"}\n{\"item\":\"b\",\"payload\":1}\n").expect("a list");
        let keys: Vec<&str> = lines.iter().map(|line| line.item.0.as_str()).collect();
        assert_eq!(keys, ["a", "b"]);
        let broken = ItemLine::parse_all(b"{\"item\":\"a\"}\nb\n").expect_err("a broken list");
        assert_eq!(broken.line, 2);
    }

    #[test]
    fn plain_keys_and_paths_stay_readable() {
        assert_eq!(object_name("USD"), "USD");
        assert_eq!(object_name("2026/01/31"), "2026/01/31");
        assert_eq!(object_name("a-b_c.d"), "a-b_c.d");
    }

    #[test]
    fn what_could_escape_a_folder_is_encoded() {
        assert_eq!(object_name(".."), "%2E%2E");
        assert_eq!(object_name("a/../b"), "a%2F%2E%2E%2Fb");
        assert_eq!(object_name("/etc/passwd"), "%2Fetc/passwd");
        assert_eq!(object_name("a//b"), "a%2F%2Fb");
        assert_eq!(object_name("a/"), "a%2F");
        assert_eq!(object_name("..."), "...");
    }

    #[test]
    fn spaces_quotes_newlines_and_percent_are_encoded() {
        assert_eq!(object_name("a b\"c\nd%e~f"), "a%20b%22c%0Ad%25e%7Ef");
        assert_eq!(object_name("é"), "%C3%A9");
    }

    #[test]
    fn long_keys_end_in_a_hash_and_never_in_half_an_escape() {
        let name = object_name(&"é".repeat(1000));
        assert!(name.len() <= 900, "{}", name.len());
        let (head, tail) = name.split_once('~').expect("a hash");
        assert_eq!(tail.len(), 16);
        assert!(head.ends_with("%C3") || head.ends_with("%A9"), "{head}");
        assert_ne!(name, object_name(&"é".repeat(1001)));
    }

    #[test]
    fn records_are_one_segment() {
        assert_eq!(Item("a/b".into()).record_name(), "a%2Fb");
        assert_eq!(Item("..".into()).record_name(), "%2E%2E");
    }

    #[test]
    fn a_spelling_tells_its_key_unless_it_was_shortened() {
        for key in ["USD", "a/b:c d", "..", "caf\u{e9}", "100%", "a~b"] {
            let item = Item(key.to_owned());
            assert_eq!(Item::of_record_name(&item.record_name()), Some(item));
        }
        let long = Item("\u{e9}".repeat(1000)).record_name();
        for name in [&long[..], "a:b", "%", "%4", "%zz", "%ff", "%3a", "a/b"] {
            assert_eq!(Item::of_record_name(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn two_items_never_share_a_name(a in ".{0,40}", b in "[./a%~]{0,8}") {
            let (a, b) = (Item(a), Item(b));
            prop_assert_eq!(a == b, a.object_name() == b.object_name());
            prop_assert_eq!(a == b, a.record_name() == b.record_name());
        }

        #[test]
        fn a_name_never_leaves_its_folder(key in "[./a]{1,12}") {
            let name = Item(key).object_name();
            prop_assert!(name.split('/').all(|segment| !is_special(segment)), "{}", name);
        }
    }
}
