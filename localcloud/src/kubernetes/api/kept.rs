//! What a write does not change: which object it is, what the server owns of it, and the half (status
//! or the rest) that the request is not about. Pure.

use serde_json::{Value, json};

use super::super::object::{self, entries};
use super::status::{FieldError, Refusal};
use super::target::Target;

/// What the server owns in the metadata: requests do not change it.
pub(super) const SERVERS: [&str; 7] = [
    "uid",
    "creationTimestamp",
    "generation",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

/// The object bears another name than the request.
pub(super) fn wrong_name(given: &str, wanted: &str) -> Refusal {
    Refusal::bad_request(format!(
        "the name of the object ({given}) does not match the name on the URL ({wanted})"
    ))
}

/// The object stays the one it is: what names it and what the server owns does not change, and a
/// version that the client saw must be the latest.
pub(super) fn keep_identity(
    target: &Target,
    name: &str,
    live: &Value,
    wanted: &mut Value,
) -> Result<(), Refusal> {
    let given = object::name(wanted);
    if !given.is_empty() && given != name {
        return Err(wrong_name(given, name));
    }
    let seen = object::text(wanted, "/metadata/resourceVersion");
    if !seen.is_empty() && seen.parse::<u64>().is_err() {
        return Err(Refusal::plain(format!("strconv.ParseUint: parsing {seen:?}: invalid syntax")));
    }
    if !seen.is_empty() && seen != "0" && seen != object::text(live, "/metadata/resourceVersion") {
        return Err(Refusal::stale(target.kind, name));
    }
    let uid = object::uid(wanted);
    if !uid.is_empty() && uid != object::uid(live) {
        // The server looks at it twice.
        let error = || FieldError::invalid("metadata.uid", &uid.into(), "field is immutable");
        return Err(Refusal::invalid(target.kind, name, &[error(), error()]));
    }
    let elsewhere = object::namespace(wanted);
    if !elsewhere.is_empty() && elsewhere != object::namespace(live) {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(message));
    }
    let metadata = object::metadata(wanted);
    for field in SERVERS.iter().chain(&["name", "namespace"]) {
        match live["metadata"].get(*field) {
            Some(value) => drop(metadata.insert((*field).into(), value.clone())),
            None => drop(metadata.remove(*field)),
        }
    }
    Ok(())
}

/// A replacement that names a uid is of that object and no later one.
pub(super) fn keep_uid(target: &Target, live: &Value, wanted: &Value) -> Result<(), Refusal> {
    let (have, want) = (object::uid(live), object::uid(wanted));
    if want.is_empty() || want == have {
        return Ok(());
    }
    let (kind, name) = (target.kind, object::name(live));
    let key = [kind.plural, object::namespace(live), name]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("/");
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {want}, UID in object meta: {have}"
    );
    Err(Refusal::conflict(kind, name, &why))
}

/// A write to the object leaves its status alone, one to its status leaves the rest.
pub(super) fn keep_other_half(target: &Target, live: &Value, wanted: &mut Value) {
    let copy = |from: &Value, field: &str, to: &mut Value| match from.get(field) {
        Some(value) => to[field] = value.clone(),
        None => drop(entries(to).remove(field)),
    };
    match target.subresource.as_str() {
        "" if target.kind.has_status() => copy(live, "status", wanted),
        "" => {}
        "finalize" => {
            let finalizers = wanted.pointer("/spec/finalizers").cloned().unwrap_or_else(|| json!([]));
            *wanted = live.clone();
            wanted["spec"]["finalizers"] = finalizers;
        }
        _ => {
            let managed = wanted["metadata"].get("managedFields").cloned();
            let status = std::mem::take(&mut wanted["status"]);
            *wanted = live.clone();
            wanted["status"] = status;
            if let Some(managed) = managed {
                wanted["metadata"]["managedFields"] = managed;
            }
        }
    }
}
