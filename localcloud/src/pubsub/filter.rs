//! Filters of subscriptions: which messages, by their attributes, a subscription gets at all.
//!
//! ```text
//! filter     = negated, { "AND", negated } | negated, { "OR", negated }
//! negated    = [ "NOT" | "-" ], ( "(", filter, ")" | comparison )
//! comparison = "attributes:" key | "attributes." key ( "=" | "!=" ) string
//!            | "hasPrefix(" "attributes." key "," string ")"
//! ```

use std::collections::BTreeMap;

use crate::error::ApiError;

/// Longest filter, in bytes.
const LONGEST: usize = 256;

/// A parsed filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// The empty filter: everything.
    Everything,
    /// The attribute is there.
    Has(String),
    /// The attribute has the value.
    Equals(String, String),
    /// The attribute's value begins with the text.
    HasPrefix(String, String),
    Not(Box<Filter>),
    All(Vec<Filter>),
    Any(Vec<Filter>),
}

impl Filter {
    /// Reads a filter.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        if text.len() > LONGEST {
            return Err(ApiError::invalid_argument(format!(
                "The value for filter is too large. You passed {} bytes in the request, but the maximum value is {LONGEST}.",
                text.len()
            )));
        }
        if text.trim().is_empty() {
            return Ok(Self::Everything);
        }
        let mut parser = Parser { rest: text };
        let filter = parser.filter().and_then(|filter| match parser.rest.trim_start() {
            "" => Ok(filter),
            rest => Err(format!("unexpected `{rest}`")),
        });
        filter.map_err(|why| {
            ApiError::invalid_argument(format!("Invalid filter given (filter={text}): {why}."))
        })
    }

    /// Whether a message with these attributes passes.
    pub(super) fn passes(&self, attributes: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Everything => true,
            Self::Has(key) => attributes.contains_key(key),
            Self::Equals(key, value) => attributes.get(key) == Some(value),
            Self::HasPrefix(key, prefix) => attributes.get(key).is_some_and(|v| v.starts_with(prefix)),
            Self::Not(filter) => !filter.passes(attributes),
            Self::All(filters) => filters.iter().all(|filter| filter.passes(attributes)),
            Self::Any(filters) => filters.iter().any(|filter| filter.passes(attributes)),
        }
    }
}

/// Recursion is bounded by [`LONGEST`].
struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn filter(&mut self) -> Result<Filter, String> {
        let mut parts = vec![self.negated()?];
        let mut joined = None;
        while let Some(word) = self.word(&["AND", "OR"]) {
            if *joined.get_or_insert(word) != word {
                return Err("AND and OR need parentheses between them".into());
            }
            parts.push(self.negated()?);
        }
        Ok(match joined {
            None => parts.remove(0),
            Some("AND") => Filter::All(parts),
            Some(_) => Filter::Any(parts),
        })
    }

    fn negated(&mut self) -> Result<Filter, String> {
        if self.symbol("-") || self.word(&["NOT"]).is_some() {
            return Ok(Filter::Not(Box::new(self.negated()?)));
        }
        if self.symbol("(") {
            let filter = self.filter()?;
            return self.expect(")").map(|()| filter);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Filter, String> {
        if self.symbol("hasPrefix") {
            self.expect("(")?;
            self.expect("attributes")?;
            self.expect(".")?;
            let key = self.key()?;
            self.expect(",")?;
            let prefix = self.string()?;
            return self.expect(")").map(|()| Filter::HasPrefix(key, prefix));
        }
        self.expect("attributes")?;
        if self.symbol(":") {
            return self.key().map(Filter::Has);
        }
        self.expect(".")?;
        let key = self.key()?;
        if self.symbol("!=") {
            return Ok(Filter::Not(Box::new(Filter::Equals(key, self.string()?))));
        }
        self.expect("=")?;
        Ok(Filter::Equals(key, self.string()?))
    }

    /// A quoted string, or letters, digits and what stands in keys unquoted.
    fn key(&mut self) -> Result<String, String> {
        if self.rest.trim_start().starts_with('"') {
            return self.string();
        }
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_-./".contains(c))).unwrap_or(rest.len());
        let (key, rest) = rest.split_at(end);
        if key.is_empty() {
            return Err("the key of an attribute is missing".into());
        }
        self.rest = rest;
        Ok(key.to_owned())
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect("\"")?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                c => text.push(c),
            }
        }
        Err("a string has no end".into())
    }

    fn word(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let rest = self.rest.trim_start();
        let ends = |word: &str| !rest[word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let word = *words.iter().find(|word| rest.starts_with(**word) && ends(word))?;
        self.rest = &rest[word.len()..];
        Some(word)
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        match self.rest.trim_start().strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.symbol(symbol) { Ok(()) } else { Err(format!("expected `{symbol}` at `{}`", self.rest)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: &str) -> bool {
        let attributes = [("lang", "en-GB"), ("iana.org/tag", "x"), ("my key", "a\"b")];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Filter::parse(filter).expect(filter).passes(&attributes)
    }

    #[test]
    fn the_documented_grammar_is_understood() {
        for filter in [
            "",
            "attributes:lang",
            "attributes.lang = \"en-GB\"",
            "attributes.lang=\"en-GB\"",
            "attributes.lang != \"de\"",
            "attributes.none != \"de\"",
            "NOT attributes:none",
            "-attributes:none",
            "hasPrefix(attributes.lang, \"en\")",
            "attributes:iana.org/tag",
            "attributes.\"my key\" = \"a\\\"b\"",
            "attributes:lang AND NOT attributes:none AND hasPrefix(attributes.lang, \"en\")",
            "attributes:none OR attributes:lang",
            "attributes:lang AND (attributes:none OR attributes.lang = \"en-GB\")",
        ] {
            assert!(passes(filter), "{filter}");
        }
        for filter in [
            "attributes:none",
            "attributes.lang = \"en\"",
            "NOT attributes:lang",
            "attributes:lang AND attributes:none",
            "-(attributes:none OR attributes:lang)",
        ] {
            assert!(!passes(filter), "{filter}");
        }
    }

    #[test]
    fn what_is_not_a_filter_is_refused() {
        let long = format!("attributes:{}", "a".repeat(256));
        for wrong in [
            "attributes",
            "attributes:",
            "attributes.x",
            "attributes.x = y",
            "attributes.x = \"y",
            "attributes:x attributes:y",
            "attributes:x AND",
            "attributes:x AND attributes:y OR attributes:z",
            "(attributes:x",
            "data:x",
            "hasPrefix(attributes.x)",
            "\u{1F980}",
            &long,
        ] {
            assert!(Filter::parse(wrong).is_err(), "{wrong}");
        }
    }
}
