//! Cron jobs: make a Job when one is due, as their concurrency policy allows. A suspended one makes
//! none; it is a template that others make Jobs of.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::admission;
use super::super::api::{Deletion, Propagation, delete};
use super::super::events::Recorder;
use super::super::kinds::{CRON_JOB, JOB};
use super::super::object::{self, controller_uid, instant, number, section, text, truth};
use super::super::store::{Change, Key, Store};
use super::Controller;
use super::schedule::Schedule;

pub(crate) struct CronJobs {
    pub(crate) store: Arc<Store>,
    pub(crate) recorder: Recorder,
}

impl Controller for CronJobs {
    fn concerns(&self, change: &Change) -> Vec<Key> {
        if change.key.kind == &CRON_JOB {
            return vec![change.key.clone()];
        }
        let owner = object::list(&change.object, "/metadata/ownerReferences")
            .iter()
            .find(|owner| text(owner, "/kind") == CRON_JOB.kind);
        let owner = owner.filter(|_| change.key.kind == &JOB);
        owner
            .map(|owner| Key::new(&CRON_JOB, &change.key.namespace, text(owner, "/name")))
            .into_iter()
            .collect()
    }

    fn all(&self) -> Vec<Key> {
        self.store.list(&CRON_JOB, None).iter().map(|cron| Key::of(&CRON_JOB, cron)).collect()
    }

    fn reconcile(&self, key: &Key) -> Option<Timestamp> {
        let cron = self.store.get(key).filter(|cron| !object::is_deleting(cron))?;
        let jobs = self.jobs_of(&cron);
        self.show_active(key, &jobs);
        self.forget_finished(&cron, &jobs);
        if truth(&cron, "/spec/suspend") {
            return None;
        }
        let schedule = Schedule::parse(text(&cron, "/spec/schedule")).ok()?;
        let now = self.store.clock().now();
        let last = instant(&cron, "/status/lastScheduleTime")
            .or_else(|| instant(&cron, "/metadata/creationTimestamp"))?;
        if let Some(due) = latest(&schedule, last, now) {
            self.start(key, &cron, &jobs, due, now);
        }
        schedule.next(now)
    }
}

impl CronJobs {
    fn jobs_of(&self, cron: &Value) -> Vec<Arc<Value>> {
        let uid = object::uid(cron);
        let mut jobs = self.store.list(&JOB, Some(object::namespace(cron)));
        jobs.retain(|job| controller_uid(job) == Some(uid));
        jobs
    }

    fn start(&self, key: &Key, cron: &Value, jobs: &[Arc<Value>], due: Timestamp, now: Timestamp) {
        let late = number(cron, "/spec/startingDeadlineSeconds")
            .is_some_and(|most| now.duration_since(due).as_secs() > most);
        let active: Vec<_> = jobs.iter().filter(|job| !is_finished(job)).collect();
        let goes = match text(cron, "/spec/concurrencyPolicy") {
            _ if late => {
                self.recorder.warning(
                    &CRON_JOB,
                    cron,
                    "MissSchedule",
                    &format!("Missed scheduled time to start a job: {due}"),
                );
                false
            }
            "Forbid" if !active.is_empty() => {
                self.recorder.normal(
                    &CRON_JOB,
                    cron,
                    "JobAlreadyActive",
                    "Not starting job because prior execution is running and concurrency policy is Forbid",
                );
                false
            }
            "Replace" => {
                for job in active {
                    let deletion =
                        Deletion { propagation: Some(Propagation::Background), ..Deletion::default() };
                    let _ = delete(&self.store, &Key::of(&JOB, job), &deletion);
                }
                true
            }
            _ => true,
        };
        if goes {
            // The name tells the minute, so that no minute has two.
            let name = format!("{}-{}", object::name(cron), due.as_second() / 60);
            let job = job_of(cron, &name);
            if self.store.create(&JOB, job).is_ok() {
                self.recorder.normal(&CRON_JOB, cron, "SuccessfulCreate", &format!("Created job {name}"));
            }
        }
        self.store.amend(key, |cron| {
            section(cron, "status").insert("lastScheduleTime".into(), object::seconds(due).into());
        });
    }

    fn show_active(&self, key: &Key, jobs: &[Arc<Value>]) {
        let reference = |job: &Arc<Value>| {
            json!({"apiVersion": "batch/v1", "kind": "Job", "name": object::name(job),
                "namespace": object::namespace(job), "uid": object::uid(job)})
        };
        let active: Vec<Value> = jobs.iter().filter(|job| !is_finished(job)).map(reference).collect();
        let done = jobs.iter().filter_map(|job| instant(job, "/status/completionTime")).max();
        self.store.amend(key, |cron| {
            let status = section(cron, "status");
            if active.is_empty() {
                status.remove("active");
            } else {
                status.insert("active".into(), active.into());
            }
            if let Some(done) = done {
                status.insert("lastSuccessfulTime".into(), object::seconds(done).into());
            }
        });
    }

    /// Deletes finished Jobs beyond the limits of the history.
    fn forget_finished(&self, cron: &Value, jobs: &[Arc<Value>]) {
        for (condition, limit) in
            [("Complete", "/spec/successfulJobsHistoryLimit"), ("Failed", "/spec/failedJobsHistoryLimit")]
        {
            let Some(limit) = number(cron, limit).and_then(|limit| usize::try_from(limit).ok()) else {
                continue;
            };
            let mut finished: Vec<_> = jobs
                .iter()
                .filter(|job| object::is_condition_true(job, condition) && !object::is_deleting(job))
                .collect();
            finished.sort_by_key(|job| instant(job, "/status/startTime"));
            let extra = finished.len().saturating_sub(limit);
            for job in &finished[..extra] {
                let deletion = Deletion { propagation: Some(Propagation::Background), ..Deletion::default() };
                let _ = delete(&self.store, &Key::of(&JOB, job), &deletion);
            }
        }
    }
}

/// The latest time that was due: of several that were missed only that is made up for. Looks back
/// further and further, so that a frequent schedule is not walked through for years.
fn latest(schedule: &Schedule, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
    for hours in [1, 24, 24 * 32, 24 * 366 * 8] {
        let from = now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(last).max(last);
        let mut due = None;
        let mut at = from;
        while let Some(next) = schedule.next(at).filter(|next| *next <= now) {
            due = Some(next);
            at = next;
        }
        if due.is_some() || from == last {
            return due;
        }
    }
    None
}

fn is_finished(job: &Value) -> bool {
    object::is_condition_true(job, "Complete") || object::is_condition_true(job, "Failed")
}

fn job_of(cron: &Value, name: &str) -> Value {
    let mut job = cron["spec"]["jobTemplate"].clone();
    let metadata = object::metadata(&mut job);
    metadata.insert("name".into(), name.into());
    metadata.insert("namespace".into(), object::namespace(cron).into());
    metadata.insert("ownerReferences".into(), json!([object::controller_reference(&CRON_JOB, cron)]));
    admission::prepare_new(&JOB, &mut job);
    job
}
