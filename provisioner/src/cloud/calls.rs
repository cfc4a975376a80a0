//! How many calls are on their way at the same time, and how long each may take.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::Semaphore;

use super::{errors, evidence};

/// Calls on their way at the same time: each service has a quota a minute, and each call of a large stack
/// a connection of its own.
const AT_ONCE: usize = 64;
/// One for each call on its way. Whoever comes first goes first.
static PERMITS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Longest that one call that changes nothing is tried again.
pub(super) const CALL_LIMIT: Duration = Duration::from_mins(1);
/// How much longer a call may take than its client goes on trying.
const TRY_LIMIT: Duration = Duration::from_secs(30);

/// A call with a bound on its time, once it is its turn.
pub(crate) async fn limited<T, E>(doing: &str, call: impl Future<Output = Result<T, E>>) -> Result<T>
where
    E: Into<anyhow::Error>,
{
    let _permit = PERMITS.acquire().await;
    within(doing, call).await
}

/// A call with a bound on its time.
pub(super) async fn within<T, E>(doing: &str, call: impl Future<Output = Result<T, E>>) -> Result<T>
where
    E: Into<anyhow::Error>,
{
    let Ok(answer) = tokio::time::timeout(TRY_LIMIT + CALL_LIMIT, call).await else {
        let seconds = (TRY_LIMIT + CALL_LIMIT).as_secs();
        return Err(evidence::NoAnswer { doing: doing.to_owned(), seconds }.into());
    };
    answer.map_err(|error| errors::readable(error.into()))
}
