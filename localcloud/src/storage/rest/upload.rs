//! Content on its way in: media, multipart, resumable. It goes to a file as it comes.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::json::{Links, new_object};
use super::multipart::Multipart;
use super::parameters::{Parameters, read_json};
use crate::storage::checksum::Expected;
use crate::storage::error::{Result, StorageError};
use crate::storage::object::Object;
use crate::storage::objects::NewObject;
use crate::storage::parts::{Last, Part};
use crate::storage::state::Storage;
use crate::storage::uploads::Standing;

/// Largest part of metadata.
const LARGEST_METADATA: usize = 1 << 20;
const UPLOAD_TYPE: HeaderName = HeaderName::from_static("x-upload-content-type");
const UPLOAD_ID: HeaderName = HeaderName::from_static("x-guploader-uploadid");
const HASH: HeaderName = HeaderName::from_static("x-goog-hash");
const NO_308: HeaderName = HeaderName::from_static("x-guploader-no-308");
const STATUS_OVERRIDE: HeaderName = HeaderName::from_static("x-http-status-code-override");
/// A client closed the upload: Google's own status for it.
const CLIENT_CLOSED: u16 = 499;

/// An upload in one request, or the beginning of one in several.
pub(super) async fn begin(
    State(storage): State<Arc<Storage>>,
    Path(bucket): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    if parameters.upload_type == "resumable" && parameters.upload_id.is_empty() {
        return begin_resumable(&storage, &bucket, &parameters, &headers, body).await;
    }
    let mut body = body.into_data_stream();
    let answer = take(&storage, &bucket, &parameters, &headers, &mut body).await;
    discard(body).await;
    answer
}

async fn take(
    storage: &Storage,
    bucket: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
    body: &mut BodyDataStream,
) -> Result<Response> {
    let object = match parameters.upload_type.as_str() {
        _ if !parameters.upload_id.is_empty() => return go_on(storage, parameters, headers, body).await,
        "multipart" => multipart(storage, bucket, parameters, headers, body).await?,
        "media" => media(storage, bucket, parameters, headers, body).await?,
        other => return Err(StorageError::invalid(format!("Invalid value for uploadType: '{other}'."))),
    };
    Ok(Json(Links::of(storage, headers).object(&object)).into_response())
}

/// What nobody wants is read all the same: a client that still sends would see its connection break
/// instead of the answer.
async fn discard(mut body: BodyDataStream) {
    while let Some(Ok(_)) = body.next().await {}
}

async fn media(
    storage: &Storage,
    bucket: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
    body: &mut BodyDataStream,
) -> Result<Object> {
    let mut new = named(new_object(bucket, &Value::Null)?, parameters, headers)?;
    new.settings.content_type = text(headers, &CONTENT_TYPE).to_owned();
    new.settings.content_encoding.clone_from(&parameters.content_encoding);
    storage.check_new(&new)?;
    let mut draft = storage.draft().await?;
    while let Some(bytes) = body.next().await {
        draft.write(&bytes.map_err(|error| broken(&error))?).await?;
    }
    storage.commit(new, &draft.finish().await?, None)
}

/// Metadata, content, and, from clients that compute them on the way, the checksums.
async fn multipart(
    storage: &Storage,
    bucket: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
    body: &mut BodyDataStream,
) -> Result<Object> {
    let mut parts = Multipart::new(text(headers, &CONTENT_TYPE), body)?;
    parts.first().await?;
    let metadata = parse(&parts.whole(LARGEST_METADATA).await?)?;
    let mut new = named(new_object(bucket, &metadata)?, parameters, headers)?;
    let Some(head) = parts.next().await? else {
        return Err(StorageError::invalid("The multipart body has no part with the content."));
    };
    if new.settings.content_type.is_empty() {
        new.settings.content_type = head.content_type;
    }
    storage.check_new(&new)?;
    let mut draft = storage.draft().await?;
    while let Some(bytes) = parts.bytes().await? {
        draft.write(&bytes).await?;
    }
    new.expected = new.expected.or(trailing_checksums(&mut parts).await?);
    storage.commit(new, &draft.finish().await?, None)
}

async fn trailing_checksums(parts: &mut Multipart<&mut BodyDataStream>) -> Result<Expected> {
    if parts.next().await?.is_none() {
        return Ok(Expected::default());
    }
    let checksums = parse(&parts.whole(LARGEST_METADATA).await?)?;
    Expected::parse(checksums["crc32c"].as_str(), checksums["md5Hash"].as_str())
}

async fn begin_resumable(
    storage: &Storage,
    bucket: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response> {
    let mut new = named(new_object(bucket, &read_json(body).await?)?, parameters, headers)?;
    if new.settings.content_type.is_empty() {
        new.settings.content_type = text(headers, &UPLOAD_TYPE).to_owned();
    }
    let id = storage.begin_upload(new).await?;
    let location = Links::of(storage, headers).upload(bucket, &id);
    Ok((StatusCode::OK, [(LOCATION, location), (UPLOAD_ID, id)]).into_response())
}

/// The next part of a resumable upload, or the question how far it is.
pub(super) async fn resume(
    State(storage): State<Arc<Storage>>,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let mut body = body.into_data_stream();
    let answer = go_on(&storage, &parameters, &headers, &mut body).await;
    discard(body).await;
    answer
}

async fn go_on(
    storage: &Storage,
    parameters: &Parameters,
    headers: &HeaderMap,
    body: &mut BodyDataStream,
) -> Result<Response> {
    let part = match headers.get(CONTENT_RANGE) {
        None => Part { start: Some(0), last: Last::Yes, ..Part::default() },
        Some(range) => part(range.to_str().unwrap_or_default())?,
    };
    let part = Part { expected: Expected::parse_header(text(headers, &HASH))?, ..part };
    match storage.continue_upload(&parameters.upload_id, part, body).await? {
        Standing::Done(object) => Ok(Json(Links::of(storage, headers).object(&object)).into_response()),
        Standing::Partial(size) => Ok(incomplete(size, headers.contains_key(NO_308))),
    }
}

/// How many bytes are here. Google's library for Go wants the status in a header: to others on the
/// way, 308 means a redirect.
fn incomplete(size: u64, hidden: bool) -> Response {
    let mut answer = match hidden {
        true => (StatusCode::OK, [(STATUS_OVERRIDE, "308")]).into_response(),
        false => StatusCode::PERMANENT_REDIRECT.into_response(),
    };
    if size > 0
        && let Ok(range) = HeaderValue::from_str(&format!("bytes=0-{}", size - 1))
    {
        answer.headers_mut().insert(RANGE, range);
    }
    answer
}

/// Gives a resumable upload up.
pub(super) async fn cancel(
    State(storage): State<Arc<Storage>>,
    parameters: Parameters,
) -> Result<StatusCode> {
    storage.cancel_upload(&parameters.upload_id).await?;
    Ok(StatusCode::from_u16(CLIENT_CLOSED).unwrap_or(StatusCode::NO_CONTENT))
}

/// The name, conditions and checksums that stand outside the metadata.
fn named(new: NewObject, parameters: &Parameters, headers: &HeaderMap) -> Result<NewObject> {
    let name = if parameters.name.is_empty() { new.name } else { parameters.name.clone() };
    let expected = new.expected.or(Expected::parse_header(text(headers, &HASH))?);
    Ok(NewObject { name, expected, condition: parameters.condition(), ..new })
}

/// Reads `bytes 0-99/200`, `bytes 0-99/*`, `bytes 0-*/*`, `bytes */200` and `bytes */*`.
pub(super) fn part(range: &str) -> Result<Part> {
    let wrong = || StorageError::invalid(format!("Failed to parse Content-Range header: '{range}'."));
    let (bytes, total) =
        range.strip_prefix("bytes ").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let total = if total == "*" { None } else { Some(number(total)?) };
    if bytes == "*" {
        // With a total of 0 it is the whole, empty content; else it is only a question.
        let start = (total == Some(0)).then_some(0);
        return Ok(Part { start, last: total.is_some().into(), total, ..Part::default() });
    }
    let (start, end) = bytes.split_once('-').ok_or_else(wrong)?;
    let last = end == "*"
        || total
            .map(|total| number(end).map(|end| end.saturating_add(1) == total))
            .transpose()?
            .unwrap_or(false);
    Ok(Part { start: Some(number(start)?), last: last.into(), total, ..Part::default() })
}

fn parse(json: &[u8]) -> Result<Value> {
    serde_json::from_slice(json).map_err(|error| StorageError::invalid(format!("Parse Error: {error}.")))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn broken(error: &axum::Error) -> StorageError {
    StorageError::invalid(format!("The body broke off: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_say_what_comes() {
        for (range, expected) in [
            ("bytes 0-99/200", (Some(0), false, Some(200))),
            ("bytes 100-199/200", (Some(100), true, Some(200))),
            ("bytes 0-99/*", (Some(0), false, None)),
            ("bytes 0-*/*", (Some(0), true, None)),
            ("bytes */200", (None, true, Some(200))),
            ("bytes */0", (Some(0), true, Some(0))),
            ("bytes */*", (None, false, None)),
        ] {
            let part = part(range).expect(range);
            assert_eq!((part.start, matches!(part.last, Last::Yes), part.total), expected, "{range}");
        }
        for wrong in ["", "bytes", "bytes 1/2", "bytes a-b/c", "bytes -5/10", "lines 0-1/2"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }
}
