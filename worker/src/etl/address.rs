//! Addresses with `{item}` in them. Items are hostile: what one may become depends on where it stands.

use std::fmt::Write as _;
use std::path::PathBuf;

use contract::Item;

use crate::handler::{HandlerError, ObjectAddress, permanent};

/// Stands for the item.
const ITEM: &str = "{item}";

/// How rows are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated, RFC 4180.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// Where inputs come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Object(ObjectTemplate),
    Web(WebTemplate),
    File(FileTemplate),
}

/// `gs://BUCKET/OBJECT` with `{item}` in OBJECT.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObjectTemplate {
    bucket: String,
    object: String,
}

/// `http(s)://…` with `{item}` after the authority.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WebTemplate(String);

/// `file:PATH` with `{item}` in PATH.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileTemplate(String);

impl Source {
    /// Reads `extract`. The error is a sentence for the author of the stack.
    pub(crate) fn parse(text: &str) -> Result<(Self, Format), String> {
        let source = match text.split_once(':') {
            Some(("gs", _)) => Self::Object(ObjectTemplate::parse(text)?),
            Some(("http" | "https", _)) => Self::Web(WebTemplate::parse(text)?),
            Some(("file", path)) => Self::File(FileTemplate(path.to_owned())),
            _ => return Err(format!("`{text}` begins with none of gs://, https://, http:// and file:")),
        };
        let path = match &source {
            Self::Web(_) => text.split(['?', '#']).next().unwrap_or(text),
            _ => text,
        };
        Ok((source, Format::of(path)?))
    }
}

impl Format {
    pub(crate) fn of(path: &str) -> Result<Self, String> {
        let ending = |ending: &str| path.to_ascii_lowercase().ends_with(ending);
        match (ending(".csv"), ending(".parquet")) {
            (true, _) => Ok(Self::Csv),
            (_, true) => Ok(Self::Parquet),
            _ => Err(format!("`{path}` ends in neither .csv nor .parquet, so its format is unknown")),
        }
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
        Ok(Self { bucket: bucket.to_owned(), object: object.to_owned() })
    }

    /// Whether each item has an address of its own.
    pub(crate) fn names_the_item(&self) -> bool {
        self.object.contains(ITEM)
    }

    pub(crate) fn fill(&self, item: &Item) -> Result<ObjectAddress, HandlerError> {
        let object = self.object.replace(ITEM, &item.object_name());
        if object.len() > 1024 {
            return Err(permanent!("the object's name for this item has more than 1,024 bytes"));
        }
        Ok(ObjectAddress { bucket: self.bucket.clone(), object })
    }
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
    fn the_ending_tells_the_format() {
        assert_eq!(Source::parse("gs://b/{item}.csv").expect("csv").1, Format::Csv);
        assert_eq!(Source::parse("https://h/{item}.parquet?v=1").expect("parquet").1, Format::Parquet);
        assert!(Source::parse("gs://b/{item}.txt").is_err());
        assert!(Source::parse("ftp://b/{item}.csv").is_err());
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
        let (Source::Web(template), _) = Source::parse("https://example.com/{item}.csv").expect("a URL")
        else {
            panic!("a web source")
        };
        let url = template.fill(&item("@evil.com/#?x y")).expect("a URL");
        assert_eq!(url.as_str(), "https://example.com/%40evil.com/%23%3Fx%20y.csv");
        assert!(template.fill(&item("../secret")).is_err());
    }
}
