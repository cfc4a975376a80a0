//! The pods that a Job needs now: made, each after the delay that failures before it ask for, and
//! deleted when they are too many.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::super::super::api::{Deletion, delete};
use super::super::super::kinds::{JOB, POD};
use super::super::super::object::{self, instant, is_deleting, is_terminal, list, number, text};
use super::super::super::store::Key;
use super::pods::{self, Failures};
use super::policy::{Verdict, judge};
use super::sync::Sync;

/// The delay before a failed pod is replaced: doubled by each failure, up to the longest.
const FIRST_DELAY: Duration = Duration::from_secs(10);
const LONGEST_DELAY: Duration = Duration::from_mins(10);
/// Pods made at one look; the change they make leads to the next.
const AT_ONCE: usize = 500;

impl Sync<'_> {
    /// Deletes active pods that are not needed; they do not count.
    pub(super) fn delete_pods(&mut self, most: usize, unneeded: impl Fn(&Value) -> bool) {
        let mut active = self.active();
        // Those that have not started yet go first.
        active.sort_by_key(|pod| {
            (
                object::text(pod, "/status/startTime").is_empty(),
                object::text(pod, "/metadata/creationTimestamp").to_owned(),
            )
        });
        for pod in active.iter().rev().filter(|pod| unneeded(pod)).take(most) {
            self.jobs.let_go(pod);
            if delete(&self.jobs.store, &Key::of(&POD, pod), &Deletion::default()).is_ok() {
                let message = format!("Deleted pod: {}", object::name(pod));
                self.jobs.recorder.normal(&JOB, self.job, "SuccessfulDelete", &message);
            }
        }
        self.reload();
    }

    /// Makes and deletes pods until as many run as should.
    pub(super) fn manage(&mut self) {
        let parallelism = number(self.job, "/spec/parallelism").unwrap_or(1);
        let left = self.completions.map(|all| all - self.succeeded() - self.failed.len());
        let wanted = match left {
            Some(left) => parallelism.min(left),
            // A work queue: once one has succeeded, no more are made.
            None if self.succeeded() > 0 => i64::try_from(self.active().len()).unwrap_or(i64::MAX),
            None => parallelism,
        };
        let wanted = usize::try_from(wanted).unwrap_or(0);
        if self.is_indexed {
            self.delete_strays();
        }
        let active = self.active().len();
        if active > wanted {
            self.delete_pods(active - wanted, |_| true);
            return;
        }
        let only_failed = text(self.job, "/spec/podReplacementPolicy") == "Failed";
        let still_there = if only_failed { self.terminating() } else { 0 };
        let missing = wanted.saturating_sub(active + still_there).min(AT_ONCE);
        if self.is_indexed {
            self.make_indexed(missing, only_failed);
        } else if self.is_due(self.last_failures()) {
            (0..missing).for_each(|_| self.make(None, Failures::default()));
        }
        self.reload();
    }

    /// Pods of indexes that are not wanted, or have another pod.
    fn delete_strays(&mut self) {
        let mut seen = BTreeSet::new();
        let mut strays = BTreeSet::new();
        for pod in self.active() {
            let index = pods::index(&pod).unwrap_or(-1);
            let is_wanted = (0..self.completions.unwrap_or(0)).contains(&index)
                && !self.completed.contains(index)
                && !self.failed.contains(index);
            if !is_wanted || !seen.insert(index) {
                strays.insert(object::uid(&pod).to_owned());
            }
        }
        if !strays.is_empty() {
            self.delete_pods(usize::MAX, |pod| strays.contains(object::uid(pod)));
        }
    }

    fn make_indexed(&mut self, missing: usize, only_failed: bool) {
        let holds = |pod: &&Arc<Value>| !is_terminal(pod) && (only_failed || !is_deleting(pod));
        let taken: BTreeSet<i64> =
            self.pods.iter().filter(holds).filter_map(|pod| pods::index(pod)).collect();
        let per_index = self.job["spec"].get("backoffLimitPerIndex").is_some();
        if !per_index && !self.is_due(self.last_failures()) {
            return;
        }
        let mut left = missing;
        for index in 0..self.completions.unwrap_or(0) {
            if left == 0 {
                return;
            }
            if taken.contains(&index) || self.completed.contains(index) || self.failed.contains(index) {
                continue;
            }
            let (failures, at) = self.failures_of(index);
            if !per_index || self.is_due(at.map(|at| (failures.all(), at))) {
                self.make(Some(index), failures);
                left -= 1;
            }
        }
    }

    /// How often an index has failed, and when it last did.
    fn failures_of(&self, index: i64) -> (Failures, Option<Timestamp>) {
        let failed = self.pods.iter().filter(|pod| pods::index(pod) == Some(index) && self.has_failed(pod));
        let Some(last) = failed.max_by_key(|pod| Failures::before(pod).all()) else {
            return Default::default();
        };
        let mut failures = Failures::before(last);
        match judge(&self.job["spec"], last) {
            Verdict::Ignore => failures.ignored += 1,
            _ => failures.counted += 1,
        }
        (failures, Some(self.jobs.failed_at(last, self.now)))
    }

    /// How many pods have failed since the last success, and when the last one did.
    fn last_failures(&self) -> Option<(u32, Timestamp)> {
        let ended = |pod: &Value| {
            list(pod, "/status/containerStatuses")
                .iter()
                .filter_map(|status| instant(status, "/state/terminated/finishedAt"))
                .max()
        };
        let success = self
            .pods
            .iter()
            .filter(|pod| text(pod, "/status/phase") == "Succeeded")
            .filter_map(|pod| ended(pod))
            .max();
        let failed = self.pods.iter().filter(|pod| self.has_failed(pod));
        let times: Vec<Timestamp> = failed
            .map(|pod| self.jobs.failed_at(pod, self.now))
            .filter(|at| success.is_none_or(|success| *at > success))
            .collect();
        let last = times.iter().max()?;
        Some((u32::try_from(times.len()).unwrap_or(u32::MAX), *last))
    }

    /// Whether the delay after failures is over; if not, when to look again.
    fn is_due(&mut self, failures: Option<(u32, Timestamp)>) -> bool {
        let Some((count @ 1.., last)) = failures else { return true };
        let delay = FIRST_DELAY.saturating_mul(1 << (count - 1).min(10)).min(LONGEST_DELAY);
        let at = last + self.jobs.store.clock().scaled(delay);
        if at > self.now {
            self.later(at);
        }
        at <= self.now
    }

    fn make(&self, index: Option<i64>, failures: Failures) {
        if !self.jobs.store.is_open(&self.key.namespace) {
            return;
        }
        let pod = pods::new(self.job, index, failures);
        let name = object::name(&pod).to_owned();
        match self.jobs.store.create(&POD, pod) {
            Ok(_) => {
                self.jobs.recorder.normal(
                    &JOB,
                    self.job,
                    "SuccessfulCreate",
                    &format!("Created pod: {name}"),
                );
            }
            Err(error) => self.jobs.recorder.warning(
                &JOB,
                self.job,
                "FailedCreate",
                &format!("Error creating: pods {name:?}: {error}"),
            ),
        }
    }
}
