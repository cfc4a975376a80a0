//! What an object's name says of its content.

/// By the end of a name. What is compressed is told as such, and never as a content encoding: who
/// downloads an object gets the bytes that were uploaded.
const BY_ENDING: &[(&str, &str)] = &[
    (".json", "application/json"),
    (".csv", "text/csv"),
    (".tsv", "text/tab-separated-values"),
    (".ndjson", "application/x-ndjson"),
    (".jsonl", "application/x-ndjson"),
    (".parquet", "application/vnd.apache.parquet"),
    (".gz", "application/gzip"),
    (".zst", "application/zstd"),
    (".zip", "application/zip"),
    (".txt", "text/plain; charset=utf-8"),
    (".log", "text/plain; charset=utf-8"),
    (".html", "text/html; charset=utf-8"),
    (".xml", "application/xml"),
    (".pdf", "application/pdf"),
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".svg", "image/svg+xml"),
];

/// The content type of an object of that name.
pub(crate) fn content_type(object: &str) -> &'static str {
    let object = object.to_ascii_lowercase();
    let known = BY_ENDING.iter().find(|(ending, _)| object.ends_with(ending));
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_name_tells_its_content() {
        assert_eq!(content_type("features/USD.csv"), "text/csv");
        assert_eq!(content_type("a/B.CSV.GZ"), "application/gzip");
        assert_eq!(content_type("day=1/part.parquet"), "application/vnd.apache.parquet");
        for nothing in ["", "csv", "a.b/c", "runs/r/staging/00/x/1/0000.staged"] {
            assert_eq!(content_type(nothing), "application/octet-stream");
        }
    }
}
