//! One look at a Job: counts the pods that have ended, decides whether it is done, and makes or
//! deletes pods.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::super::api::{Deletion, delete};
use super::super::super::kinds::{JOB, POD};
use super::super::super::object::{
    self, Condition, has_finalizer, instant, is_condition_true, is_deleting, is_terminal, list, number,
    section, set_condition, text, truth,
};
use super::super::super::store::Key;
use super::Jobs;
use super::indexes::Indexes;
use super::pods::{self, Failures, TRACKING};
use super::policy::{Verdict, judge};

/// One look at one Job.
pub(super) struct Sync<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) key: &'a Key,
    pub(super) job: &'a Value,
    pub(super) pods: Vec<Arc<Value>>,
    pub(super) now: Timestamp,
    status: Value,
    pub(super) completions: Option<i64>,
    pub(super) is_indexed: bool,
    pub(super) completed: Indexes,
    pub(super) failed: Indexes,
    /// The earliest time at which something is due.
    again: Option<Timestamp>,
}

/// Why a Job has failed.
struct Failure {
    reason: String,
    message: String,
}

impl Failure {
    fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into() }
    }
}

impl<'a> Sync<'a> {
    pub(super) fn new(jobs: &'a Jobs, key: &'a Key, job: &'a Value, pods: Vec<Arc<Value>>) -> Self {
        let completions = number(job, "/spec/completions");
        let is_indexed = text(job, "/spec/completionMode") == "Indexed";
        let below = completions.unwrap_or(0);
        Self {
            jobs,
            key,
            job,
            pods,
            now: jobs.store.clock().now(),
            status: json!({"status": job.get("status").cloned().unwrap_or_else(|| json!({}))}),
            completions,
            is_indexed,
            completed: Indexes::parse(text(job, "/status/completedIndexes"), below),
            failed: Indexes::parse(text(job, "/status/failedIndexes"), below),
            again: None,
        }
    }

    pub(super) fn run(mut self) -> Option<Timestamp> {
        self.jobs.forget_failures();
        let policy = self.count_ended();
        self.start_or_suspend();
        match self.failure(policy) {
            Some(failure) => self.fail(&failure),
            None if self.success().is_some() => self.complete(),
            None if truth(self.job, "/spec/suspend") => self.delete_pods(usize::MAX, |_| true),
            None => self.manage(),
        }
        self.show();
        self.again
    }

    fn set(&mut self, field: &str, value: Value) {
        section(&mut self.status, "status").insert(field.into(), value);
    }

    fn set_condition(&mut self, kind: &str, status: bool, reason: &str, message: &str) {
        let before = object::condition(&self.status, kind).cloned();
        set_condition(&mut self.status, &Condition { kind, status, reason, message }, self.now);
        let conditions = self.status.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
        for condition in conditions.into_iter().flatten().filter(|held| text(held, "/type") == kind) {
            let looked = before.as_ref().filter(|before| before.get("status") == condition.get("status"));
            condition["lastProbeTime"] = match looked.and_then(|before| before.get("lastProbeTime")) {
                Some(at) => at.clone(),
                None => object::seconds(self.now).into(),
            };
        }
    }

    pub(super) fn later(&mut self, at: Timestamp) {
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }

    fn write(&self) {
        let (uid, status) = (object::uid(self.job), &self.status["status"]);
        self.jobs.store.amend(self.key, |job| {
            if object::uid(job) == uid {
                job["status"] = status.clone();
            }
        });
    }

    /// Counts pods that have ended, each once even if the local cloud is killed in between: written
    /// down as uncounted, let go, then added to the counts. A rule's failure of the Job, if one fits.
    fn count_ended(&mut self) -> Option<Failure> {
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

    fn start_or_suspend(&mut self) {
        let suspended = truth(self.job, "/spec/suspend");
        let was_suspended = is_condition_true(self.job, "Suspended");
        if suspended && !was_suspended {
            self.set_condition("Suspended", true, "JobSuspended", "Job suspended");
            self.jobs.recorder.normal(&JOB, self.job, "Suspended", "Job suspended");
        } else if !suspended && was_suspended {
            self.set_condition("Suspended", false, "JobResumed", "Job resumed");
            self.set("startTime", object::seconds(self.now).into());
            self.jobs.recorder.normal(&JOB, self.job, "Resumed", "Job resumed");
        }
        if !suspended && instant(&self.status, "/status/startTime").is_none() {
            self.set("startTime", object::seconds(self.now).into());
        }
    }

    /// Why the Job has failed, if it has.
    fn failure(&mut self, policy: Option<Failure>) -> Option<Failure> {
        if let Some(target) = object::condition(&self.status, "FailureTarget") {
            return Some(Failure::new(text(target, "/reason"), text(target, "/message")));
        }
        if policy.is_some() {
            return policy;
        }
        let failed = number(&self.status, "/status/failed").unwrap_or(0) + self.restarts();
        if failed > number(self.job, "/spec/backoffLimit").unwrap_or(6) {
            return Some(Failure::new("BackoffLimitExceeded", "Job has reached the specified backoff limit"));
        }
        if number(self.job, "/spec/maxFailedIndexes").is_some_and(|most| self.failed.len() > most) {
            return Some(Failure::new(
                "MaxFailedIndexesExceeded",
                "Job has exceeded the specified maximal number of failed indexes",
            ));
        }
        let all_ended = self.completions.is_some_and(|all| self.completed.len() + self.failed.len() >= all);
        if self.is_indexed && self.failed.len() > 0 && all_ended {
            return Some(Failure::new("FailedIndexes", "Job has failed indexes"));
        }
        let start = instant(&self.status, "/status/startTime")?;
        let limit = SignedDuration::from_secs(number(self.job, "/spec/activeDeadlineSeconds")?);
        let deadline = start.checked_add(limit).ok()?;
        if deadline > self.now {
            self.later(deadline);
            return None;
        }
        Some(Failure::new("DeadlineExceeded", "Job was active longer than specified deadline"))
    }

    /// Containers that are restarted in place count too.
    fn restarts(&self) -> i64 {
        if text(self.job, "/spec/template/spec/restartPolicy") != "OnFailure" {
            return 0;
        }
        let running = self.pods.iter().filter(|pod| !is_terminal(pod));
        let statuses = running.flat_map(|pod| list(pod, "/status/containerStatuses"));
        statuses.filter_map(|status| number(status, "/restartCount")).sum()
    }

    pub(super) fn succeeded(&self) -> i64 {
        if self.is_indexed {
            self.completed.len()
        } else {
            number(&self.status, "/status/succeeded").unwrap_or(0)
        }
    }

    /// Why the Job has succeeded, if it has.
    fn success(&self) -> Option<(String, String)> {
        if let Some(met) = object::condition(&self.status, "SuccessCriteriaMet") {
            return Some((text(met, "/reason").into(), text(met, "/message").into()));
        }
        if self.is_complete() {
            return Some(("CompletionsReached".into(), "Reached expected number of succeeded pods".into()));
        }
        let rules = list(self.job, "/spec/successPolicy/rules");
        let fits = |rule: &Value| {
            let among = rule.get("succeededIndexes").and_then(Value::as_str);
            let wanted = among.map(|among| Indexes::parse(among, self.completions.unwrap_or(0)));
            let done = wanted.as_ref().map_or(self.completed.len(), |wanted| self.completed.common(wanted));
            let all = wanted.map_or(i64::MAX, |wanted| wanted.len());
            done >= number(rule, "/succeededCount").unwrap_or(all)
        };
        let at = rules.iter().position(fits)?;
        Some(("SuccessPolicy".into(), format!("Matched rules at index {at}")))
    }

    fn is_complete(&self) -> bool {
        match self.completions {
            Some(all) => self.succeeded() >= all,
            None => self.succeeded() > 0 && self.active().is_empty(),
        }
    }

    /// The pods that run or will, and are not being deleted.
    pub(super) fn active(&self) -> Vec<Arc<Value>> {
        self.pods.iter().filter(|pod| !is_terminal(pod) && !is_deleting(pod)).cloned().collect()
    }

    pub(super) fn terminating(&self) -> usize {
        self.pods.iter().filter(|pod| !is_terminal(pod) && is_deleting(pod)).count()
    }

    /// The Job fails once its last pod has ended.
    fn fail(&mut self, failure: &Failure) {
        self.set_condition("FailureTarget", true, &failure.reason, &failure.message);
        self.delete_failing();
        if self.active().is_empty() && self.terminating() == 0 {
            self.set_condition("Failed", true, &failure.reason, &failure.message);
            self.jobs.recorder.warning(&JOB, self.job, &failure.reason, &failure.message);
        }
    }

    /// What still runs ends with the Job, and counts as failed with it.
    fn delete_failing(&mut self) {
        for pod in self.active() {
            if delete(&self.jobs.store, &Key::of(&POD, &pod), &Deletion::default()).is_ok() {
                let message = format!("Deleted pod: {}", object::name(&pod));
                self.jobs.recorder.normal(&JOB, self.job, "SuccessfulDelete", &message);
            }
        }
        self.reload();
    }

    fn complete(&mut self) {
        let (reason, message) = self.success().unwrap_or_default();
        let (reason, message) = (reason.as_str(), message.as_str());
        self.set_condition("SuccessCriteriaMet", true, reason, message);
        self.delete_pods(usize::MAX, |_| true);
        if self.active().is_empty() && self.terminating() == 0 {
            self.set_condition("Complete", true, reason, message);
            self.set("completionTime", object::seconds(self.now).into());
            self.jobs.recorder.normal(&JOB, self.job, "Completed", "Job completed");
        }
    }

    pub(super) fn reload(&mut self) {
        let uid = object::uid(self.job);
        self.pods = self.jobs.store.list(&POD, Some(&self.key.namespace));
        self.pods.retain(|pod| object::controller_uid(pod) == Some(uid));
    }

    fn show_indexes(&mut self) {
        if self.is_indexed {
            let (completed, failed) = (self.completed.to_string(), self.failed.to_string());
            self.set("succeeded", self.completed.len().into());
            self.set("completedIndexes", completed.into());
            if self.job["spec"].get("backoffLimitPerIndex").is_some() {
                self.set("failedIndexes", failed.into());
            }
        }
    }

    /// Writes the status as it is now.
    fn show(&mut self) {
        self.show_indexes();
        let active = self.active();
        let ready = active.iter().filter(|pod| is_condition_true(pod, "Ready")).count();
        let terminating = self.terminating();
        self.set("ready", ready.into());
        self.set("terminating", terminating.into());
        self.set("active", active.len().into());
        let status = section(&mut self.status, "status");
        for field in ["active", "succeeded", "failed", "completedIndexes"] {
            if status.get(field).is_some_and(|value| value == 0 || value == "") {
                status.remove(field);
            }
        }
        self.write();
    }
}
