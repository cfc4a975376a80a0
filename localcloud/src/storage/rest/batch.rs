//! Several calls in one: `POST /batch/storage/v1`, a `multipart/mixed` body of whole HTTP requests.
//! Knows nothing of what they ask for: each goes through the router as if it had come alone.

use std::fmt::Write as _;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::multipart::{Head, Multipart};
use crate::calls::Connection;
use crate::storage::error::{Result, StorageError};

/// Google's: most calls in one batch.
const MOST_CALLS: usize = 100;
/// Longest call, and longest answer to one.
const LONGEST: usize = 10 << 20;
/// Headers that count for each call, unless it says otherwise.
const SHARED: &[HeaderName] = &[HOST, AUTHORIZATION];

/// Adds the endpoint of batches to the services whose calls they may hold.
pub(crate) fn with_batch(services: Router) -> Router {
    let batch = Router::new()
        .route("/batch/storage/v1", post(batch))
        .layer(DefaultBodyLimit::disable())
        .with_state(services.clone());
    services.merge(batch)
}

async fn batch(State(services): State<Router>, request: Request) -> Result<Response> {
    let (outer, body) = request.into_parts();
    let kind = outer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let mut parts = Multipart::new(kind, body.into_data_stream())?;
    let boundary = format!("batch_{}", hex::encode(rand::random::<[u8; 8]>()));
    let services = TowerToHyperService::new(services);
    let (mut answers, mut calls) = (BytesMut::new(), 0);
    let mut next = Some(parts.first().await?);
    while let Some(head) = next {
        calls += 1;
        if calls > MOST_CALLS {
            return Err(StorageError::invalid(format!("The batch has more than {MOST_CALLS} calls.")));
        }
        let mut call = call(&parts.whole(LONGEST).await?, &outer.headers)?;
        if let Some(connection) = outer.extensions.get::<Connection>() {
            call.extensions_mut().insert(connection.clone());
        }
        let Ok(answer) = services.call(call).await;
        write_answer(&mut answers, &boundary, &head, answer).await?;
        next = parts.next().await?;
    }
    answers.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/mixed; boundary={boundary}");
    Ok((StatusCode::OK, [(CONTENT_TYPE, kind)], Bytes::from(answers)).into_response())
}

/// Reads one call: a request line, headers, an empty line, a body.
fn call(text: &[u8], outer: &HeaderMap) -> Result<Request> {
    let wrong = || StorageError::invalid("Failed to parse batch request, error: a part is no HTTP request.");
    let (head, body) = split_head(text);
    let head = str::from_utf8(head).map_err(|_| wrong())?;
    let mut lines = head.lines();
    let mut line = lines.next().unwrap_or_default().split(' ');
    let method: Method = line.next().and_then(|method| method.parse().ok()).ok_or_else(wrong)?;
    let uri: Uri = line.next().and_then(|uri| uri.parse().ok()).ok_or_else(wrong)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let mut request = Request::new(Body::from(Bytes::copy_from_slice(body)));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|_| wrong())?;
    let headers = request.headers_mut();
    for name in SHARED {
        if let Some(value) = outer.get(name) {
            headers.insert(name, value.clone());
        }
    }
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        // The name under which we are called is the outer one; a length is what there is.
        if name != HOST && name != CONTENT_LENGTH {
            headers.insert(name, HeaderValue::from_str(value.trim()).map_err(|_| wrong())?);
        }
    }
    Ok(request)
}

/// What stands before and after the first empty line. Python's libraries end lines without `\r`.
fn split_head(text: &[u8]) -> (&[u8], &[u8]) {
    let ends =
        [&b"\r\n\r\n"[..], b"\n\n"].map(|end| memchr::memmem::find(text, end).map(|at| (at, end.len())));
    match ends.into_iter().flatten().min() {
        Some((at, length)) => (&text[..at], &text[at + length..]),
        None => (text, b""),
    }
}

async fn write_answer(into: &mut BytesMut, boundary: &str, head: &Head, answer: Response) -> Result<()> {
    let (answer, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, LONGEST).await;
    let body = body.map_err(|_| StorageError::invalid("The answer to a call of a batch is too long."))?;
    let mut text = format!("--{boundary}\r\nContent-Type: application/http\r\n");
    // Writing to a String cannot fail.
    if let Some(id) = head.content_id.strip_prefix('<') {
        let _ = write!(text, "Content-ID: <response-{id}\r\n");
    }
    let _ = write!(text, "\r\nHTTP/1.1 {}\r\n", answer.status);
    for (name, value) in answer.headers.iter().filter(|(name, _)| **name != CONTENT_LENGTH) {
        let _ = write!(text, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n", body.len());
    into.extend_from_slice(text.as_bytes());
    into.extend_from_slice(&body);
    into.extend_from_slice(b"\r\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_however_its_lines_end_and_keeps_who_calls() {
        let mut outer = HeaderMap::new();
        outer.insert(HOST, HeaderValue::from_static("127.0.0.1:1"));
        outer.insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        for end in ["\r\n", "\n"] {
            let lines = [
                "PATCH http://x/storage/v1/b/a?alt=json HTTP/1.1",
                "Host: evil",
                "Content-Length: 9",
                "",
                "{}",
            ];
            let call = call(lines.join(end).as_bytes(), &outer).expect("a call");
            assert_eq!(
                (call.method(), call.uri().to_string()),
                (&Method::PATCH, "/storage/v1/b/a?alt=json".into())
            );
            assert_eq!(call.headers(), &outer);
        }
        for wrong in ["", "GET", "\u{0} / HTTP/1.1", "GET /a b: c\r\n\u{e4}: x"] {
            assert!(call(wrong.as_bytes(), &outer).is_err(), "{wrong}");
        }
    }
}
