//! What happens to an object before it is stored: fields that its kind does not have are found,
//! defaults are filled in, and what Kubernetes would not accept is refused in its words. Pure.

mod declared;
mod defaults;
mod fields;
mod immutable;
mod names;
mod pod;
mod validate;

pub(crate) use defaults::fill;
use defaults::{admit_pod, tie_pods};
pub(crate) use declared::declared;
pub(crate) use fields::{known_fields, refused, zero};
pub(crate) use immutable::changes;
pub(crate) use validate::validate;

use serde_json::Value;

use super::kinds::Kind;
use super::{object, store};

/// Makes a new object complete: uid, defaults, and what the cluster adds to its kind.
pub(crate) fn prepare_new(kind: &'static Kind, object: &mut Value) {
    fill(kind, object);
    object::metadata(object).insert("uid".into(), store::new_uid().into());
    match kind.kind {
        "Pod" => admit_pod(object),
        "Job" => tie_pods(object),
        _ => {}
    }
}
