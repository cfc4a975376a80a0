//! Keys of tables, made of what the cloud calls things.

use std::collections::BTreeSet;

/// Longest key of a table.
const LONGEST: usize = 40;
/// Longest name of the account of a cluster's nodes, `<stack>-<key>-nodes`.
const LONGEST_ACCOUNT: usize = 30;

/// The keys that are taken, and the names that they are made of.
pub(super) struct Keys<'a> {
    pub stack: &'a str,
    pub project: &'a str,
    pub taken: BTreeSet<(&'static str, String)>,
}

impl Keys<'_> {
    /// A key that no other table of the kind has.
    pub(super) fn make(&mut self, table: &'static str, name: &str) -> String {
        let longest = match table {
            "cluster" => LONGEST_ACCOUNT.saturating_sub(self.stack.len() + "--nodes".len()).max(1),
            _ => LONGEST,
        };
        let of_bucket = format!("{}-{}-", self.project, self.stack);
        let of_stack = format!("{}-", self.stack);
        let short = name.strip_prefix(&of_bucket).or(name.strip_prefix(&of_stack)).unwrap_or(name);
        let plain = plain(short, longest);
        let numbered = (2..).map(|n: u64| {
            let end = format!("-{n}");
            let room = longest.saturating_sub(end.len());
            format!("{}{end}", plain[..room.min(plain.len())].trim_end_matches('-'))
        });
        let mut keys = std::iter::once(plain.clone()).chain(numbered);
        let free = keys.find(|key| !self.taken.contains(&(table, key.clone()))).unwrap_or(plain);
        self.taken.insert((table, free.clone()));
        free
    }

    /// What the cloud would call it without a `name`.
    pub(super) fn derived(&self, table: &str, key: &str) -> String {
        match table {
            "bucket" => format!("{}-{}-{key}", self.project, self.stack),
            _ => format!("{}-{key}", self.stack),
        }
    }
}

/// The lower-case letters, digits and hyphens of a name, beginning with a letter.
fn plain(name: &str, longest: usize) -> String {
    let lower = name.chars().map(|c| c.to_ascii_lowercase());
    let plain: String = lower.map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let mut key = words.join("-");
    if !key.starts_with(|c: char| c.is_ascii_lowercase()) {
        key.insert(0, 'x');
    }
    // Nothing but ASCII is left.
    key.truncate(longest);
    key.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_plain_and_all_different() {
        let mut keys = Keys { stack: "fx", project: "p", taken: BTreeSet::new() };
        let mut make = |table, name: &str| keys.make(table, name);
        assert_eq!(make("topic", "fx-items"), "items");
        assert_eq!(make("topic", "items"), "items-2");
        assert_eq!(make("bucket", "p-fx-data"), "data");
        assert_eq!(make("topic", "Ünï.cöde~%+"), "n-c-de");
        assert_eq!(make("topic", "2024"), "x2024");
        assert_eq!(make("topic", "~~~"), "x");
        assert_eq!(make("topic", &"a-".repeat(99)), format!("{}a", "a-".repeat(19)));
        assert_eq!(make("topic", &"a-".repeat(98)), format!("{}a-2", "a-".repeat(18)));
        assert_eq!(make("cluster", &"c".repeat(40)).len(), 21);
    }
}
