//! One error of all Google services here: a `google.rpc` code and a sentence, as REST and gRPC
//! carry them. Knows nothing of any service.

use std::collections::BTreeMap;
use std::fmt::Display;

use axum::Json;
use axum::response::{IntoResponse, Response};
use googleapis_tonic_google_storage_v2::google::rpc;
use http::StatusCode;
use prost::Message as _;
use serde_json::{Value, json};

const INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// The codes of `google.rpc` that the services answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request is wrong whatever the state.
    InvalidArgument,
    /// It is not there.
    NotFound,
    /// It is there already.
    AlreadyExists,
    /// The request is right, but not in this state.
    FailedPrecondition,
    /// Somebody else was faster: read again, and try again.
    Aborted,
    /// The caller may not.
    PermissionDenied,
    /// Nobody knows who the caller is.
    Unauthenticated,
    /// A quota or a limit is reached.
    ResourceExhausted,
    /// The local cloud can't do it.
    Unimplemented,
    /// A bug here.
    Internal,
    /// Try again later.
    Unavailable,
    /// Beyond the end.
    OutOfRange,
}

/// What a service answers instead of a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind of failure: what clients branch on.
    pub code: Code,
    /// What a person reads.
    pub message: String,
    /// What programs read beyond the code, where Google's services send it.
    pub info: Option<Box<ErrorInfo>>,
}

/// `google.rpc.ErrorInfo`: the reason of an error, for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorInfo {
    /// `IAM_PERMISSION_DENIED` …
    pub reason: &'static str,
    /// Whose reason it is: `pubsub.googleapis.com`.
    pub domain: String,
    /// What it is about.
    pub metadata: BTreeMap<String, String>,
}

impl ErrorInfo {
    pub(crate) fn new(
        reason: &'static str,
        domain: impl Into<String>,
        metadata: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Self { reason, domain: domain.into(), metadata }
    }
}

impl Code {
    /// Status line, name, and the `reason` of the older error format, which gcloud and Terraform read.
    const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::InvalidArgument => (400, "INVALID_ARGUMENT", "badRequest"),
            Self::NotFound => (404, "NOT_FOUND", "notFound"),
            Self::AlreadyExists => (409, "ALREADY_EXISTS", "alreadyExists"),
            Self::FailedPrecondition => (400, "FAILED_PRECONDITION", "failedPrecondition"),
            Self::Aborted => (409, "ABORTED", "aborted"),
            Self::PermissionDenied => (403, "PERMISSION_DENIED", "forbidden"),
            Self::Unauthenticated => (401, "UNAUTHENTICATED", "authError"),
            Self::ResourceExhausted => (429, "RESOURCE_EXHAUSTED", "rateLimitExceeded"),
            Self::Unimplemented => (501, "UNIMPLEMENTED", "notImplemented"),
            Self::Internal => (500, "INTERNAL", "backendError"),
            Self::Unavailable => (503, "UNAVAILABLE", "backendError"),
            Self::OutOfRange => (400, "OUT_OF_RANGE", "outOfRange"),
        }
    }

    const fn grpc(self) -> tonic::Code {
        match self {
            Self::InvalidArgument => tonic::Code::InvalidArgument,
            Self::NotFound => tonic::Code::NotFound,
            Self::AlreadyExists => tonic::Code::AlreadyExists,
            Self::FailedPrecondition => tonic::Code::FailedPrecondition,
            Self::Aborted => tonic::Code::Aborted,
            Self::PermissionDenied => tonic::Code::PermissionDenied,
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::ResourceExhausted => tonic::Code::ResourceExhausted,
            Self::Unimplemented => tonic::Code::Unimplemented,
            Self::Internal => tonic::Code::Internal,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::OutOfRange => tonic::Code::OutOfRange,
        }
    }
}

/// A constructor per code, so that a failure reads as a sentence where it is found.
macro_rules! constructors {
    ($($name:ident => $code:ident),+ $(,)?) => {
        #[allow(dead_code, reason = "one per code, whichever service needs it first")]
        impl ApiError {
            $(pub(crate) fn $name(message: impl Into<String>) -> Self {
                Self { code: Code::$code, message: message.into(), info: None }
            })+
        }
    };
}

constructors! {
    invalid_argument => InvalidArgument,
    not_found => NotFound,
    already_exists => AlreadyExists,
    failed_precondition => FailedPrecondition,
    aborted => Aborted,
    permission_denied => PermissionDenied,
    unauthenticated => Unauthenticated,
    resource_exhausted => ResourceExhausted,
    unimplemented => Unimplemented,
    internal => Internal,
    unavailable => Unavailable,
    out_of_range => OutOfRange,
}

impl ApiError {
    /// The HTTP status.
    #[must_use]
    pub fn http(&self) -> u16 {
        self.code.parts().0
    }

    /// The body that Google's REST services send.
    #[must_use]
    pub fn body(&self) -> Value {
        let (code, status, reason) = self.code.parts();
        let mut body = json!({"error": {
            "code": code,
            "message": self.message,
            "status": status,
            "errors": [{"message": self.message, "domain": "global", "reason": reason}],
        }});
        if let Some(info) = &self.info {
            body["error"]["details"] = json!([{
                "@type": INFO,
                "reason": info.reason,
                "domain": info.domain,
                "metadata": info.metadata,
            }]);
        }
        body
    }

    /// The local cloud has no `what`: a method, or a field of one.
    pub(crate) fn unsupported(what: impl Display) -> Self {
        Self::unimplemented(format!("{what}: not supported by the local cloud"))
    }

    /// Says more to programs.
    pub(crate) fn with(self, info: ErrorInfo) -> Self {
        Self { info: Some(Box::new(info)), ..self }
    }
}

/// The older format of errors, which Cloud Storage still writes: one entry, and no name of the code.
pub(crate) fn older_body(status: u16, entry: &Value) -> Value {
    json!({"error": {"code": status, "message": entry["message"], "errors": [entry]}})
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.body())).into_response()
    }
}

impl From<ApiError> for tonic::Status {
    fn from(error: ApiError) -> Self {
        let code = error.code.grpc();
        let Some(info) = error.info else { return Self::new(code, error.message) };
        let ErrorInfo { reason, domain, metadata } = *info;
        let info = rpc::ErrorInfo { reason: reason.into(), domain, metadata: metadata.into_iter().collect() };
        let details = vec![prost_types::Any { type_url: INFO.into(), value: info.encode_to_vec() }];
        let status = rpc::Status { code: code.into(), message: error.message.clone(), details };
        Self::with_details(code, error.message, status.encode_to_vec().into())
    }
}

/// A journal that can't be written: nothing may be acknowledged.
impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        Self::unavailable(format!("the local cloud can't write its state: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_the_same_over_rest_and_grpc() {
        let error = ApiError::aborted("There were concurrent policy changes.");
        let body = error.body();
        assert_eq!((error.http(), &body["error"]["status"]), (409, &json!("ABORTED")));
        assert_eq!(body["error"]["errors"][0]["reason"], "aborted");
        let status = tonic::Status::from(error);
        assert_eq!(
            (status.code(), status.message()),
            (tonic::Code::Aborted, "There were concurrent policy changes.")
        );
    }
}
