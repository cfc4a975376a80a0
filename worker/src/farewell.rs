//! What running items are told when the worker is asked to stop: nothing, while they may still
//! finish; to end, when they will not or when the time is up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::RunId;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::timings::{Prospect, Timings};

/// Runs whose items' times are kept.
const RUNS: usize = 16;

/// A worker's end, as its items see it. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Farewell(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// When the time is up, once the worker was asked to stop.
    deadline: watch::Sender<Option<Instant>>,
    cut: CancellationToken,
    timings: Mutex<HashMap<RunId, Timings>>,
}

impl Default for Farewell {
    fn default() -> Self {
        let (deadline, _) = watch::channel(None);
        Self(Arc::new(Shared { deadline, cut: CancellationToken::new(), timings: Mutex::default() }))
    }
}

impl Farewell {
    /// Asks items to end in so long.
    pub(crate) fn ask(&self, budget: Duration) {
        self.0.deadline.send_replace(Some(Instant::now() + budget));
    }

    /// Cuts off what is still running.
    pub(crate) fn cut(&self) {
        self.0.cut.cancel();
    }

    /// Ends when everything is cut off.
    pub(crate) async fn is_cut(&self) {
        self.0.cut.cancelled().await;
    }

    /// An item of the run was done in so long.
    pub(crate) fn took(&self, run: &RunId, time: Duration) {
        let mut timings = self.timings();
        if timings.len() >= RUNS && !timings.contains_key(run) {
            timings.clear();
        }
        timings.entry(run.clone()).or_default().add(time);
    }

    /// Ends when an item of the run that began at `since` must end: at once when the worker is asked
    /// to stop and the item would not finish in what is left, or else when everything is cut off.
    pub(crate) async fn must_end(&self, run: &RunId, since: Instant) {
        let mut deadline = self.0.deadline.subscribe();
        let asked = async {
            // The sender lives as long as `self`.
            let deadline = deadline.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
            let left = deadline.unwrap_or(since).saturating_duration_since(Instant::now());
            self.timings().get(run).map(|timings| timings.prospect(since.elapsed(), left))
        };
        tokio::select! {
            () = self.0.cut.cancelled() => {}
            prospect = asked => if prospect != Some(Prospect::WillNot) {
                self.0.cut.cancelled().await;
            }
        }
    }

    /// Whole after every line, so a panic elsewhere does not spoil it.
    fn timings(&self) -> MutexGuard<'_, HashMap<RunId, Timings>> {
        self.0.timings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_long_item_ends_when_asked_and_a_short_one_at_the_cut() {
        let (farewell, since) = (Farewell::default(), Instant::now());
        let (long, short) = (RunId("long".into()), RunId("short".into()));
        farewell.took(&long, Duration::from_mins(5));
        farewell.took(&short, Duration::from_secs(5));
        assert!(farewell.must_end(&long, since).now_or_never().is_none(), "nobody has asked");

        farewell.ask(Duration::from_secs(12));
        farewell.must_end(&long, since).await;
        assert!(farewell.must_end(&short, since).now_or_never().is_none());
        assert!(farewell.must_end(&RunId("unknown".into()), since).now_or_never().is_none());

        farewell.cut();
        farewell.must_end(&short, since).await;
        farewell.is_cut().await;
    }
}
