//! Which errors another try may get over, told by the errors themselves. Calls that change nothing are
//! tried again by their clients, what changes something by `apply`: both by this one table.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use google_cloud_gax::error::Error as GoogleError;
use google_cloud_gax::exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use google_cloud_gax::retry_policy::RetryPolicy;
use google_cloud_gax::retry_result::RetryResult;
use google_cloud_gax::retry_state::RetryState;
use kube::Error as KubeError;

use super::calls::CALL_LIMIT;
use super::errors::{self, SERVICE_DISABLED, google, kube};

/// First and longest pause between two tries of a call that changes nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Which calls an error is worth another try of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// Any.
    Any,
    /// One that changes something: what it stands on was made a moment ago, and is not seen everywhere
    /// yet. From a look the same words are an answer.
    Changes,
}

/// Errors worth another try by what they say, as the Google Terraform provider learned them: each
/// a status and a part of the text.
const BY_EVIDENCE: [(u16, &str, Of); 20] = [
    (409, "operationinprogress", Of::Any),
    (409, "concurrent policy changes", Of::Any),
    (400, "resourcenotready", Of::Any),
    (400, "retry this operation", Of::Any),
    (400, "is currently upgrading cluster", Of::Any),
    (400, "is currently being created, deleted, updated or repaired", Of::Any),
    (400, "incompatible operation", Of::Any),
    (400, "please wait and try again once it is done", Of::Any),
    // An API that somebody, perhaps a killed apply of ours, is enabling.
    (400, "another activation or deactivation is in progress", Of::Changes),
    // A new service account.
    (400, "does not exist", Of::Changes),
    // A new grant.
    (400, "permission", Of::Changes),
    (403, "quota exceeded for quota metric", Of::Any),
    (403, "concurrent operations", Of::Any),
    // Enabled a moment ago.
    (403, SERVICE_DISABLED, Of::Changes),
    (408, "", Of::Any),
    (429, "", Of::Any),
    (500, "", Of::Any),
    (502, "", Of::Any),
    (503, "", Of::Any),
    (504, "", Of::Any),
];

/// A quota that is not had back by waiting, whatever else the error says.
pub(super) const DAILY: &str = "per day";

/// Whether another try of a change may succeed.
pub(crate) fn is_worth_another_try(error: &Error) -> bool {
    is_worth(errors::status(error), &format!("{error:#}"), Of::Changes) || is_lost(error)
}

/// Whether nobody answered at all.
pub(crate) fn is_silent(error: &Error) -> bool {
    is_lost(error) || matches!(errors::status(error), Some(502..=504))
}

/// Whether no answer came.
fn is_lost(error: &Error) -> bool {
    google(error).is_some_and(has_no_answer)
        || matches!(kube(error), Some(KubeError::HyperError(_) | KubeError::Service(_)))
        || error.is::<NoAnswer>()
}

fn has_no_answer(error: &GoogleError) -> bool {
    error.is_timeout() || error.is_io() || error.is_connect() || error.is_transport()
}

fn is_worth(status: Option<u16>, said: &str, of: Of) -> bool {
    let said = said.to_lowercase();
    let is_known = |(code, part, at): &(u16, &str, Of)| {
        Some(*code) == status && said.contains(part) && (*at == Of::Any || *at == of)
    };
    !said.contains(DAILY) && BY_EVIDENCE.iter().any(is_known)
}

/// A call that was waited for long enough.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: no answer for {seconds} seconds")]
pub(super) struct NoAnswer {
    pub(super) doing: String,
    pub(super) seconds: u64,
}

/// The retries of Google's clients: by evidence, of what changes nothing more if it is done twice.
#[derive(Debug)]
pub(super) struct ByEvidence;

impl RetryPolicy for ByEvidence {
    fn on_error(&self, state: &RetryState, error: GoogleError) -> RetryResult {
        let may_pass = || is_worth(errors::status_of(&error), &error.to_string(), Of::Any);
        match () {
            () if error.is_transient_and_before_rpc() => RetryResult::Continue(error),
            () if state.idempotent && (has_no_answer(&error) || may_pass()) => RetryResult::Continue(error),
            () => RetryResult::Permanent(error),
        }
    }
}

/// The pauses between the tries of Google's clients.
pub(super) fn backoff() -> ExponentialBackoff {
    let pauses = ExponentialBackoffBuilder::new();
    pauses.with_initial_delay(FIRST_PAUSE).with_maximum_delay(LONGEST_PAUSE).clamp()
}

/// Calls until there is an answer, or an error that another try would not get over: for a call that
/// changes nothing, and whose client does not try again by itself.
pub(crate) async fn patiently<T, F: Future<Output = Result<T>>>(call: impl Fn() -> F) -> Result<T> {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let may_pass = is_worth(errors::status(&error), &format!("{error:#}"), Of::Any) || is_lost(&error);
        let wait = errors::retry_after(&error).unwrap_or_else(|| pause.mul_f64(rand::random::<f64>()));
        if !may_pass || began.elapsed() + wait >= CALL_LIMIT {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_look_is_answered_is_no_reason_to_look_again() {
        let disabled = "Pub/Sub API has not been used in project p before";
        for (status, said, look, change) in [
            (503, "unavailable", true, true),
            (400, "Please retry this operation", true, true),
            (403, disabled, false, true),
            (400, "Service account a@b does not exist.", false, true),
            (403, "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'", true, true),
            (403, "Quota exceeded for quota metric 'Requests' and limit 'Requests per day'", false, false),
            (403, "the caller may not", false, false),
            (400, "invalid", false, false),
            (404, "not found", false, false),
        ] {
            assert_eq!(is_worth(Some(status), said, Of::Any), look, "{said}");
            assert_eq!(is_worth(Some(status), said, Of::Changes), change, "{said}");
        }
    }
}
