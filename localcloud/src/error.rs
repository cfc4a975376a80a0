//! The one error type of all Google services, as REST and as gRPC write it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

/// The codes of google.rpc that the services here use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request is wrong whatever the state.
    InvalidArgument,
    /// There is no such resource.
    NotFound,
    /// There is one already.
    AlreadyExists,
    /// The state forbids it.
    FailedPrecondition,
    /// Somebody else was faster.
    Aborted,
    /// The caller may not.
    PermissionDenied,
    /// A quota or limit.
    ResourceExhausted,
    /// Not supported here.
    Unimplemented,
    /// A fault of the local cloud.
    Internal,
    /// Try again.
    Unavailable,
    /// Past the end.
    OutOfRange,
}

/// What a service answers instead of a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind.
    pub code: Code,
    /// For people.
    pub message: String,
}

impl Code {
    /// The status of HTTP, the name in REST bodies, and the code of gRPC.
    fn wires(self) -> (u16, &'static str, tonic::Code) {
        match self {
            Self::InvalidArgument => (400, "INVALID_ARGUMENT", tonic::Code::InvalidArgument),
            Self::NotFound => (404, "NOT_FOUND", tonic::Code::NotFound),
            Self::AlreadyExists => (409, "ALREADY_EXISTS", tonic::Code::AlreadyExists),
            Self::FailedPrecondition => (400, "FAILED_PRECONDITION", tonic::Code::FailedPrecondition),
            Self::Aborted => (409, "ABORTED", tonic::Code::Aborted),
            Self::PermissionDenied => (403, "PERMISSION_DENIED", tonic::Code::PermissionDenied),
            Self::ResourceExhausted => (429, "RESOURCE_EXHAUSTED", tonic::Code::ResourceExhausted),
            Self::Unimplemented => (501, "UNIMPLEMENTED", tonic::Code::Unimplemented),
            Self::Internal => (500, "INTERNAL", tonic::Code::Internal),
            Self::Unavailable => (503, "UNAVAILABLE", tonic::Code::Unavailable),
            Self::OutOfRange => (400, "OUT_OF_RANGE", tonic::Code::OutOfRange),
        }
    }
}

macro_rules! constructors {
    ($($name:ident $code:ident)*) => {
        $(
            #[doc = concat!("An error of the kind [`Code::", stringify!($code), "`].")]
            pub fn $name(message: impl Into<String>) -> Self {
                Self { code: Code::$code, message: message.into() }
            }
        )*
    };
}

#[allow(dead_code)] // one constructor per code, whoever needs it
impl ApiError {
    constructors! {
        invalid_argument InvalidArgument
        not_found NotFound
        already_exists AlreadyExists
        failed_precondition FailedPrecondition
        aborted Aborted
        permission_denied PermissionDenied
        resource_exhausted ResourceExhausted
        unimplemented Unimplemented
        internal Internal
        unavailable Unavailable
        out_of_range OutOfRange
    }

    /// The status of HTTP.
    #[must_use]
    pub fn http(&self) -> u16 {
        self.code.wires().0
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (code, status, _) = self.code.wires();
        let body = json!({"error": {"code": code, "message": self.message, "status": status}});
        (StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(body)).into_response()
    }
}

impl From<ApiError> for tonic::Status {
    fn from(error: ApiError) -> Self {
        Self::new(error.code.wires().2, error.message)
    }
}
