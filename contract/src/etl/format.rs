//! How rows are written down, and how a name tells it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How rows are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-separated with a header, RFC 4180, in UTF-8.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of any number of members.
    Gzip,
    /// Zstandard, of any number of frames.
    Zstd,
}

/// Endings of names.
const FORMATS: [(&str, Format); 4] = [
    (".csv", Format::Csv),
    (".ndjson", Format::Ndjson),
    (".jsonl", Format::Ndjson),
    (".parquet", Format::Parquet),
];
const COMPRESSIONS: [(&str, Compression); 2] = [(".gz", Compression::Gzip), (".zst", Compression::Zstd)];

/// What the name of an address tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// None if the name has none of the known endings.
    pub format: Option<Format>,
    /// `None` if the name has no ending of a compressed file.
    pub compression: Compression,
}

impl Named {
    /// Reads the ending of an address: `.csv`, `.ndjson`, `.jsonl` or `.parquet`, and `.gz` or `.zst`
    /// after it. Of a URL it is the path's.
    #[must_use]
    pub fn of(address: &str) -> Self {
        let web = address.starts_with("http://") || address.starts_with("https://");
        let path = if web { address.split(['?', '#']).next().unwrap_or_default() } else { address };
        let path = path.to_ascii_lowercase();
        let packed = COMPRESSIONS.iter().find_map(|(end, how)| Some((path.strip_suffix(end)?, *how)));
        let (plain, compression) = packed.unwrap_or((&path, Compression::None));
        let format = FORMATS.iter().find(|(end, _)| plain.ends_with(end)).map(|(_, format)| *format);
        Self { format, compression }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_tells_format_and_compression() {
        let of = |name| (Named::of(name).format, Named::of(name).compression);
        assert_eq!(of("gs://b/{item}.csv"), (Some(Format::Csv), Compression::None));
        assert_eq!(of("gs://b/{item}.JSONL.GZ"), (Some(Format::Ndjson), Compression::Gzip));
        assert_eq!(of("https://h/x.ndjson.zst?a=.csv"), (Some(Format::Ndjson), Compression::Zstd));
        assert_eq!(of("file:x.parquet"), (Some(Format::Parquet), Compression::None));
        assert_eq!(of("https://h/download?id=7"), (None, Compression::None));
        assert_eq!(of("gs://b/x.gz"), (None, Compression::Gzip));
    }
}
