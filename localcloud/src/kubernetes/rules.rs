//! What a kind makes of a change: whether it is another generation, who made it, and whether the object is gone with it.

use serde_json::Value;

use super::api::managed::Writer;
use super::kinds::{self, Kind};
use super::object;

/// Counts a generation up if a change makes another.
pub(crate) fn count_generation(kind: &Kind, before: &Value, after: &mut Value) {
    if kind.counts_generations() && spec_of(kind, after) != spec_of(kind, before) {
        let generation = object::number(before, "/metadata/generation").unwrap_or(1) + 1;
        object::metadata(after).insert("generation".into(), generation.into());
    }
}

/// What a change of makes another generation: where a pod runs is not among it.
fn spec_of(kind: &Kind, object: &Value) -> Value {
    let mut spec = object.get("spec").cloned().unwrap_or_default();
    if *kind == kinds::POD {
        object::entries(&mut spec).remove("nodeName");
    }
    spec
}

/// Which part of a cluster writes what: whoever writes the status of a pod or node is its kubelet.
pub(crate) fn writer_of(kind: &Kind, before: &Value, after: &Value) -> Writer<'static> {
    let is_status = before.get("status") != after.get("status");
    let of_kubelet = is_status && (*kind == kinds::POD || *kind == kinds::NODE);
    Writer {
        manager: if of_kubelet { "kubelet" } else { "kube-controller-manager" },
        applies: false,
        subresource: if is_status && kind.has_status() { "status" } else { "" },
    }
}

/// Whether an object that is being deleted is held by nothing any more.
pub(crate) fn is_released(kind: &Kind, object: &Value) -> bool {
    let held_by_kubelet = *kind == kinds::POD
        && object::number(object, "/metadata/deletionGracePeriodSeconds").is_some_and(|grace| grace > 0);
    let held_by_content = *kind == kinds::NAMESPACE && !object::list(object, "/spec/finalizers").is_empty();
    object::is_deleting(object)
        && object::list(object, "/metadata/finalizers").is_empty()
        && !held_by_kubelet
        && !held_by_content
}
