//! Whether a Job has failed or is complete, and how it ends then.

use jiff::SignedDuration;
use serde_json::Value;

use super::super::super::api::{Deletion, delete};
use super::super::super::kinds::{JOB, POD};
use super::super::super::object::{self, instant, is_terminal, list, number, text};
use super::super::super::store::Key;
use super::indexes::Indexes;
use super::sync::Sync;

/// Why a Job has failed.
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into() }
    }
}

impl Sync<'_> {
    /// Why the Job has failed, if it has.
    pub(super) fn failure(&mut self, policy: Option<Failure>) -> Option<Failure> {
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
    pub(super) fn success(&self) -> Option<(String, String)> {
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

    /// The Job fails once its last pod has ended.
    pub(super) fn fail(&mut self, failure: &Failure) {
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

    pub(super) fn complete(&mut self) {
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
}
