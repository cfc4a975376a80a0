//! The Job controller: when to look at a Job, and the bookkeeping around what [`sync`] decides.

mod count;
mod indexes;
mod outcome;
mod pods;
mod policy;
mod replicas;
mod sync;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::api::{Cascade, Deletion, delete};
use super::super::events::Recorder;
use super::super::kinds::{JOB, POD};
use super::super::object::{
    self, condition, controller_uid, has_finalizer, instant, is_condition_true, number, remove_finalizer,
    text,
};
use super::super::store::{Change, Key, Store};
use super::Controller;
use pods::TRACKING;
use sync::Sync;

pub(crate) struct Jobs {
    pub(crate) store: Arc<Store>,
    pub(crate) recorder: Recorder,
    /// When a pod was first seen to have failed, by uid: finer than the seconds of its status.
    pub(crate) failed_at: Mutex<HashMap<String, Timestamp>>,
}

impl Controller for Jobs {
    fn concerns(&self, change: &Change) -> Vec<Key> {
        if change.key.kind == &JOB {
            return vec![change.key.clone()];
        }
        if change.key.kind != &POD {
            return vec![];
        }
        let owners = object::list(&change.object, "/metadata/ownerReferences").iter();
        let jobs = owners.filter(|owner| text(owner, "/kind") == JOB.kind);
        jobs.map(|owner| Key::new(&JOB, &change.key.namespace, text(owner, "/name"))).collect()
    }

    fn all(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.store.list(&JOB, None).iter().map(|job| Key::of(&JOB, job)).collect();
        // Pods that a Job left behind are let go through its key.
        for pod in self.store.list(&POD, None) {
            let owner = object::list(&pod, "/metadata/ownerReferences")
                .iter()
                .find(|owner| text(owner, "/kind") == JOB.kind);
            keys.extend(owner.map(|owner| Key::new(&JOB, object::namespace(&pod), text(owner, "/name"))));
        }
        keys
    }

    fn reconcile(&self, key: &Key) -> Option<Timestamp> {
        let job = self.store.get(key);
        let uid = job.as_deref().map(object::uid);
        let mut mine = Vec::new();
        for pod in self.store.list(&POD, Some(&key.namespace)) {
            if uid.is_some() && controller_uid(&pod) == uid {
                mine.push(pod);
            } else if has_finalizer(&pod, TRACKING) && self.is_of_gone_job(&pod) {
                self.let_go(&pod);
            }
        }
        let job = job?;
        if object::is_deleting(&job) {
            for pod in &mine {
                self.let_go(pod);
            }
            return None;
        }
        if is_finished(&job) {
            let ended = mine.iter().filter(|pod| object::is_terminal(pod) || object::is_deleting(pod));
            ended.for_each(|pod| self.let_go(pod));
            return self.expire(key, &job);
        }
        Sync::new(self, key, &job, mine).run()
    }
}

impl Jobs {
    /// Takes the Job's hold off a pod.
    fn let_go(&self, pod: &Value) {
        if has_finalizer(pod, TRACKING) {
            self.store.amend(&Key::of(&POD, pod), |pod| remove_finalizer(pod, TRACKING));
        }
    }

    fn is_of_gone_job(&self, pod: &Value) -> bool {
        let owner = object::list(pod, "/metadata/ownerReferences")
            .iter()
            .find(|owner| text(owner, "/kind") == JOB.kind);
        owner.is_none_or(|owner| {
            let key = Key::new(&JOB, object::namespace(pod), text(owner, "/name"));
            self.store.get(&key).is_none_or(|job| object::uid(&job) != object::uid_of_reference(owner))
        })
    }

    /// Deletes a finished Job when its time to live is over.
    fn expire(&self, key: &Key, job: &Value) -> Option<Timestamp> {
        let seconds = number(job, "/spec/ttlSecondsAfterFinished")?;
        let end = ["Complete", "Failed"].iter().filter_map(|kind| condition(job, kind));
        let end = end.filter_map(|condition| instant(condition, "/lastTransitionTime")).max()?;
        let at = end.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        if at > self.store.clock().now() {
            return Some(at);
        }
        let deletion = Deletion {
            propagation: Some(Cascade::Foreground),
            uid: Some(object::uid(job).into()),
            ..Deletion::default()
        };
        // Gone meanwhile is what is wanted.
        let _ = delete(&self.store, key, &deletion);
        None
    }

    /// When a pod failed.
    fn failed_at(&self, pod: &Value, now: Timestamp) -> Timestamp {
        let mut seen = self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.entry(object::uid(pod).to_owned()).or_insert_with(|| {
            let statuses = object::list(pod, "/status/containerStatuses").iter();
            let ended = statuses.filter_map(|status| instant(status, "/state/terminated/finishedAt")).max();
            // What has just ended has ended now; what ended before the controller looked, when it says.
            ended.filter(|ended| now.duration_since(*ended).as_secs() > 1).unwrap_or(now)
        })
    }

    fn forget_failures(&self) {
        let mut seen = self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() > 4096 {
            let pods = self.store.list(&POD, None);
            seen.retain(|uid, _| pods.iter().any(|pod| object::uid(pod) == uid));
        }
    }
}

fn is_finished(job: &Value) -> bool {
    is_condition_true(job, "Complete") || is_condition_true(job, "Failed")
}
