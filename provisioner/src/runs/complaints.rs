//! What workers complain of while nothing moves.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::RunId;
use jiff::Timestamp;

use super::why::{self, Cluster};

/// How often workers are listened to.
const LISTEN: Duration = Duration::from_secs(2);

/// What workers complain of while nothing moves.
pub(super) struct Complaints {
    /// Older ones are not what keeps the run.
    since: Timestamp,
    pub(super) heard: Vec<String>,
    asked: Option<Instant>,
}

impl Complaints {
    pub(super) fn since(since: Timestamp) -> Self {
        Self { since, heard: Vec::new(), asked: None }
    }

    /// Listens, now and then; whether there is something that was not heard before.
    pub(super) async fn are_new(&mut self, cluster: &Cluster, run: &RunId) -> Result<bool> {
        if self.asked.is_some_and(|asked| asked.elapsed() < LISTEN) {
            return Ok(false);
        }
        self.asked = Some(Instant::now());
        let heard = why::complaints(cluster, run, self.since).await?;
        let is_new = heard.iter().any(|complaint| !self.heard.contains(complaint));
        // A pod that is gone may have been the one that complained.
        if !heard.is_empty() {
            self.heard = heard;
        }
        Ok(is_new)
    }

    /// The reason of an end, with what was heard last.
    pub(super) fn added_to(&self, reason: String) -> String {
        std::iter::once(reason).chain(self.heard.iter().cloned()).collect::<Vec<_>>().join("\n")
    }
}
