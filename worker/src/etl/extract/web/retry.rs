//! What an answer of the web means for the next try.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Response, StatusCode};

/// Pause after the first failure; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between two requests.
const LONGEST: Duration = Duration::from_mins(1);

/// A request that brought nothing.
#[derive(Debug)]
pub(super) enum Failed {
    /// It never will.
    Never(anyhow::Error),
    /// It may another time, not before the server's own wish.
    Later(anyhow::Error, Option<Duration>),
}

/// How to go on after an answer that is no success.
pub(super) fn judge(answer: &Response, error: anyhow::Error) -> Failed {
    let status = answer.status();
    let passing =
        matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY);
    match status.is_server_error() || passing {
        true => Failed::Later(error, retry_after(answer)),
        false => Failed::Never(error),
    }
}

/// How long to wait after so many tries, or none if the server wants more than one attempt should
/// wait for.
pub(super) fn pause(tried: u32, wished: Option<Duration>) -> Option<Duration> {
    let growing = PAUSE.saturating_mul(2_u32.saturating_pow(tried.saturating_sub(1))).min(LONGEST);
    let pause = wished.unwrap_or_else(|| growing.mul_f64(rand::random_range(0.5..1.0)));
    (pause <= LONGEST).then_some(pause)
}

/// Seconds, or a date.
fn retry_after(answer: &Response) -> Option<Duration> {
    let wish = answer.headers().get("retry-after")?.to_str().ok()?;
    if let Ok(seconds) = wish.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(wish).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default())
}
