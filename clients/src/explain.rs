//! What an error of a client says, all of it: the causes that its own sentence leaves out, and the
//! permission that a refusal names only in its details.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::sync::Arc;

use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::{Code, StatusDetails};

/// Longest text that is made of one error.
const LONGEST: usize = 2000;

/// An error in one line, for people.
#[must_use]
pub fn explain(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        // A batch of messages shares one error.
        let shared = || error.downcast_ref::<Arc<Error>>().map(AsRef::as_ref);
        let service = error.downcast_ref::<Error>().or_else(shared).filter(|error| error.status().is_some());
        let own = error.to_string();
        let said = service.and_then(answer).unwrap_or_else(|| own.clone());
        if !own.is_empty() && text.contains(&own) {
            // Whatever stands around it says it, too.
            text = text.replace(&own, &said);
        } else if !text.contains(&said) {
            let _ = write!(text, "{}{said}", if text.is_empty() { "" } else { ": " });
        }
        if let Some(denied) = service.and_then(denied)
            && !text.contains(&denied.permission)
        {
            let _ = write!(text, " (permission {} is missing on {})", denied.permission, denied.resource);
        }
        // Below a service's own words the same only comes again, in those of the transport.
        cause = if service.is_some() { None } else { error.source() };
    }
    // Refusals of metadata servers come as the bytes that they are.
    let text = text.replace("\\n", " ").replace("\\t", " ").replace('\n', " ");
    text.chars().take(LONGEST).collect()
}

/// What a service says, and its code, which is told in brackets.
#[must_use]
pub fn in_words(message: &str, code: &str) -> String {
    let said = message.trim_end().trim_end_matches('.');
    if said.is_empty() { code.to_owned() } else { format!("{said} ({code})") }
}

/// A service's own words, and its code.
fn answer(error: &Error) -> Option<String> {
    let status = error.status()?;
    let code = match (status.code, error.http_status_code()) {
        // Of uploads no client reads the code.
        (Code::Unknown, Some(http)) => format!("HTTP {http}"),
        (code, _) => code.to_string(),
    };
    Some(in_words(&status.message, &code))
}

/// A permission that was refused.
struct Denied {
    permission: String,
    resource: String,
}

fn denied(error: &Error) -> Option<Denied> {
    let infos = error.status()?.details.iter().filter_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) => Some(info),
        _ => None,
    });
    infos.into_iter().find_map(|info| {
        let text = |key: &str| info.metadata.get(key).cloned();
        Some(Denied { permission: text("permission")?, resource: text("resource").unwrap_or_default() })
    })
}

#[cfg(test)]
mod tests {
    use google_cloud_gax::error::rpc::Status;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("publishing was interrupted: {0}")]
    struct Wrapped(#[source] Error);

    #[test]
    fn a_service_is_heard_once_whatever_stands_around_it() {
        let refused =
            || Error::service(Status::default().set_code(Code::PermissionDenied).set_message("No way."));
        assert_eq!(explain(&refused()), "No way (PERMISSION_DENIED)");
        assert_eq!(explain(&Wrapped(refused())), "publishing was interrupted: No way (PERMISSION_DENIED)");
        let silent = Error::service(Status::default().set_code(Code::Aborted));
        assert_eq!(explain(&silent), "ABORTED");
    }
}
