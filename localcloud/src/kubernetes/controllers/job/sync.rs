//! One look at a Job, from its object and pods to its new status. The steps are told elsewhere: what is counted, whether the
//! Job is done, which pods are made or deleted.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::super::kinds::{JOB, POD};
use super::super::super::object::{
    self, Condition, instant, is_condition_true, is_deleting, is_terminal, number, section, set_condition,
    text, truth,
};
use super::super::super::store::Key;
use super::Jobs;
use super::indexes::Indexes;

/// One look at one Job.
pub(super) struct Sync<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) key: &'a Key,
    pub(super) job: &'a Value,
    pub(super) pods: Vec<Arc<Value>>,
    pub(super) now: Timestamp,
    pub(super) status: Value,
    pub(super) completions: Option<i64>,
    pub(super) is_indexed: bool,
    pub(super) completed: Indexes,
    pub(super) failed: Indexes,
    /// The earliest time at which something is due.
    again: Option<Timestamp>,
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

    pub(super) fn set(&mut self, field: &str, value: Value) {
        section(&mut self.status, "status").insert(field.into(), value);
    }

    pub(super) fn set_condition(&mut self, kind: &str, status: bool, reason: &str, message: &str) {
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

    pub(super) fn write(&self) {
        let (uid, status) = (object::uid(self.job), &self.status["status"]);
        self.jobs.store.amend(self.key, |job| {
            if object::uid(job) == uid {
                job["status"] = status.clone();
            }
        });
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

    /// The pods that run or will, and are not being deleted.
    pub(super) fn active(&self) -> Vec<Arc<Value>> {
        self.pods.iter().filter(|pod| !is_terminal(pod) && !is_deleting(pod)).cloned().collect()
    }

    pub(super) fn terminating(&self) -> usize {
        self.pods.iter().filter(|pod| !is_terminal(pod) && is_deleting(pod)).count()
    }

    pub(super) fn reload(&mut self) {
        let uid = object::uid(self.job);
        self.pods = self.jobs.store.list(&POD, Some(&self.key.namespace));
        self.pods.retain(|pod| object::controller_uid(pod) == Some(uid));
    }

    pub(super) fn show_indexes(&mut self) {
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
