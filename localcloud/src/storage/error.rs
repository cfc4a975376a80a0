//! What Cloud Storage answers instead of a result, as its two wires write it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::error::{ApiError, Code, older_body};
use crate::iam::Denied;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Invalid,
    /// A parameter that can't be left out.
    Required,
    /// An upload session that is over.
    Expired,
    /// An upload that its client gave up.
    Cancelled,
    /// Too many buckets created and deleted.
    RateLimit,
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
    /// The parameter that it is about.
    parameter: Option<&'static str>,
}

pub(super) type Result<T> = std::result::Result<T, StorageError>;

impl Reason {
    /// Status and reason of the JSON API, code of gRPC.
    fn wires(self) -> (u16, &'static str, tonic::Code) {
        use tonic::Code;
        match self {
            Self::Invalid => (400, "invalid", Code::InvalidArgument),
            Self::Required => (400, "required", Code::InvalidArgument),
            Self::NotFound => (404, "notFound", Code::NotFound),
            Self::Expired => (410, "gone", Code::NotFound),
            Self::Cancelled => (499, "clientClosedRequest", Code::Cancelled),
            Self::RateLimit => (429, "rateLimitExceeded", Code::ResourceExhausted),
            Self::Taken => (409, "conflict", Code::AlreadyExists),
            Self::NotEmpty => (409, "conflict", Code::FailedPrecondition),
            Self::Held => (403, "forbidden", Code::FailedPrecondition),
            Self::Denied => (403, "forbidden", Code::PermissionDenied),
            Self::ConditionNotMet => (412, "conditionNotMet", Code::FailedPrecondition),
            Self::NotModified => (304, "notModified", Code::Aborted),
            Self::Raced => (412, "conditionNotMet", Code::Aborted),
            Self::Range => (416, "requestedRangeNotSatisfiable", Code::OutOfRange),
            Self::Unsupported => (501, "notImplemented", Code::Unimplemented),
            Self::Internal => (500, "internalError", Code::Internal),
        }
    }

    /// What of the request was wrong, where Google says it: a kind of place, and its name.
    fn location(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::ConditionNotMet | Self::Raced => Some(("header", "If-Match")),
            Self::NotModified => Some(("header", "If-None-Match")),
            Self::Range => Some(("header", "Range")),
            _ => None,
        }
    }

    fn domain(self) -> &'static str {
        if self == Self::RateLimit { "usageLimits" } else { "global" }
    }
}

impl StorageError {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), parameter: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, message)
    }

    pub(super) fn required(parameter: &'static str) -> Self {
        let message = format!("Required parameter: {parameter}");
        Self { parameter: Some(parameter), ..Self::new(Reason::Required, message) }
    }

    pub(super) fn unsupported(what: &str) -> Self {
        Self::new(Reason::Unsupported, ApiError::unsupported(what).message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(Reason::Internal, message)
    }

    pub(super) fn range() -> Self {
        Self::new(Reason::Range, "Request range not satisfiable")
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

    pub(super) fn expired_upload() -> Self {
        Self::new(Reason::Expired, "The upload session has expired. Start a new one.")
    }

    pub(super) fn cancelled_upload() -> Self {
        Self::new(Reason::Cancelled, "The upload was cancelled by its client.")
    }

    /// A part that leaves a hole.
    pub(super) fn beyond(offset: u64, size: u64) -> Self {
        Self::invalid(format!(
            "Invalid request.  According to the Content-Range header, the upload offset is {offset} byte(s), which exceeds already uploaded size of {size} byte(s)."
        ))
    }

    /// A part that is not the last one, and too small.
    pub(super) fn too_small(part: u64, least: u64) -> Self {
        Self::invalid(format!(
            "Invalid request.  The number of bytes uploaded is required to be equal or greater than {least}, except for the final request (it's recommended to be the exact multiple of {least}).  The received request contained {part} bytes, which does not meet this requirement."
        ))
    }

    pub(super) fn too_many_bucket_changes() -> Self {
        Self::new(Reason::RateLimit, "The project exceeded the rate limit for creating and deleting buckets.")
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

    /// `hold` is `Temporary` or `Event-Based`.
    pub(super) fn held(bucket: &str, object: &str, hold: &str) -> Self {
        Self::new(
            Reason::Held,
            format!(
                "Object '{bucket}/{object}' is under active {hold} hold and cannot be deleted, overwritten or archived until hold is removed."
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

impl StorageError {
    /// The status of the JSON API.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.reason.wires().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn body(&self) -> Value {
        let mut error =
            json!({"message": self.message, "domain": self.reason.domain(), "reason": self.reason.wires().1});
        let place = self.parameter.map(|parameter| ("parameter", parameter)).or(self.reason.location());
        if let Some((kind, name)) = place {
            error["locationType"] = kind.into();
            error["location"] = name.into();
        }
        older_body(self.reason.wires().0, &error)
    }

    /// As the answer to a read of content, where Google writes the bare sentence.
    pub(super) fn into_text(self) -> Response {
        match self.status() {
            StatusCode::NOT_MODIFIED => StatusCode::NOT_MODIFIED.into_response(),
            status => (status, [(CONTENT_TYPE, "text/html; charset=UTF-8")], self.message).into_response(),
        }
    }
}

impl IntoResponse for StorageError {
    fn into_response(self) -> Response {
        match self.status() {
            StatusCode::NOT_MODIFIED => StatusCode::NOT_MODIFIED.into_response(),
            status => (status, Json(self.body())).into_response(),
        }
    }
}

impl From<StorageError> for tonic::Status {
    fn from(error: StorageError) -> Self {
        Self::new(error.reason.wires().2, error.message)
    }
}
