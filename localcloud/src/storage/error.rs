//! What Cloud Storage answers instead of a result, as its two wires write it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::error::{ApiError, Code};
use crate::iam::Denied;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Invalid,
    NotFound,
    /// The name is taken.
    Taken,
    /// The bucket holds objects.
    NotEmpty,
    /// Somebody put a hold on the object.
    Held,
    ConditionNotMet,
    /// A read's "unless it is still this one".
    NotModified,
    /// Somebody else changed the policy.
    Raced,
    /// The caller may not.
    Denied,
    Range,
    Unsupported,
    Internal,
}

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct StorageError {
    pub(super) reason: Reason,
    pub(super) message: String,
}

pub(super) type Result<T> = std::result::Result<T, StorageError>;

impl Reason {
    /// Status and reason of the JSON API, code of gRPC.
    fn wires(self) -> (StatusCode, &'static str, tonic::Code) {
        match self {
            Self::Invalid => (StatusCode::BAD_REQUEST, "invalid", tonic::Code::InvalidArgument),
            Self::NotFound => (StatusCode::NOT_FOUND, "notFound", tonic::Code::NotFound),
            Self::Taken => (StatusCode::CONFLICT, "conflict", tonic::Code::AlreadyExists),
            Self::NotEmpty => (StatusCode::CONFLICT, "conflict", tonic::Code::FailedPrecondition),
            Self::Held => (StatusCode::FORBIDDEN, "forbidden", tonic::Code::FailedPrecondition),
            Self::ConditionNotMet => {
                (StatusCode::PRECONDITION_FAILED, "conditionNotMet", tonic::Code::FailedPrecondition)
            }
            Self::NotModified => (StatusCode::NOT_MODIFIED, "notModified", tonic::Code::Aborted),
            Self::Raced => (StatusCode::PRECONDITION_FAILED, "conditionNotMet", tonic::Code::Aborted),
            Self::Denied => (StatusCode::FORBIDDEN, "forbidden", tonic::Code::PermissionDenied),
            Self::Range => {
                (StatusCode::RANGE_NOT_SATISFIABLE, "requestedRangeNotSatisfiable", tonic::Code::OutOfRange)
            }
            Self::Unsupported => (StatusCode::NOT_IMPLEMENTED, "notImplemented", tonic::Code::Unimplemented),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internalError", tonic::Code::Internal),
        }
    }
}

impl StorageError {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, message)
    }

    pub(super) fn unsupported(what: &str) -> Self {
        Self::new(Reason::Unsupported, format!("the local cloud does not support {what}"))
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(Reason::Internal, message)
    }

    pub(super) fn range(message: impl Into<String>) -> Self {
        Self::new(Reason::Range, message)
    }

    pub(super) fn no_bucket() -> Self {
        Self::new(Reason::NotFound, "The specified bucket does not exist.")
    }

    pub(super) fn no_object(bucket: &str, object: &str) -> Self {
        Self::new(Reason::NotFound, format!("No such object: {bucket}/{object}"))
    }

    pub(super) fn no_upload() -> Self {
        Self::new(Reason::NotFound, "No such upload session.")
    }

    pub(super) fn condition_not_met() -> Self {
        Self::new(Reason::ConditionNotMet, "At least one of the pre-conditions you specified did not hold.")
    }

    pub(super) fn not_modified() -> Self {
        Self::new(Reason::NotModified, "Not Modified")
    }

    pub(super) fn own_bucket_exists() -> Self {
        Self::new(
            Reason::Taken,
            "Your previous request to create the named bucket succeeded and you already own it.",
        )
    }

    pub(super) fn bucket_taken() -> Self {
        Self::new(
            Reason::Taken,
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
        )
    }

    pub(super) fn not_empty() -> Self {
        Self::new(Reason::NotEmpty, "The bucket you tried to delete is not empty.")
    }

    pub(super) fn held(bucket: &str, object: &str) -> Self {
        Self::new(
            Reason::Held,
            format!(
                "Object '{bucket}/{object}' is under active hold and cannot be deleted, overwritten or archived until hold is removed."
            ),
        )
    }

    /// Why a policy was not set.
    pub(super) fn policy(error: ApiError) -> Self {
        let reason = match error.code {
            Code::Aborted => Reason::Raced,
            _ => Reason::Invalid,
        };
        Self::new(reason, error.message)
    }
}

/// In the words of Cloud Storage.
impl From<Denied> for StorageError {
    fn from(denied: Denied) -> Self {
        Self::new(Reason::Denied, ApiError::from(denied).message)
    }
}

impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        Self::internal(format!("the local cloud could not reach its files: {error}"))
    }
}

impl IntoResponse for StorageError {
    fn into_response(self) -> Response {
        let (status, reason, _) = self.reason.wires();
        if status == StatusCode::NOT_MODIFIED {
            return status.into_response();
        }
        let error = json!({"message": self.message, "domain": "global", "reason": reason});
        let body = json!({"error": {"code": status.as_u16(), "message": self.message, "errors": [error]}});
        (status, Json(body)).into_response()
    }
}

impl From<StorageError> for tonic::Status {
    fn from(error: StorageError) -> Self {
        Self::new(error.reason.wires().2, error.message)
    }
}
