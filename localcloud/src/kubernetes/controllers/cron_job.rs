//! Cron jobs: make a Job when one is due, as their concurrency policy allows. A suspended one makes
//! none; it is a template that others make Jobs of.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::admission;
use super::super::api::{Cascade, Deletion, delete};
use super::super::events::Recorder;
use super::super::kinds::{CRON_JOB, JOB};
use super::super::object::{self, controller_uid, entries, instant, list, number, text, truth};
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
        self.forget_finished(&cron, &jobs);
        let mut status = cron.get("status").cloned().unwrap_or_else(|| json!({}));
        self.note_jobs(&cron, &jobs, &mut status);
        let again = self.start_if_due(&cron, &mut status);
        if cron.get("status") != Some(&status) {
            self.store.amend(key, |cron| cron["status"] = status);
        }
        again
    }
}

impl CronJobs {
    fn jobs_of(&self, cron: &Value) -> Vec<Arc<Value>> {
        let uid = object::uid(cron);
        let mut jobs = self.store.list(&JOB, Some(object::namespace(cron)));
        jobs.retain(|job| controller_uid(job) == Some(uid));
        jobs
    }

    /// Brings the list of active Jobs up to date: those that it has started and that have not ended.
    fn note_jobs(&self, cron: &Value, jobs: &[Arc<Value>], status: &mut Value) {
        let mut active = list(status, "/active").to_vec();
        for job in jobs {
            let at = active.iter().position(|held| object::uid_of_reference(held) == object::uid(job));
            match (at, is_finished(job)) {
                (None, false) => {
                    let message = format!(
                        "Saw a job that the controller did not create or forgot: {}",
                        object::name(job)
                    );
                    self.recorder.warning(&CRON_JOB, cron, "UnexpectedJob", &message);
                }
                (Some(at), true) => {
                    active.remove(at);
                    let how = if object::is_condition_true(job, "Complete") { "Complete" } else { "Failed" };
                    let message = format!("Saw completed job: {}, condition: {how}", object::name(job));
                    self.recorder.normal(&CRON_JOB, cron, "SawCompletedJob", &message);
                }
                _ => {}
            }
        }
        active.retain(|held| {
            let is_there = jobs.iter().any(|job| object::uid(job) == object::uid_of_reference(held));
            if !is_there {
                let message = format!("Active job went missing: {}", text(held, "/name"));
                self.recorder.normal(&CRON_JOB, cron, "MissingJob", &message);
            }
            is_there
        });
        let done = jobs.iter().filter_map(|job| instant(job, "/status/completionTime")).max();
        if let Some(done) = done.max(instant(status, "/lastSuccessfulTime")) {
            status["lastSuccessfulTime"] = object::seconds(done).into();
        }
        set_active(status, active);
    }

    /// Starts a Job if one is due; when to look again.
    fn start_if_due(&self, cron: &Value, status: &mut Value) -> Option<Timestamp> {
        if truth(cron, "/spec/suspend") {
            return None;
        }
        let schedule = Schedule::parse(text(cron, "/spec/schedule")).ok()?;
        let now = self.store.clock().now();
        let last =
            instant(status, "/lastScheduleTime").or_else(|| instant(cron, "/metadata/creationTimestamp"))?;
        let deadline = number(cron, "/spec/startingDeadlineSeconds");
        // What is older than the deadline was not missed: it is over.
        let oldest = deadline.and_then(|most| now.checked_sub(SignedDuration::from_secs(most)).ok());
        let missed = missed(&schedule, oldest.map_or(last, |oldest| oldest.max(last)), now);
        if missed.many {
            let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.recorder.warning(&CRON_JOB, cron, "TooManyMissedTimes", message);
        }
        if let Some(due) = missed.latest {
            self.start(cron, status, due);
        }
        schedule.next(now)
    }

    fn start(&self, cron: &Value, status: &mut Value, due: Timestamp) {
        let mut active = list(status, "/active").to_vec();
        match text(cron, "/spec/concurrencyPolicy") {
            "Forbid" if !active.is_empty() => {
                let message =
                    "Not starting job because prior execution is running and concurrency policy is Forbid";
                self.recorder.normal(&CRON_JOB, cron, "JobAlreadyActive", message);
                return;
            }
            "Replace" => {
                for held in std::mem::take(&mut active) {
                    self.delete(cron, text(&held, "/name"));
                }
            }
            _ => {}
        }
        // The name tells the minute, so that no minute has two.
        let name = format!("{}-{}", object::name(cron), due.as_second() / 60);
        if let Ok(job) = self.store.create(&JOB, job_of(cron, &name, due)) {
            self.recorder.normal(&CRON_JOB, cron, "SuccessfulCreate", &format!("Created job {name}"));
            active.push(json!({"apiVersion": "batch/v1", "kind": "Job", "name": name, "namespace": object::namespace(&job),
                "uid": object::uid(&job), "resourceVersion": text(&job, "/metadata/resourceVersion")}));
        }
        set_active(status, active);
        status["lastScheduleTime"] = object::seconds(due).into();
    }

    fn delete(&self, cron: &Value, name: &str) {
        let key = Key::new(&JOB, object::namespace(cron), name);
        let deletion = Deletion { propagation: Some(Cascade::Background), ..Deletion::default() };
        if delete(&self.store, &key, &deletion).is_ok() {
            self.recorder.normal(&CRON_JOB, cron, "SuccessfulDelete", &format!("Deleted job {name}"));
        }
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
            // One that never started is the latest; of those that did in one second the name decides.
            let start = |job: &Value| instant(job, "/status/startTime");
            finished.sort_by_key(|job| (start(job).is_none(), start(job), object::name(job).to_owned()));
            let extra = finished.len().saturating_sub(limit);
            for job in &finished[..extra] {
                self.delete(cron, object::name(job));
            }
        }
    }
}

/// The starts that were missed.
struct Missed {
    /// Only the latest is made up for.
    latest: Option<Timestamp>,
    /// More than somebody may have meant.
    many: bool,
}

/// Looks back further and further, so that a frequent schedule is not walked through for years.
fn missed(schedule: &Schedule, last: Timestamp, now: Timestamp) -> Missed {
    const MANY: usize = 100;
    let mut first = schedule.next(last).filter(|next| *next <= now);
    let begin = first;
    let mut count = 0;
    while let Some(at) = first.filter(|_| count <= MANY) {
        count += 1;
        first = schedule.next(at).filter(|next| *next <= now);
    }
    let many = count > MANY;
    for hours in [1, 24, 24 * 32, 24 * 366 * 8] {
        let from = now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(last).max(last);
        let mut latest = None;
        let mut at = from;
        while let Some(next) = schedule.next(at).filter(|next| *next <= now) {
            latest = Some(next);
            at = next;
        }
        if latest.is_some() || from == last {
            return Missed { latest, many };
        }
    }
    Missed { latest: begin, many }
}

fn set_active(status: &mut Value, active: Vec<Value>) {
    if active.is_empty() {
        entries(status).remove("active");
    } else {
        status["active"] = active.into();
    }
}

fn is_finished(job: &Value) -> bool {
    object::is_condition_true(job, "Complete") || object::is_condition_true(job, "Failed")
}

fn job_of(cron: &Value, name: &str, due: Timestamp) -> Value {
    let mut job = cron["spec"]["jobTemplate"].clone();
    let metadata = object::metadata(&mut job);
    metadata.insert("name".into(), name.into());
    metadata.insert("namespace".into(), object::namespace(cron).into());
    let annotations = entries(metadata.entry("annotations").or_insert(Value::Null));
    annotations.insert("batch.kubernetes.io/cronjob-scheduled-timestamp".into(), object::seconds(due).into());
    metadata.insert("ownerReferences".into(), json!([object::controller_reference(&CRON_JOB, cron)]));
    admission::prepare_new(&JOB, &mut job);
    job
}
