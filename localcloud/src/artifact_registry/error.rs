//! What the API of docker answers instead of a result: the specification's codes, in Artifact
//! Registry's words.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

/// A code of the specification, and a sentence.
pub(super) struct Refusal(pub(super) StatusCode, pub(super) &'static str, pub(super) String);

impl Refusal {
    pub(super) fn no_repository(repository: &str) -> Self {
        Self(StatusCode::NOT_FOUND, "NAME_UNKNOWN", format!("Repository \"{repository}\" not found"))
    }

    pub(super) fn no_manifest(reference: &str) -> Self {
        Self(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", format!("Failed to fetch \"{reference}\""))
    }

    pub(super) fn no_blob(digest: &str) -> Self {
        Self(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", format!("Failed to fetch \"{digest}\""))
    }

    pub(super) fn no_upload() -> Self {
        Self(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "The upload was not found.".to_owned())
    }

    pub(super) fn invalid(code: &'static str, why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, code, why.into())
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.to_string())
    }
}

impl From<crate::error::ApiError> for Refusal {
    fn from(error: crate::error::ApiError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        (status, Json(json!({ "errors": [{ "code": code, "message": message }] }))).into_response()
    }
}
