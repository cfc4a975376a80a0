//! Counts the pods of a Job that have ended, and what their failures mean for their indexes and for the Job.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::super::object::{self, has_finalizer, is_deleting, list, number, text};
use super::outcome::Failure;
use super::pods::{self, Failures, TRACKING};
use super::policy::{Verdict, judge};
use super::sync::Sync;

impl Sync<'_> {
    /// Counts pods that have ended, each once even if the local cloud is killed in between: written
    /// down as uncounted, let go, then added to the counts. A rule's failure of the Job, if one fits.
    pub(super) fn count_ended(&mut self) -> Option<Failure> {
        let mut failure = None;
        let (mut succeeded, mut failed) = (self.uncounted("succeeded"), self.uncounted("failed"));
        let mut ended = Vec::new();
        for pod in self.pods.clone() {
            if !has_finalizer(&pod, TRACKING) {
                continue;
            }
            let uid = object::uid(&pod).to_owned();
            if text(&pod, "/status/phase") == "Succeeded" {
                match pods::index(&pod).filter(|_| self.is_indexed) {
                    Some(index) if self.completions.is_some_and(|below| index < below) => {
                        self.completed.insert(index);
                    }
                    Some(_) => {}
                    None => drop(succeeded.insert(uid)),
                }
            } else if self.has_failed(&pod) {
                self.jobs.failed_at(&pod, self.now);
                if self.is_next_to_be_replaced(&pod) {
                    continue;
                }
                match judge(&self.job["spec"], &pod) {
                    Verdict::Ignore => {}
                    verdict => {
                        failed.insert(uid);
                        if object::condition(&self.status, "FailureTarget").is_none() {
                            self.judge_index(&pod, &verdict);
                        }
                        if let Verdict::FailJob(message) = verdict {
                            failure = Some(Failure::new("PodFailurePolicy", message));
                        }
                    }
                }
            } else {
                continue;
            }
            ended.push(pod);
        }
        if let Some(failure) = &failure {
            // Kept before the pod is let go, so that a restart does not forget it.
            self.set_condition("FailureTarget", true, &failure.reason, &failure.message);
        }
        if !ended.is_empty() || !succeeded.is_empty() || !failed.is_empty() {
            self.set("uncountedTerminatedPods", json!({"succeeded": succeeded, "failed": failed}));
            self.show_indexes();
            self.write();
            for pod in &ended {
                self.jobs.let_go(pod);
            }
        }
        self.add("succeeded", succeeded.len());
        self.add("failed", failed.len());
        self.set("uncountedTerminatedPods", json!({}));
        failure
    }

    fn uncounted(&self, how: &str) -> BTreeSet<String> {
        let uids = list(self.job, &format!("/status/uncountedTerminatedPods/{how}"));
        uids.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn add(&mut self, field: &str, more: usize) {
        let before = number(&self.status, &format!("/status/{field}")).unwrap_or(0);
        let more = i64::try_from(more).unwrap_or(0);
        if before + more > 0 {
            self.set(field, (before + more).into());
        }
    }

    /// A pod that is being deleted counts as failed at once, unless only failed ones are replaced.
    pub(super) fn has_failed(&self, pod: &Value) -> bool {
        let only_failed = text(self.job, "/spec/podReplacementPolicy") == "Failed";
        // What a Job that has failed or has enough takes down counts as failed at once.
        let is_ending = object::condition(&self.status, "FailureTarget").is_some();
        text(pod, "/status/phase") == "Failed" || (is_deleting(pod) && (!only_failed || is_ending))
    }

    /// The last failed pod of an index tells how often the index has failed, and when: it is held until its replacement
    /// is there, and counts only then.
    fn is_next_to_be_replaced(&self, pod: &Value) -> bool {
        let Some(limit) = number(self.job, "/spec/backoffLimitPerIndex") else { return false };
        let Some(index) =
            pods::index(pod).filter(|index| self.completions.is_some_and(|below| *index < below))
        else {
            return false;
        };
        let is_over = match judge(&self.job["spec"], pod) {
            Verdict::FailIndex | Verdict::FailJob(_) => true,
            Verdict::Ignore => false,
            Verdict::Count => i64::from(Failures::before(pod).counted) >= limit,
        };
        let has_target = object::condition(&self.status, "FailureTarget").is_some();
        let failures = Failures::before(pod).all();
        let is_newer = |other: &Arc<Value>| {
            pods::index(other) == Some(index) && Failures::before(other).all() > failures
        };
        let is_replaced = self.pods.iter().any(is_newer);
        !is_over
            && !has_target
            && !is_replaced
            && !self.completed.contains(index)
            && !self.failed.contains(index)
    }

    fn judge_index(&mut self, pod: &Value, verdict: &Verdict) {
        let Some(limit) = number(self.job, "/spec/backoffLimitPerIndex") else { return };
        let Some(index) = pods::index(pod) else { return };
        if *verdict == Verdict::FailIndex || i64::from(Failures::before(pod).counted) >= limit {
            self.failed.insert(index);
        }
    }
}
