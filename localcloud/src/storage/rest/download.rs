//! Content on its way out, whole or in part, never whole in memory.

use std::fs::File;
use std::io::{BufReader, Read as _, SeekFrom};

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE, WARNING,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::storage::error::{Result, StorageError};
use crate::storage::object::Object;
use crate::storage::objects::Source;
use crate::storage::state::Storage;

/// Bytes read at once.
const BLOCK: u64 = 256 << 10;
/// Most bytes that are expanded at once.
const EXPANDED: usize = 64 << 10;

/// Answers a read, as its `Range` asks.
pub(super) async fn content(storage: &Storage, source: &Source, asked: &HeaderMap) -> Result<Response> {
    let (object, file) = storage.open_object(source)?;
    answer(&object, file, asked).await
}

async fn answer(object: &Object, file: File, asked: &HeaderMap) -> Result<Response> {
    if is_to_expand(object, asked) {
        return Ok(expanded(object, file));
    }
    let range = asked.get(RANGE).and_then(|range| range.to_str().ok());
    let (status, start, end) = match range.and_then(|range| part(range, object.size)) {
        None => (StatusCode::OK, 0, object.size),
        Some((start, end)) if start < end => (StatusCode::PARTIAL_CONTENT, start, end),
        Some(_) => {
            let mut answer = StorageError::range().into_text();
            set(answer.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", object.size));
            return Ok(answer);
        }
    };
    let mut file = tokio::fs::File::from_std(file);
    file.seek(SeekFrom::Start(start)).await?;
    let mut answer = Response::new(body(file, end - start));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    describe(object, headers);
    set(headers, CONTENT_LENGTH, &(end - start).to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        set(headers, CONTENT_RANGE, &format!("bytes {start}-{}/{}", end - 1, object.size));
    }
    Ok(answer)
}

/// Whether it was compressed by whoever wrote it, and whoever reads it can't undo that.
fn is_to_expand(object: &Object, asked: &HeaderMap) -> bool {
    let mut accepted = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    object.settings.content_encoding == "gzip"
        && !object.settings.cache_control.contains("no-transform")
        && !accepted.any(|value| value.contains("gzip"))
}

/// The whole content, expanded as it is read. Its length is not known before.
fn expanded(object: &Object, file: File) -> Response {
    let decoder = MultiGzDecoder::new(BufReader::new(file));
    let blocks = futures::stream::try_unfold(decoder, |decoder| async move {
        let read = tokio::task::spawn_blocking(move || expand(decoder)).await;
        read.map_err(std::io::Error::other)?
    });
    let mut answer = Response::new(Body::from_stream(blocks));
    let headers = answer.headers_mut();
    describe(object, headers);
    headers.remove(CONTENT_ENCODING);
    headers.remove(ACCEPT_RANGES);
    set(headers, WARNING, "214 UploadServer gunzipped");
    answer
}

type Decoder = MultiGzDecoder<BufReader<File>>;

fn expand(mut decoder: Decoder) -> std::io::Result<Option<(Bytes, Decoder)>> {
    let mut block = vec![0; EXPANDED];
    let read = decoder.read(&mut block)?;
    block.truncate(read);
    Ok((read > 0).then(|| (Bytes::from(block), decoder)))
}

/// First byte and the one after the last. None: the header asks for nothing that can be given in part.
pub(super) fn part(range: &str, size: u64) -> Option<(u64, u64)> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    match (start.trim(), end.trim()) {
        ("", tail) => {
            let tail: u64 = tail.parse().ok()?;
            Some((size.saturating_sub(tail), size))
        }
        (start, "") => Some((start.parse().ok()?, size)),
        (start, end) => {
            let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
            (start <= end).then(|| (start, end.saturating_add(1).min(size)))
        }
    }
}

fn body(file: tokio::fs::File, left: u64) -> Body {
    Body::from_stream(futures::stream::try_unfold((file, left), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let size = usize::try_from(left.min(BLOCK)).unwrap_or(usize::MAX);
        let mut block = BytesMut::zeroed(size);
        let read = file.read(&mut block).await?;
        if read == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        block.truncate(read);
        Ok(Some((Bytes::from(block), (file, left - read as u64))))
    }))
}

/// What the headers say of the object.
fn describe(object: &Object, headers: &mut HeaderMap) {
    let settings = &object.settings;
    let mut hash = format!("crc32c={}", object.checksums.crc32c_text());
    if let Some(md5) = object.checksums.md5_text() {
        hash = format!("{hash},md5={md5}");
    }
    let content_type = match settings.content_type.as_str() {
        "" => "application/octet-stream",
        content_type => content_type,
    };
    let encoding = match settings.content_encoding.as_str() {
        "" => "identity",
        encoding => encoding,
    };
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (ETAG, &object.etag()),
        (ACCEPT_RANGES, "bytes"),
        (LAST_MODIFIED, &object.updated.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        (HeaderName::from_static("x-goog-generation"), &object.generation.to_string()),
        (HeaderName::from_static("x-goog-metageneration"), &object.metageneration.to_string()),
        (HeaderName::from_static("x-goog-hash"), &hash),
        (HeaderName::from_static("x-goog-storage-class"), &object.storage_class),
        (HeaderName::from_static("x-goog-stored-content-encoding"), encoding),
        (HeaderName::from_static("x-goog-stored-content-length"), &object.size.to_string()),
    ] {
        set(headers, name, value);
    }
    for (name, value) in [
        (CACHE_CONTROL, &settings.cache_control),
        (CONTENT_DISPOSITION, &settings.content_disposition),
        (CONTENT_ENCODING, &settings.content_encoding),
        (CONTENT_LANGUAGE, &settings.content_language),
    ] {
        if !value.is_empty() {
            set(headers, name, value);
        }
    }
    for (key, value) in &settings.metadata {
        if let Ok(name) = HeaderName::try_from(format!("x-goog-meta-{key}")) {
            set(headers, name, value);
        }
    }
}

/// What can't stand in a header is left out: the metadata has it.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_has_them() {
        for (range, expected) in [
            ("bytes=0-0", Some((0, 1))),
            ("bytes=2-5", Some((2, 6))),
            ("bytes=5-99", Some((5, 10))),
            ("bytes=5-", Some((5, 10))),
            ("bytes=-3", Some((7, 10))),
            ("bytes=-99", Some((0, 10))),
            ("bytes=10-", Some((10, 10))),
            ("bytes=5-2", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
            ("bytes=a-b", None),
        ] {
            assert_eq!(part(range, 10), expected, "{range}");
        }
    }
}
