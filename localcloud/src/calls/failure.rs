//! The errors that a fault answers with: by the names of `google.rpc`, by a status, or by the name of
//! something that Google's services are known to say. Each wire writes them its own way.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::wire::Wire;
use crate::error::older_body;

/// An error, whichever wire carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// As `google.rpc` names it: `UNAVAILABLE`.
    pub code: String,
    /// The `reason` of the older format of Google's errors.
    pub reason: String,
    /// What it says. `{cluster}`, `{project}`, `{service}` and `{name}` stand for those of the call.
    pub message: String,
    /// After so many seconds the client may try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// Name, HTTP status, code, reason, message.
type Row = (&'static str, u16, &'static str, &'static str, &'static str);

/// What has a name. The texts are those that Google's services were seen to answer.
const NAMED: &[Row] = &[
    ("cancelled", 499, "CANCELLED", "cancelled", "The operation was cancelled."),
    ("invalid-argument", 400, "INVALID_ARGUMENT", "badRequest", "Request contains an invalid argument."),
    ("failed-precondition", 400, "FAILED_PRECONDITION", "failedPrecondition", "Precondition check failed."),
    (
        "unauthenticated",
        401,
        "UNAUTHENTICATED",
        "authError",
        "Request had invalid authentication credentials.",
    ),
    ("permission-denied", 403, "PERMISSION_DENIED", "forbidden", "The caller does not have permission"),
    ("not-found", 404, "NOT_FOUND", "notFound", "Requested entity was not found."),
    ("already-exists", 409, "ALREADY_EXISTS", "alreadyExists", "Requested entity already exists"),
    ("aborted", 409, "ABORTED", "aborted", "The operation was aborted."),
    (
        "precondition-failed",
        412,
        "FAILED_PRECONDITION",
        "conditionNotMet",
        "At least one of the pre-conditions you specified did not hold.",
    ),
    (
        "resource-exhausted",
        429,
        "RESOURCE_EXHAUSTED",
        "rateLimitExceeded",
        "Resource has been exhausted (e.g. check quota).",
    ),
    ("internal", 500, "INTERNAL", "backendError", "Internal error encountered."),
    (
        "unimplemented",
        501,
        "UNIMPLEMENTED",
        "notImplemented",
        "Operation is not implemented, or supported, or enabled.",
    ),
    ("bad-gateway", 502, "UNAVAILABLE", "badGateway", "Bad Gateway"),
    ("unavailable", 503, "UNAVAILABLE", "backendError", "The service is currently unavailable."),
    (
        "deadline-exceeded",
        504,
        "DEADLINE_EXCEEDED",
        "gatewayTimeout",
        "Deadline expired before operation could complete.",
    ),
    (
        "gke-upgrading",
        400,
        "FAILED_PRECONDITION",
        "failedPrecondition",
        "Operation operation-1700000000000-5c0ffee5 is currently upgrading cluster {cluster}. Please wait and try again once it is done.",
    ),
    (
        "gke-being-updated",
        400,
        "FAILED_PRECONDITION",
        "failedPrecondition",
        "Cluster is currently being created, deleted, updated or repaired and cannot be updated.",
    ),
    (
        "gke-quota",
        429,
        "RESOURCE_EXHAUSTED",
        "rateLimitExceeded",
        "Insufficient quota to satisfy the request: Too many operations: cluster \"{cluster}\" hits the concurrent operations quota 5. Please wait and try again once it is done.",
    ),
    ("gke-etag", 409, "ABORTED", "aborted", "Resource etag does not match the latest version."),
    (
        "iam-does-not-exist",
        400,
        "INVALID_ARGUMENT",
        "badRequest",
        "Service account {account} does not exist.",
    ),
    (
        "iam-race",
        409,
        "ABORTED",
        "aborted",
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
    ),
    (
        "pubsub-retry",
        400,
        "FAILED_PRECONDITION",
        "failedPrecondition",
        "Request could not be processed as a policy has not propagated yet. Please retry this operation.",
    ),
    (
        "operation-in-progress",
        409,
        "ABORTED",
        "operationInProgress",
        "operationInProgress: another operation on this resource is in progress.",
    ),
    (
        "resource-not-ready",
        400,
        "FAILED_PRECONDITION",
        "resourceNotReady",
        "resourceNotReady: The resource '{name}' is not ready",
    ),
    (
        "quota-per-minute",
        403,
        "PERMISSION_DENIED",
        "rateLimitExceeded",
        "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service '{service}.googleapis.com' for consumer '{project}'.",
    ),
    (
        "quota-per-day",
        403,
        "PERMISSION_DENIED",
        "dailyLimitExceeded",
        "Quota exceeded for quota metric 'Requests' and limit 'Requests per day' of service '{service}.googleapis.com' for consumer '{project}'.",
    ),
    (
        "concurrent-operations",
        403,
        "PERMISSION_DENIED",
        "rateLimitExceeded",
        "Quota exceeded: too many concurrent operations in project {project}.",
    ),
    (
        "api-disabled",
        403,
        "PERMISSION_DENIED",
        "accessNotConfigured",
        "The API {service}.googleapis.com has not been used in project {project} before or it is disabled. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
    ),
];

/// Of rows with the same status, which one a number means.
const NUMBERED: [(u16, &str); 3] =
    [(400, "invalid-argument"), (403, "permission-denied"), (409, "already-exists")];

impl Failure {
    /// `unavailable`, `503`, `gke-upgrading` …: one of [`Failure::names`], or a status that one has.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let number: Option<u16> = name.parse().ok();
        let name = NUMBERED.iter().find(|(status, _)| number == Some(*status)).map_or(name, |(_, name)| name);
        let name = name.to_ascii_lowercase().replace('_', "-");
        let row = NAMED.iter().find(|row| row.0 == name || Some(row.1) == name.parse().ok())?;
        let (_, status, code, reason, message) = *row;
        let text = str::to_owned;
        Some(Self {
            status,
            code: text(code),
            reason: text(reason),
            message: text(message),
            retry_after: None,
        })
    }

    /// Every name that [`Failure::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|row| row.0)
    }

    /// The same with another text.
    #[must_use]
    pub fn saying(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// With what it says filled in for a call.
    pub(super) fn about(&self, method: &str, resource: &str) -> Self {
        let mut message = self.message.clone();
        if message.contains('{') {
            let segments: Vec<&str> = resource.split('/').collect();
            let of = |kind: &str| segments.iter().skip_while(|s| **s != kind).nth(1).copied().unwrap_or("-");
            let last = segments.last().copied().unwrap_or_default();
            let account = format!("new-account@{}.iam.gserviceaccount.com", of("projects"));
            for (mark, value) in [
                ("{cluster}", of("clusters")),
                ("{project}", of("projects")),
                ("{service}", method.split('.').next().unwrap_or_default()),
                ("{name}", last),
                ("{account}", if last.contains('@') { last } else { &account }),
            ] {
                message = message.replace(mark, value);
            }
        }
        Self { message, ..self.clone() }
    }

    /// As a wire writes it.
    pub(super) fn response(&self, wire: Wire) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let Self { code, reason, message, .. } = self;
        let entry = json!({"message": message, "domain": "global", "reason": reason});
        let body = match wire {
            Wire::Grpc => return self.grpc().into_http(),
            Wire::Storage => older_body(self.status, &entry),
            Wire::Rest => {
                json!({"error": {"code": self.status, "message": message, "status": code, "errors": [entry]}})
            }
            Wire::Registry => json!({"errors": [{"code": code, "message": message}]}),
            Wire::Kubernetes => json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": message, "reason": self.kubernetes_reason(), "code": self.status,
            }),
        };
        let mut response = (status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    pub(super) fn grpc(&self) -> tonic::Status {
        let codes = (1..=16).map(tonic::Code::from_i32);
        let mut codes = codes.filter(|code| name_of(*code) == self.code);
        tonic::Status::new(codes.next().unwrap_or(tonic::Code::Unknown), self.message.clone())
    }

    fn kubernetes_reason(&self) -> &'static str {
        match (self.status, self.code.as_str()) {
            (400, _) => "BadRequest",
            (401, _) => "Unauthorized",
            (403, _) => "Forbidden",
            (404, _) => "NotFound",
            (409, "ALREADY_EXISTS") => "AlreadyExists",
            (409 | 412, _) => "Conflict",
            (429, _) => "TooManyRequests",
            (500, _) => "InternalError",
            (503, _) => "ServiceUnavailable",
            (504, _) => "Timeout",
            _ => "Unknown",
        }
    }
}

/// `tonic::Code::Unavailable` as `UNAVAILABLE`.
pub(super) fn name_of(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::Ok => "OK",
        tonic::Code::Cancelled => "CANCELLED",
        tonic::Code::Unknown => "UNKNOWN",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::AlreadyExists => "ALREADY_EXISTS",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
        tonic::Code::Aborted => "ABORTED",
        tonic::Code::OutOfRange => "OUT_OF_RANGE",
        tonic::Code::Unimplemented => "UNIMPLEMENTED",
        tonic::Code::Internal => "INTERNAL",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::DataLoss => "DATA_LOSS",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_by_its_name_or_its_status() {
        let code = |name: &str| Failure::named(name).map(|failure| (failure.status, failure.code));
        assert_eq!(code("unavailable"), Some((503, "UNAVAILABLE".into())));
        assert_eq!(code("DEADLINE_EXCEEDED"), Some((504, "DEADLINE_EXCEEDED".into())));
        assert_eq!(code("429"), Some((429, "RESOURCE_EXHAUSTED".into())));
        assert_eq!(code("403"), Some((403, "PERMISSION_DENIED".into())));
        assert_eq!(code("418"), None);
        for name in Failure::names() {
            let failure = Failure::named(name).expect(name);
            assert_eq!(name_of(failure.grpc().code()), failure.code, "{name}");
        }
    }

    #[test]
    fn it_names_what_the_call_is_about() {
        let failure = Failure::named("gke-quota").expect("a failure");
        let pool = "projects/p/locations/europe-west1/clusters/fx-main/nodePools/workers";
        let said = failure.about("container.nodePools.create", pool).message;
        assert!(said.contains("cluster \"fx-main\" hits the concurrent operations quota"), "{said}");
    }
}
