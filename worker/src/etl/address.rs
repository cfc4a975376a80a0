//! Addresses with `{item}` in them. Items are hostile: what one may become depends on where it stands.

use std::fmt::Write as _;
use std::path::PathBuf;

use contract::Item;

use crate::handler::{HandlerError, ObjectAddress, permanent};

/// Stands for the item.
const ITEM: &str = "{item}";

/// Where inputs come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Object(ObjectTemplate),
    Web(WebTemplate),
    File(FileTemplate),
}

/// `gs://BUCKET/OBJECT` with `{item}`, and perhaps columns in braces, in OBJECT.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObjectTemplate {
    bucket: String,
    parts: Vec<Part>,
}

/// A piece of an object's name.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Item,
    /// The value of a column of the output.
    Column(String),
}

/// `http(s)://…` with `{item}` after the authority.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WebTemplate(String);

/// `file:PATH` with `{item}` in PATH.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileTemplate(String);

impl Source {
    /// Reads `extract`. The error is a sentence for the author of the stack.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text.split_once(':') {
            Some(("gs", _)) => Self::Object(ObjectTemplate::parse(text)?.without_columns()?),
            Some(("http" | "https", _)) => Self::Web(WebTemplate::parse(text)?),
            Some(("file", path)) => Self::File(FileTemplate(path.to_owned())),
            _ => return Err(format!("`{text}` begins with none of gs://, https://, http:// and file:")),
        })
    }
}

impl ObjectTemplate {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an object's address; write it as gs://BUCKET/OBJECT");
        let (bucket, object) =
            text.strip_prefix("gs://").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
        if bucket.is_empty() || object.is_empty() {
            return Err(wrong());
        }
        if bucket.contains(['{', '}']) {
            return Err(format!("`{text}`: {{item}} may not stand in the bucket's name"));
        }
        let parts = parts(object).ok_or_else(|| format!("`{text}`: a brace has no other half"))?;
        Ok(Self { bucket: bucket.to_owned(), parts })
    }

    /// Refuses columns where there are none yet.
    pub(crate) fn without_columns(self) -> Result<Self, String> {
        if let Some(column) = self.columns().next() {
            return Err(format!("`{{{column}}}` stands for nothing here; the only placeholder is {ITEM}"));
        }
        Ok(self)
    }

    /// Whether each item has an address of its own.
    pub(crate) fn names_the_item(&self) -> bool {
        self.parts.contains(&Part::Item)
    }

    /// The columns that divide the output.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts
            .iter()
            .filter_map(|part| if let Part::Column(name) = part { Some(&name[..]) } else { None })
    }

    /// The address of an item, where no column is in it.
    pub(crate) fn fill(&self, item: &Item) -> Result<ObjectAddress, HandlerError> {
        self.fill_all(item, &[])
    }

    /// The address of an item's partition; `values` are the columns', spelled for a name.
    pub(crate) fn fill_all(&self, item: &Item, values: &[String]) -> Result<ObjectAddress, HandlerError> {
        let mut values = values.iter();
        let mut object = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => object.push_str(text),
                Part::Item => object.push_str(&item.object_name()),
                Part::Column(_) => object.push_str(values.next().map_or("", |value| value)),
            }
        }
        if object.len() > 1024 {
            return Err(permanent!("the object's name for this item has more than 1,024 bytes"));
        }
        Ok(ObjectAddress { bucket: self.bucket.clone(), object })
    }
}

/// A template's pieces, or none if a brace stands alone.
fn parts(text: &str) -> Option<Vec<Part>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(open) = rest.find('{') {
        let close = open + rest[open..].find('}')?;
        let (before, name) = (&rest[..open], &rest[open + 1..close]);
        if before.contains('}') || name.is_empty() || name.contains('{') {
            return None;
        }
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(if name == "item" { Part::Item } else { Part::Column(name.to_owned()) });
        rest = &rest[close + 1..];
    }
    if rest.contains('}') {
        return None;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Some(parts)
}

impl WebTemplate {
    fn parse(text: &str) -> Result<Self, String> {
        let (_, rest) = text.split_once("://").ok_or_else(|| format!("`{text}` is not a URL"))?;
        // URL parsers drop white space and skip slashes to find a host: neither may move the authority.
        if text.bytes().any(|byte| byte <= b' ') {
            return Err(format!("`{}` has white space in it", text.escape_debug()));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        if authority.is_empty() {
            return Err(format!("`{text}` names no host"));
        }
        if authority.contains(['{', '}']) {
            return Err(format!(
                "`{text}`: {{item}} may not stand in the host, or an item could send the worker anywhere"
            ));
        }
        let plain = reqwest::Url::parse(&text.replace(ITEM, "x")).map_err(|e| format!("`{text}`: {e}"))?;
        if !plain.has_host() {
            return Err(format!("`{text}` names no host"));
        }
        Ok(Self(text.to_owned()))
    }

    /// In a URL everything but unreserved characters and the `/` between path segments is escaped.
    pub(crate) fn fill(&self, item: &Item) -> Result<reqwest::Url, HandlerError> {
        if item.0.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(permanent!("an item with a segment `.` or `..` cannot stand in a URL"));
        }
        let url = self.0.replace(ITEM, &escaped(&item.0));
        reqwest::Url::parse(&url).map_err(|e| permanent!("the item makes no URL: {e}"))
    }
}

impl FileTemplate {
    /// A path relative to the local root.
    pub(crate) fn fill(&self, item: &Item) -> PathBuf {
        PathBuf::from(self.0.replace(ITEM, &item.object_name()))
    }
}

fn escaped(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(byte.into());
            }
            // Writing to a String cannot fail.
            _ => drop(write!(url, "%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str) -> Item {
        Item(key.to_owned())
    }

    #[test]
    fn the_scheme_tells_where_an_input_is() {
        assert!(matches!(Source::parse("gs://b/{item}.csv"), Ok(Source::Object(_))));
        assert!(matches!(Source::parse("https://h/{item}.csv"), Ok(Source::Web(_))));
        assert!(matches!(Source::parse("file:{item}.csv"), Ok(Source::File(_))));
        assert!(Source::parse("ftp://b/{item}.csv").is_err());
        assert!(Source::parse("gs://b/{item}/{date}.csv").is_err());
    }

    #[test]
    fn columns_in_braces_divide_an_output() {
        let template = ObjectTemplate::parse("gs://data/{item}/{date}-{ccy}.csv").expect("an address");
        assert_eq!(template.columns().collect::<Vec<_>>(), ["date", "ccy"]);
        let values = ["2026-01-31".to_owned(), "%2F".to_owned()];
        let address = template.fill_all(&item("a"), &values).expect("a name");
        assert_eq!(address.object, "a/2026-01-31-%2F.csv");
        for wrong in ["{", "}", "{}", "{a{b}}", "{a}}", "x}{y"] {
            assert!(ObjectTemplate::parse(&format!("gs://data/{wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_item_stays_in_its_place_in_an_object_name() {
        let template = ObjectTemplate::parse("gs://data/in/{item}.csv").expect("an address");
        assert_eq!(template.fill(&item("a/../b")).expect("a name").object, "in/a%2F%2E%2E%2Fb.csv");
        assert!(ObjectTemplate::parse("gs://{item}/x.csv").is_err());
        assert!(ObjectTemplate::parse("gs://data").is_err());
        assert!(ObjectTemplate::parse("gs:///x").is_err());
    }

    #[test]
    fn an_item_never_reaches_the_host_of_a_url() {
        assert!(Source::parse("https://{item}.example.com/x.csv").is_err());
        assert!(Source::parse("https://{item}/x.csv").is_err());
        for sly in ["https:///{item}/x.csv", "https://\n/{item}/x.csv", "https://h\\{item}/x.csv"] {
            assert!(Source::parse(sly).is_err(), "{sly}");
        }
        let Source::Web(template) = Source::parse("https://example.com/{item}.csv").expect("a URL") else {
            panic!("a web source")
        };
        let url = template.fill(&item("@evil.com/#?x y")).expect("a URL");
        assert_eq!(url.as_str(), "https://example.com/%40evil.com/%23%3Fx%20y.csv");
        assert!(template.fill(&item("../secret")).is_err());
    }
}
