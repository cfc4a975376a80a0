//! What an import is asked for: `topic/items`, `bucket/data-*`, `subscription`.

use crate::kinds::{IMPORTED, Sighting};
use crate::stack::nearest;
use crate::wildcard;

/// One word of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// As it was written.
    word: String,
    /// The table: `topic`.
    pub table: &'static str,
    /// The name, or a pattern of names.
    pattern: String,
}

impl Wanted {
    /// Reads a word of the command line.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        let (kind, name) = word.split_once('/').unwrap_or((word, "*"));
        let Some(table) = IMPORTED.into_iter().find(|table| *table == kind) else {
            let help = match nearest(kind, IMPORTED) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write it as KIND/NAME, where KIND is one of {}", IMPORTED.join(", ")),
            };
            return Err(format!("`{kind}` cannot be imported: {help}"));
        };
        if name.is_empty() {
            return Err(format!("`{word}` names nothing: `{table}` alone stands for all of them"));
        }
        Ok(Self { word: word.to_owned(), table, pattern: name.to_owned() })
    }

    /// Whether it stands for one thing that must be there.
    pub(super) fn is_exact(&self) -> bool {
        !wildcard::is_pattern(&self.pattern)
    }

    /// Whether it means this: by its name, by its name in full (an account's e-mail), or by its place
    /// and name.
    pub(super) fn means(&self, seen: &Sighting) -> bool {
        let placed = seen.place.as_ref().map(|place| format!("{place}/{}", seen.name));
        let fits = |name: &str| wildcard::fits(&self.pattern, name);
        seen.table == self.table
            && (fits(&seen.name)
                || self.is_exact() && fits(&seen.id)
                || placed.is_some_and(|placed| fits(&placed)))
    }

    /// What to say if there is no such thing.
    pub(super) fn missing(&self, all: &[Sighting]) -> String {
        let names = all.iter().filter(|seen| seen.table == self.table).map(|seen| seen.name.as_str());
        let near = nearest(&self.pattern, names);
        let help = near.map(|near| format!("; did you mean `{}/{near}`?", self.table)).unwrap_or_default();
        format!("there is no {}{help}", self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_a_kind_and_a_name() {
        let wanted = Wanted::parse("topic/a/b").expect("a word");
        assert_eq!((wanted.table, wanted.pattern.as_str(), wanted.is_exact()), ("topic", "a/b", true));
        assert!(!Wanted::parse("bucket").expect("a word").is_exact());
        assert_eq!(
            Wanted::parse("topics/a"),
            Err("`topics` cannot be imported: did you mean `topic`?".into())
        );
        assert_eq!(
            Wanted::parse("topic/"),
            Err("`topic/` names nothing: `topic` alone stands for all of them".into())
        );
        assert_eq!(
            Wanted::parse("vm/a"),
            Err("`vm` cannot be imported: write it as KIND/NAME, where KIND is one of topic, subscription, \
                 bucket, service_account, cluster"
                .into())
        );
    }
}
