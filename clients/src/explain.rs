//! What an error of a client says, all of it: the causes that its own sentence leaves out, and the
//! permission that a refusal names only in its details.

use std::error::Error as StdError;
use std::fmt::Write as _;

use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::StatusDetails;

/// Longest text that is made of one error.
const LONGEST: usize = 2000;

/// An error in one line, for people.
#[must_use]
pub fn explain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            let _ = write!(text, ": {said}");
        }
        if let Some(denied) = error.downcast_ref::<Error>().and_then(denied)
            && !text.contains(&denied.permission)
        {
            let _ = write!(text, " (permission {} is missing on {})", denied.permission, denied.resource);
        }
        cause = error.source();
    }
    // Refusals of metadata servers come as the bytes that they are.
    let text = text.replace("\\n", " ").replace("\\t", " ").replace('\n', " ");
    text.chars().take(LONGEST).collect()
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
