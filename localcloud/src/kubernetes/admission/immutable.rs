//! What may not change once an object is there.

use serde_json::Value;

use super::super::api::status::FieldError;
use super::super::kinds::Kind;
use super::super::object::{self, list, text};

const IMMUTABLE: &str = "field is immutable";

/// The changes from one state of an object to the next that are not allowed.
pub(crate) fn changes(kind: &'static Kind, before: &Value, after: &Value) -> Vec<FieldError> {
    match kind.kind {
        "Job" => job(before, after),
        "Pod" => pod(before, after),
        "Secret" | "ConfigMap" => sealed(before, after),
        _ => vec![],
    }
}

fn job(before: &Value, after: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let indexed = text(before, "/spec/completionMode") == "Indexed";
    let fixed = [
        "selector",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "successPolicy",
        "managedBy",
    ];
    for field in fixed {
        if before["spec"].get(field) != after["spec"].get(field) {
            let value = after["spec"].get(field).unwrap_or(&Value::Null);
            errors.push(FieldError::invalid(format!("spec.{field}"), value, IMMUTABLE));
        }
    }
    let completions = |job: &Value| job["spec"].get("completions").cloned();
    if completions(before) != completions(after) {
        let value = completions(after).unwrap_or_default();
        let parallelism = after["spec"].get("parallelism");
        if indexed && after["spec"].get("completions").is_none() {
            errors.push(FieldError::required("spec.completions", "when completion mode is Indexed"));
        } else if !indexed {
            errors.push(FieldError::invalid("spec.completions", &value, IMMUTABLE));
        } else if parallelism != Some(&value)
            || before["spec"].get("parallelism") != before["spec"].get("completions")
        {
            let why = "can only be modified in tandem with spec.parallelism";
            errors.push(FieldError::invalid("spec.completions", &value, why));
        }
    }
    let template = |job: &Value| {
        let mut template = job["spec"]["template"].clone();
        // A suspended Job that has not started yet may still be told where to run.
        if object::truth(before, "/spec/suspend") && before.pointer("/status/startTime").is_none() {
            for (section, fields) in [
                ("spec", &["nodeSelector", "tolerations", "affinity", "schedulingGates"][..]),
                ("metadata", &["labels", "annotations"]),
            ] {
                if let Some(Value::Object(section)) = template.get_mut(section) {
                    section.retain(|field, _| !fields.contains(&field.as_str()));
                }
            }
        }
        template
    };
    if template(before) != template(after) {
        errors.push(FieldError::invalid("spec.template", &after["spec"]["template"], IMMUTABLE));
    }
    errors
}

fn pod(before: &Value, after: &Value) -> Vec<FieldError> {
    let masked = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        for field in [
            "activeDeadlineSeconds",
            "terminationGracePeriodSeconds",
            "tolerations",
            "nodeName",
            "schedulingGates",
        ] {
            object::entries(&mut spec).remove(field);
        }
        for group in ["containers", "initContainers"] {
            for container in spec.get_mut(group).and_then(Value::as_array_mut).into_iter().flatten() {
                object::entries(container).remove("image");
            }
        }
        spec
    };
    let moved = !text(before, "/spec/nodeName").is_empty()
        && text(before, "/spec/nodeName") != text(after, "/spec/nodeName");
    if masked(before) == masked(after)
        && !moved
        && list(before, "/spec/tolerations").len() <= list(after, "/spec/tolerations").len()
    {
        return vec![];
    }
    let message = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    vec![FieldError { reason: "FieldValueForbidden", field: "spec".into(), message: message.into() }]
}

fn sealed(before: &Value, after: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if before.get("type") != after.get("type") {
        let value = after.get("type").unwrap_or(&Value::Null);
        errors.push(FieldError::invalid("type", value, IMMUTABLE));
    }
    if !object::truth(before, "/immutable") {
        return errors;
    }
    let why = "field is immutable when `immutable` is set";
    if !object::truth(after, "/immutable") {
        errors.push(FieldError::forbidden("immutable", why));
    }
    for field in ["data", "binaryData"] {
        if before.get(field) != after.get(field) {
            errors.push(FieldError::forbidden(field, why));
        }
    }
    errors
}

/// Finalizers that are put on what is being deleted: nothing new may hold it.
pub(crate) fn new_finalizers(before: &Value, after: &Value) -> Vec<FieldError> {
    let held = list(before, "/metadata/finalizers");
    let is_new = |one: &&Value| !held.contains(one);
    let new: Vec<String> =
        list(after, "/metadata/finalizers").iter().filter(is_new).map(Value::to_string).collect();
    if new.is_empty() || !object::is_deleting(before) {
        return vec![];
    }
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        new.join(", ")
    );
    // The server looks at it twice.
    let error = || FieldError::forbidden("metadata.finalizers", &why);
    vec![error(), error()]
}
