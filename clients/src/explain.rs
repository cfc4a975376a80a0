//! What an error of a client says, all of it: the causes that its own sentence leaves out, and the
//! permission that a refusal names only in its details.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::sync::Arc;

use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::StatusDetails;

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
        let said = service.and_then(answer).unwrap_or_else(|| error.to_string());
        if !text.contains(&said) {
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

/// A service's own words, and its code.
fn answer(error: &Error) -> Option<String> {
    let status = error.status()?;
    let said = status.message.trim_end().trim_end_matches('.');
    Some(if said.is_empty() { status.code.to_string() } else { format!("{said} ({})", status.code) })
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
