//! What an error of a cloud means: gone, refused, already there, worth another try.

use std::time::Duration;

use anyhow::{Error, Result};
use google_cloud_gax::error::Error as GoogleError;
use google_cloud_gax::error::rpc::Code;
use kube::Error as KubeError;

/// An error that knows what is to be done about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Advised {
    /// What went wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Whether the error says that the thing is not there.
pub(crate) fn is_not_found(error: &Error) -> bool {
    has(error, 404, Code::NotFound)
}

/// Whether the error says that the caller may not.
pub(crate) fn is_denied(error: &Error) -> bool {
    has(error, 403, Code::PermissionDenied)
        || error.downcast_ref::<clients::ObjectError>().is_some_and(clients::ObjectError::is_denied)
}

/// Whether the project has not enabled the service, or not everywhere yet.
pub(crate) fn is_service_disabled(error: &Error) -> bool {
    is_denied(error) && text(error).contains(SERVICE_DISABLED)
}

/// What Google says of a service that the project has not enabled.
const SERVICE_DISABLED: &str = "has not been used in project";

/// Why a conditional write of ours was not done, where no client says it as an error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unmet {
    /// Something is there already.
    #[error("{0} is there already")]
    AlreadyThere(String),
    /// Somebody else wrote since we looked.
    #[error("{0} was written by somebody else meanwhile")]
    Raced(String),
    /// It was refused because something is there, which a look does not show: it was made, or is being
    /// deleted, since a moment ago.
    #[error("{0}; it cannot be seen, so it was made or deleted a moment ago")]
    NotSeen(String),
}

/// Whether the error says that the thing is there already.
pub(crate) fn is_already_there(error: &Error) -> bool {
    let refused = has(error, 409, Code::AlreadyExists) && !is_race(error);
    refused || matches!(unmet(error), Some(Unmet::AlreadyThere(_)))
}

/// Whether a bucket cannot be deleted because it has objects.
pub(crate) fn is_not_empty(error: &Error) -> bool {
    (has(error, 409, Code::FailedPrecondition)) && text(error).contains("not empty")
}

/// Whether somebody else wrote between our read and our write.
pub(crate) fn is_race(error: &Error) -> bool {
    let conflict = |status: &kube::core::Status| status.code == 409 && status.reason == "Conflict";
    has_code(error, Code::Aborted)
        || status(error) == Some(412)
        || has_code(error, Code::FailedPrecondition)
            && ["etag", "pre-condition", "precondition"].iter().any(|word| text(error).contains(word))
        || matches!(kube(error), Some(KubeError::Api(status)) if conflict(status))
        || matches!(unmet(error), Some(Unmet::Raced(_)))
}

/// "Not found" as an answer.
pub(crate) fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// "Not found" where gone is what was wanted.
pub(crate) fn gone<T>(answer: Result<T>) -> Result<()> {
    found(answer).map(drop)
}

/// Errors worth another try by what they say, as the Google Terraform provider learned them: each
/// a status and a part of the text.
const BY_EVIDENCE: [(u16, &str); 16] = [
    (409, "operationinprogress"),
    (409, "concurrent policy changes"),
    (400, "resourcenotready"),
    (400, "retry this operation"),
    (400, "is currently upgrading cluster"),
    (400, "is currently being created, deleted, updated or repaired"),
    (400, "incompatible operation"),
    (400, "please wait and try again once it is done"),
    // An API that somebody, perhaps a killed apply of ours, is enabling.
    (400, "another activation or deactivation is in progress"),
    // A new service account, not seen everywhere yet.
    (400, "does not exist"),
    (403, "quota exceeded for quota metric"),
    (403, "concurrent operations"),
    // Enabled a moment ago, not seen everywhere yet.
    (403, SERVICE_DISABLED),
    (429, ""),
    (503, ""),
    (500, ""),
];

/// Whether another try may succeed, told by the error itself.
pub(crate) fn is_worth_another_try(error: &Error) -> bool {
    if matches!(unmet(error), Some(Unmet::NotSeen(_))) {
        return true;
    }
    let said = text(error).to_lowercase();
    if said.contains("per day") {
        return false;
    }
    if let Some(status) = status(error) {
        let known = |(code, part): &(u16, &str)| *code == status && said.contains(part);
        return BY_EVIDENCE.iter().any(known) || matches!(status, 502 | 504);
    }
    google(error).is_some_and(|e| e.is_timeout() || e.is_io() || e.is_connect() || e.is_transport())
        || matches!(kube(error), Some(KubeError::HyperError(_) | KubeError::Service(_)))
}

/// Whether nobody answered at all.
pub(crate) fn is_silent(error: &Error) -> bool {
    let silent =
        google(error).is_some_and(|e| e.is_timeout() || e.is_io() || e.is_connect() || e.is_transport());
    silent
        || matches!(kube(error), Some(KubeError::HyperError(_) | KubeError::Service(_)))
        || matches!(status(error), Some(502..=504))
}

/// How long the server asked to wait.
pub(crate) fn retry_after(error: &Error) -> Option<Duration> {
    let seconds = google(error)?.http_headers()?.get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn has(error: &Error, http: u16, code: Code) -> bool {
    status(error) == Some(http) || has_code(error, code)
}

fn has_code(error: &Error, code: Code) -> bool {
    google(error).and_then(GoogleError::status).is_some_and(|status| status.code == code)
}

fn unmet(error: &Error) -> Option<&Unmet> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

fn google(error: &Error) -> Option<&GoogleError> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

fn kube(error: &Error) -> Option<&KubeError> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// The HTTP status of the answer, or what a gRPC code would be as one.
pub(crate) fn status(error: &Error) -> Option<u16> {
    if let Some(KubeError::Api(answer)) = kube(error) {
        return Some(answer.code);
    }
    let error = google(error)?;
    let by_code = |code| match code {
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => Some(400),
        Code::Unauthenticated => Some(401),
        Code::PermissionDenied => Some(403),
        Code::NotFound => Some(404),
        Code::AlreadyExists | Code::Aborted => Some(409),
        Code::ResourceExhausted => Some(429),
        Code::Internal | Code::Unknown => Some(500),
        Code::Unavailable => Some(503),
        Code::DeadlineExceeded => Some(504),
        _ => None,
    };
    error.http_status_code().or_else(|| error.status().and_then(|status| by_code(status.code)))
}

fn text(error: &Error) -> String {
    format!("{error:#}")
}
