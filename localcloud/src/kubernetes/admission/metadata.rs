//! What the metadata of every object must be.

use serde_json::Value;

use super::super::api::status::FieldError;
use super::super::kinds::Kind;
use super::super::object::{list, text, truth};
use super::names;

/// Checks an object's metadata.
pub(super) fn metadata(kind: &'static Kind, object: &Value, errors: &mut Vec<FieldError>) {
    let name = text(object, "/metadata/name");
    let wrong = match kind.kind {
        "Namespace" | "Service" if name.contains('.') => Some("must not contain dots".into()),
        "Namespace" | "Service" => names::label(name, 63),
        // Its Jobs' names are this name with eleven characters more.
        "CronJob" if name.len() > 52 => Some("must be no more than 52 characters".into()),
        _ => names::subdomain(name, 253),
    };
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else if let Some(why) = wrong {
        errors.push(FieldError::invalid("metadata.name", &name.into(), &why));
    }
    labels(object, "/metadata", "metadata", errors);
    let base = text(object, "/metadata/generateName");
    if !base.is_empty()
        && let Some(why) = names::subdomain(base.trim_end_matches('-'), 253)
    {
        errors.push(FieldError::invalid("metadata.generateName", &base.into(), &why));
    }
    owners(object, errors);
    finalizers(object, errors);
}

const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

fn finalizers(object: &Value, errors: &mut Vec<FieldError>) {
    for (at, finalizer) in list(object, "/metadata/finalizers").iter().enumerate() {
        let name = finalizer.as_str().unwrap_or_default();
        if let Some(why) = names::qualified(name) {
            errors.push(FieldError::invalid("metadata.finalizers", finalizer, &why));
        } else if !name.contains('/') && !STANDARD_FINALIZERS.contains(&name) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(format!("metadata.finalizers[{at}]"), finalizer, why));
        }
    }
}

fn owners(object: &Value, errors: &mut Vec<FieldError>) {
    let owners = list(object, "/metadata/ownerReferences");
    for owner in owners {
        let path = "metadata.ownerReferences";
        for (field, why) in
            [("kind", "must not be empty"), ("name", "must not be empty"), ("uid", "must not be empty")]
        {
            if text(owner, &format!("/{field}")).is_empty() {
                errors.push(FieldError::invalid(
                    format!("{path}.{field}"),
                    &text(owner, &format!("/{field}")).into(),
                    why,
                ));
            }
        }
        if (text(owner, "/apiVersion"), text(owner, "/kind")) == ("v1", "Event") {
            errors.push(FieldError::invalid(
                path,
                owner,
                "/v1, Kind=Event is disallowed from being an owner",
            ));
        }
    }
    let controls: Vec<String> = owners
        .iter()
        .filter(|owner| truth(owner, "/controller"))
        .map(|owner| format!("{}/{}", text(owner, "/kind"), text(owner, "/name")))
        .collect();
    if let [first, second, ..] = controls.as_slice() {
        let why = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        let shown: Vec<String> = owners.iter().map(in_declared_order).collect();
        let message = format!("Invalid value: [{}]: {why}", shown.join(","));
        errors.push(FieldError {
            reason: "FieldValueInvalid",
            field: "metadata.ownerReferences".into(),
            message,
        });
    }
}

/// An owner as the server quotes one.
fn in_declared_order(owner: &Value) -> String {
    let fields = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let shown = fields.iter().filter_map(|field| Some(format!("\"{field}\":{}", owner.get(*field)?)));
    format!("{{{}}}", shown.collect::<Vec<_>>().join(","))
}

/// Checks the labels and annotations of the metadata at a pointer.
pub(super) fn labels(object: &Value, pointer: &str, path: &str, errors: &mut Vec<FieldError>) {
    for (field, values_too) in [("labels", true), ("annotations", false)] {
        let map = object.pointer(&format!("{pointer}/{field}")).and_then(Value::as_object);
        for (key, value) in map.into_iter().flatten() {
            let field = format!("{path}.{field}");
            let checked = if values_too { key.clone() } else { key.to_ascii_lowercase() };
            errors.extend(
                names::qualified(&checked).map(|why| FieldError::invalid(&field, &key.as_str().into(), &why)),
            );
            let wrong = values_too.then(|| names::label_value(value.as_str().unwrap_or_default())).flatten();
            errors.extend(wrong.map(|why| FieldError::invalid(&field, value, &why)));
        }
    }
}
