//! What happens to an object before it is stored: fields that its kind does not have are found,
//! defaults are filled in, and what Kubernetes would not accept is refused in its words. Pure.

mod declared;
mod container;
mod data;
mod defaults;
mod fields;
mod immutable;
mod job;
mod job_policy;
mod metadata;
pub(crate) mod names;
mod pod;
mod validate;
mod volumes;

pub(crate) use declared::declared;
pub(crate) use defaults::fill;
use defaults::{admit_pod, hold_namespace, label_job, tie_pods};
pub(crate) use fields::{known_fields, refused, zero};
pub(crate) use immutable::{changes, new_finalizers};
pub(crate) use validate::validate;

use serde_json::Value;

use super::kinds::{self, Kind};
use super::{generated, object};

/// Makes a new object complete: uid, defaults, and what the cluster adds to its kind.
pub(crate) fn prepare_new(kind: &'static Kind, object: &mut Value) {
    fill(kind, object);
    admit(kind, object);
    complete(kind, object);
}

/// What is read back of a new object though nobody wrote it.
pub(crate) fn complete(kind: &'static Kind, object: &mut Value) {
    if *kind == kinds::JOB {
        label_job(object);
    }
}

/// What the cluster adds to a new object that has its defaults.
pub(crate) fn admit(kind: &'static Kind, object: &mut Value) {
    object::metadata(object).insert("uid".into(), generated::new_uid().into());
    if kind.counts_generations() {
        object::metadata(object).insert("generation".into(), 1.into());
    }
    match kind.kind {
        "Pod" => admit_pod(object),
        "Job" => tie_pods(object),
        "Namespace" => hold_namespace(object),
        _ => {}
    }
}
