//! The one part of the XML API that official clients still use: Google's library for Go reads the
//! content of objects at `/BUCKET/OBJECT`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use super::download;
use super::parameters::Parameters;
use crate::server::unknown;
use crate::storage::error::{Reason, StorageError};
use crate::storage::objects::Source;
use crate::storage::precondition::Precondition;
use crate::storage::state::Storage;

/// Reads an object of a bucket that is here. Every other path is nobody's.
pub(super) async fn read(
    State(storage): State<Arc<Storage>>,
    Path((bucket, name)): Path<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
    request: Request,
) -> Response {
    if storage.get_bucket(&bucket, &Precondition::default()).is_err() {
        return unknown(request).await;
    }
    let source = Source { bucket, name, generation: parameters.generation, condition: condition(&headers) };
    download::content(&storage, &source, &headers).await.unwrap_or_else(|error| answer(&error))
}

fn condition(headers: &HeaderMap) -> Precondition {
    let number = |name| headers.get(name).and_then(|value| value.to_str().ok()?.parse().ok());
    Precondition {
        generation: number("x-goog-if-generation-match"),
        generation_not: number("x-goog-if-generation-not-match"),
        metageneration: number("x-goog-if-metageneration-match"),
        metageneration_not: number("x-goog-if-metageneration-not-match"),
    }
}

fn answer(error: &StorageError) -> Response {
    let code = match error.reason {
        Reason::NotFound => "NoSuchKey",
        Reason::ConditionNotMet => "PreconditionFailed",
        Reason::Range => "InvalidRange",
        Reason::NotModified => return StatusCode::NOT_MODIFIED.into_response(),
        _ => "InvalidArgument",
    };
    let message = error.message.replace('&', "&amp;").replace('<', "&lt;");
    let body = format!(
        "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    (error.status(), [(CONTENT_TYPE, "application/xml; charset=UTF-8")], body).into_response()
}
