//! What an error of a cloud means: gone, refused, already there, worth another try.

use std::error::Error as StdError;
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

/// What a service answered instead of what it was asked for, in its own words: below them the same only
/// comes again, in those of the transport.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
struct Answered {
    said: String,
    answer: Box<dyn StdError + Send + Sync>,
}

/// The error of a call, as people read it.
pub(super) fn readable(error: Error) -> Error {
    let error = match error.downcast::<GoogleError>() {
        Ok(error) if error.status().is_some() => {
            return Answered { said: clients::explain(&error), answer: error.into() }.into();
        }
        Ok(error) => return error.into(),
        Err(error) => error,
    };
    match error.downcast::<KubeError>() {
        Ok(KubeError::Api(status)) => {
            let reason =
                if status.reason.is_empty() { status.code.to_string() } else { status.reason.clone() };
            let said = clients::in_words(&status.message, &reason);
            Answered { said, answer: KubeError::Api(status).into() }.into()
        }
        Ok(error) => error.into(),
        Err(error) => error,
    }
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
pub(super) const SERVICE_DISABLED: &str = "has not been used in project";

/// Why a conditional write of ours was not done, where no client says it as an error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unmet {
    /// Something is there already.
    #[error("{0} is there already")]
    AlreadyThere(String),
    /// Somebody else wrote since we looked.
    #[error("{0} was written by somebody else meanwhile")]
    Raced(String),
}

/// Whether the error says that the thing is there already.
pub(crate) fn is_already_there(error: &Error) -> bool {
    let refused = has(error, 409, Code::AlreadyExists) && !is_race(error);
    refused || matches!(unmet(error), Some(Unmet::AlreadyThere(_)))
}

/// Whether the thing is not in the state that the call is for.
pub(crate) fn is_out_of_place(error: &Error) -> bool {
    has_code(error, Code::FailedPrecondition) && !is_race(error)
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
        // Of uploads no client reads the code.
        || status(error) == Some(409) && text(error).contains("operation was aborted")
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

/// What a service of Google's answered, whichever client asked it.
pub(super) fn google(error: &Error) -> Option<&GoogleError> {
    causes(error).find_map(|cause| {
        let of_an_object = || cause.downcast_ref::<clients::ObjectError>()?.service();
        cause.downcast_ref().or_else(of_an_object)
    })
}

pub(super) fn kube(error: &Error) -> Option<&KubeError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// What led to an error, with the answers themselves in place of their words.
fn causes(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    error.chain().map(|cause| match cause.downcast_ref::<Answered>() {
        Some(answered) => &*answered.answer,
        None => cause,
    })
}

/// The HTTP status of the answer, or what a gRPC code would be as one.
pub(crate) fn status(error: &Error) -> Option<u16> {
    if let Some(KubeError::Api(answer)) = kube(error) {
        return Some(answer.code);
    }
    status_of(google(error)?)
}

/// The HTTP status of an answer of Google's, or what its gRPC code would be as one.
pub(super) fn status_of(error: &GoogleError) -> Option<u16> {
    let by_code = |code| match code {
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => Some(400),
        Code::Unauthenticated => Some(401),
        Code::PermissionDenied => Some(403),
        Code::NotFound => Some(404),
        Code::AlreadyExists | Code::Aborted => Some(409),
        Code::ResourceExhausted => Some(429),
        Code::Internal | Code::Unknown => Some(500),
        Code::Unavailable => Some(503),
        Code::Cancelled => Some(499),
        Code::Unimplemented => Some(501),
        Code::DeadlineExceeded => Some(504),
        _ => None,
    };
    error.http_status_code().or_else(|| error.status().and_then(|status| by_code(status.code)))
}

fn text(error: &Error) -> String {
    format!("{error:#}")
}
