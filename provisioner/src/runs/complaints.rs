//! What workers complain of while nothing moves: that they cannot start, or what they log as a warning
//! or an error.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::RunId;
use jiff::Timestamp;
use kube::api::LogParams;

use super::cluster::{Cluster, phase};
use super::why::cannot_start;
use crate::cloud::limited;
use crate::report::plain;

/// How often workers are listened to.
const LISTEN: Duration = Duration::from_secs(2);
/// Lines of a worker's log that are searched for a complaint.
const LINES: i64 = 20;
/// Workers whose logs are read: what stops one stops all.
const PODS_ASKED: usize = 3;

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
        let heard = complaints(cluster, run, self.since).await?;
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

/// What a run's workers complain of since an instant: that they cannot start, or the last warning or
/// error of each.
async fn complaints(cluster: &Cluster, run: &RunId, since: Timestamp) -> Result<Vec<String>> {
    let pods = cluster.pods(run).await?;
    let mut said: Vec<String> = pods.iter().filter_map(cannot_start).collect();
    let asked = pods.into_iter().filter(|pod| matches!(phase(pod), "Running" | "Failed")).take(PODS_ASKED);
    let tail = LogParams { tail_lines: Some(LINES), ..LogParams::default() };
    for pod in asked {
        let name = pod.metadata.name.unwrap_or_default();
        // A pod that has just begun has no log yet.
        if let Ok(log) = limited("read a worker's log", cluster.pod_api().logs(&name, &tail)).await {
            said.extend(log.lines().rev().find_map(|line| complaint(line, since)));
        }
    }
    said.sort();
    said.dedup();
    Ok(said)
}

/// The message of a line of a worker's log, if it is a warning or an error.
fn complaint(line: &str, since: Timestamp) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_one = matches!(line["severity"].as_str(), Some("WARNING" | "ERROR"));
    let at: Timestamp = line["time"].as_str()?.parse().ok()?;
    let message = line["message"].as_str().filter(|_| is_one && at >= since)?;
    Some(format!("a worker says: {}", plain(message)))
}

/// The message of a line of a worker's log; a line that is no record stays as it is.
pub(super) fn message(line: &str) -> String {
    let record = serde_json::from_str::<serde_json::Value>(line).ok();
    let message = record.as_ref().and_then(|record| record["message"].as_str());
    plain(message.unwrap_or(line)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workers_say_is_shown_as_text_that_no_terminal_obeys() {
        let line = r#"{"message":"no \"x\" \u001b[2J","severity":"ERROR","time":"2026-01-31T12:00:00Z"}"#;
        let shown = "no \"x\" \\u{1b}[2J";
        assert_eq!(message(line), shown);
        assert_eq!(message("no record"), "no record");
        assert_eq!(complaint(line, Timestamp::UNIX_EPOCH), Some(format!("a worker says: {shown}")));
    }
}
