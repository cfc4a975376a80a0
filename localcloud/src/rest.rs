//! What Google's REST services have in common: verbs after a colon, bodies that may be empty, and
//! lists in pages. Knows nothing of any service.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_LENGTH;
use http_body_util::LengthLimitError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Longest JSON body: a Pub/Sub publish holds 10 MB.
pub(crate) const LARGEST_BODY: usize = 16 << 20;
/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answer of a REST call.
pub(crate) type Answer<T> = Result<axum::Json<T>, ApiError>;

/// A JSON body; none at all counts as `{}`, as it does with Google.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = tokio::time::timeout(PATIENCE, Bytes::from_request(request, state)).await;
        let read = read.map_err(|_| ApiError::invalid_argument("The request's body did not come."))?;
        let bytes = read.map_err(|error| unreadable(&error))?;
        let bytes = if bytes.is_empty() { b"{}" } else { bytes.as_ref() };
        // Lists would be taken for objects whose fields have no names.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(ApiError::invalid_argument("Invalid JSON payload received. A list is no message."));
        }
        serde_json::from_slice(bytes).map(Self).map_err(|error| wrong(&error))
    }
}

/// Where bodies are streams, of any length.
const UPLOADS: [&str; 2] = ["/upload/", "/resumable/upload/"];

/// Refuses what says that it is too long before any of it has come.
pub(crate) async fn refuse_too_long(request: Request, next: Next) -> Response {
    match check_length(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check_length(request: &Request) -> Result<(), ApiError> {
    if UPLOADS.iter().any(|uploads| request.uri().path().starts_with(uploads)) {
        return Ok(());
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    match length.and_then(|length| length.parse::<usize>().ok()) {
        Some(length) if length > LARGEST_BODY => Err(too_long()),
        _ => Ok(()),
    }
}

/// A part of a body that was read as data first.
pub(crate) fn parse<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, ApiError> {
    serde_json::from_value(value).map_err(|error| wrong(&error))
}

fn wrong(error: &serde_json::Error) -> ApiError {
    ApiError::invalid_argument(format!("Invalid JSON payload received. {error}"))
}

fn unreadable(error: &axum::extract::rejection::BytesRejection) -> ApiError {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<LengthLimitError>() {
            return too_long();
        }
        cause = inner.source();
    }
    ApiError::invalid_argument(format!("The request's body can't be read: {error}"))
}

fn too_long() -> ApiError {
    ApiError::invalid_argument(format!("Request payload size exceeds the limit: {LARGEST_BODY} bytes."))
}

/// Splits `name:verb`, the last segment of many of Google's paths. Verbs are letters, so that a
/// name which holds a colon of its own stays whole.
pub(crate) fn split_verb(segment: &str) -> (&str, Option<&str>) {
    match segment.rsplit_once(':') {
        Some((name, verb)) if !verb.is_empty() && verb.bytes().all(|b| b.is_ascii_alphabetic()) => {
            (name, Some(verb))
        }
        _ => (segment, None),
    }
}

/// How much of a list, and from where.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PageQuery {
    page_size: Option<u32>,
    page_token: String,
}

impl PageQuery {
    /// One page of `items`, which stand sorted by the key that `key` gives, and the token of the next.
    pub(crate) fn page<T>(&self, items: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let size = match self.page_size {
            None | Some(0) => 100,
            Some(size) => size.min(1000) as usize,
        };
        let mut rest = items.into_iter().skip_while(|item| key(item) <= self.page_token).peekable();
        let page: Vec<T> = rest.by_ref().take(size).collect();
        let next = rest.peek().and(page.last()).map(key);
        (page, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_split_off_and_a_name_with_a_colon_stays_whole() {
        assert_eq!(split_verb("fx-dev:getIamPolicy"), ("fx-dev", Some("getIamPolicy")));
        assert_eq!(split_verb("fx-dev"), ("fx-dev", None));
        assert_eq!(split_verb("example.com:123"), ("example.com:123", None));
    }

    #[test]
    fn pages_cover_a_list_once() {
        let first = PageQuery { page_size: Some(2), page_token: String::new() };
        let (page, next) = first.page(vec!["a", "b", "c"], ToString::to_string);
        assert_eq!((page, next.as_deref()), (vec!["a", "b"], Some("b")));
        let second = PageQuery { page_size: Some(2), page_token: "b".into() };
        assert_eq!(second.page(vec!["a", "b", "c"], ToString::to_string), (vec!["c"], None));
    }
}
