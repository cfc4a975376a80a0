//! One change, tried until it is made, until its error says that another try is in vain, or until its
//! time is up.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::write::{NotSeen, Outcome, Work};
use crate::change::Change;
use crate::cloud::{Cloud, errors, evidence};
use crate::events::{Event, Watch, What};
use crate::kinds::{self, AnyKind};
use crate::plan::Allowed;
use crate::stack::AnyTime;

/// First and longest pause between two tries of one change.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long "not found" is no answer to a change: what it stands on was perhaps made a moment ago.
const YOUNG: Duration = Duration::from_secs(30);

/// A change whose time was up before it was made. What was begun goes on in the cloud.
#[derive(Debug, thiserror::Error)]
#[error("not done within {}; it waited for {waited_for}", AnyTime::clamped(.limit.as_secs()))]
pub(crate) struct Unfinished {
    /// How long it was given.
    pub limit: Duration,
    /// What it waited for last.
    pub waited_for: String,
}

/// The tries of one change.
pub(super) struct Tries<'a> {
    change: &'a Change,
    /// How long all of them may take.
    limit: Duration,
    watch: &'a Watch<'a>,
    began: OnceLock<Instant>,
    /// What it waits for, as was told last.
    waits_for: Mutex<Option<String>>,
}

impl<'a> Tries<'a> {
    /// Not begun yet. `timeout` is what the file says.
    pub(super) fn new(change: &'a Change, timeout: Option<&Duration>, watch: &'a Watch<'a>) -> Self {
        let of_kind = || kinds::named(change.address.kind).map_or(LONGEST_PAUSE, AnyKind::longest);
        let limit = timeout.copied().unwrap_or_else(of_kind);
        Self { change, limit, watch, began: OnceLock::new(), waits_for: Mutex::default() }
    }

    /// Makes the change, and tells how it goes.
    pub(super) async fn run(
        &self,
        cloud: &Cloud,
        allowed: Allowed,
        stop: &CancellationToken,
    ) -> Result<Outcome> {
        self.began.get_or_init(Instant::now);
        self.tell(What::Started);
        let result = match tokio::time::timeout(self.limit, self.go(cloud, allowed, stop)).await {
            Ok(result) => result,
            Err(_) => Err(Unfinished { limit: self.limit, waited_for: self.waited_for() }.into()),
        };
        self.tell(match &result {
            Ok(outcome) => What::Finished { was_so: *outcome == Outcome::WasSo },
            Err(error) => What::Failed { error },
        });
        result
    }

    /// Gives up waiting; what it waited for.
    pub(super) fn leave(&self) -> String {
        let waited_for = self.waited_for();
        self.tell(What::Left { waited_for: &waited_for });
        waited_for
    }

    async fn go(&self, cloud: &Cloud, allowed: Allowed, stop: &CancellationToken) -> Result<Outcome> {
        let mut pause = FIRST_PAUSE;
        let progress = |text: &str| self.progress(text);
        let mut work = Work::new(self.change, cloud, allowed, &progress)?;
        loop {
            let error = match work.go().await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => error,
            };
            let may_pass = evidence::is_worth_another_try(&error)
                || errors::is_race(&error)
                || self.is_too_young(&error);
            if !may_pass || stop.is_cancelled() {
                return Err(error);
            }
            let wait = errors::retry_after(&error).unwrap_or_else(|| pause.mul_f64(rand::random::<f64>()));
            if self.took() + wait >= self.limit {
                let given_up = format!("given up after {}", AnyTime::clamped(self.limit.as_secs()));
                return Err(error.context(given_up));
            }
            *self.said() = Some(format!("another try, after: {error:#}"));
            self.tell(What::Retrying { error: &error, wait });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return Err(error),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether what it stands on may only not be seen everywhere yet.
    fn is_too_young(&self, error: &Error) -> bool {
        let may_be = errors::is_not_found(error) || error.is::<NotSeen>();
        self.change.desired.is_some() && may_be && self.took() < YOUNG
    }

    fn progress(&self, text: &str) {
        *self.said() = Some(text.to_owned());
        self.tell(What::Progress { text });
    }

    fn tell(&self, what: What<'_>) {
        let Change { address, action, .. } = self.change;
        (self.watch)(&Event { address, action: *action, took: self.took(), what });
    }

    fn took(&self) -> Duration {
        self.began.get().map(Instant::elapsed).unwrap_or_default()
    }

    fn waited_for(&self) -> String {
        self.said().clone().unwrap_or_else(|| "an answer".to_owned())
    }

    fn said(&self) -> MutexGuard<'_, Option<String>> {
        // What a panicking holder left is still only text to show.
        self.waits_for.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
