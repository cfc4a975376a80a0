//! What an object must be to be stored.

use serde_json::Value;

use super::super::api::status::FieldError;
use super::super::controllers::schedule::Schedule;
use super::super::kinds::Kind;
use super::super::object::{list, number, text};
use super::{names, pod};

/// The fields of an object that Kubernetes would not accept.
pub(crate) fn validate(kind: &'static Kind, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    metadata(kind, object, &mut errors);
    match kind.kind {
        "Pod" => pod::spec(&object["spec"], "spec", &mut errors),
        "Job" => job(object, "spec", &mut errors),
        "CronJob" => cron_job(object, &mut errors),
        _ => {}
    }
    errors
}

fn metadata(kind: &'static Kind, object: &Value, errors: &mut Vec<FieldError>) {
    let name = text(object, "/metadata/name");
    let wrong = match kind.kind {
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
}

fn labels(object: &Value, pointer: &str, path: &str, errors: &mut Vec<FieldError>) {
    for (field, values_too) in [("labels", true), ("annotations", false)] {
        let map = object.pointer(&format!("{pointer}/{field}")).and_then(Value::as_object);
        for (key, value) in map.into_iter().flatten() {
            let field = format!("{path}.{field}");
            errors.extend(
                names::qualified(key).map(|why| FieldError::invalid(&field, &key.as_str().into(), &why)),
            );
            let wrong = values_too.then(|| names::label_value(value.as_str().unwrap_or_default())).flatten();
            errors.extend(wrong.map(|why| FieldError::invalid(&field, value, &why)));
        }
    }
}

/// Checks a Job, or the Job in a template, whose spec is at `path`.
fn job(object: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let spec = &object["spec"];
    let not_negative = "must be greater than or equal to 0";
    for field in [
        "parallelism",
        "completions",
        "backoffLimit",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ] {
        if let Some(value) = number(spec, &format!("/{field}")).filter(|value| *value < 0) {
            errors.push(FieldError::invalid(format!("{path}.{field}"), &value.into(), not_negative));
        }
    }
    let mode = text(spec, "/completionMode");
    if !matches!(mode, "" | "Indexed" | "NonIndexed") {
        errors.push(FieldError::unsupported(
            format!("{path}.completionMode"),
            &mode.into(),
            &["Indexed", "NonIndexed"],
        ));
    }
    if mode == "Indexed" && spec.get("completions").is_none() {
        errors.push(FieldError::required(format!("{path}.completions"), "when completion mode is Indexed"));
    }
    if mode != "Indexed" {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(value) = spec.get(field) {
                errors.push(FieldError::invalid(
                    format!("{path}.{field}"),
                    value,
                    "requires indexed completion mode",
                ));
            }
        }
    }
    if let (Some(most), Some(completions)) = (number(spec, "/maxFailedIndexes"), number(spec, "/completions"))
        && most > completions
    {
        errors.push(FieldError::invalid(
            format!("{path}.maxFailedIndexes"),
            &most.into(),
            "must be less than or equal to completions",
        ));
    }
    let template = &spec["template"];
    labels(template, "/metadata", &format!("{path}.template.metadata"), errors);
    pod::spec(&template["spec"], &format!("{path}.template.spec"), errors);
    let policy = text(template, "/spec/restartPolicy");
    if !matches!(policy, "Never" | "OnFailure") {
        errors.push(FieldError::unsupported(
            format!("{path}.template.spec.restartPolicy"),
            &policy.into(),
            &["OnFailure", "Never"],
        ));
    }
    failure_policy(spec, path, errors);
}

fn failure_policy(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(policy) = spec.get("podFailurePolicy") else { return };
    if text(spec, "/template/spec/restartPolicy") != "Never" {
        let restart = spec.pointer("/template/spec/restartPolicy").unwrap_or(&Value::Null);
        errors.push(FieldError::invalid(
            format!("{path}.template.spec.restartPolicy"),
            restart,
            "only \"Never\" is supported when podFailurePolicy is specified",
        ));
    }
    for (at, rule) in list(policy, "/rules").iter().enumerate() {
        let path = format!("{path}.podFailurePolicy.rules[{at}]");
        let action = text(rule, "/action");
        if !matches!(action, "Count" | "FailIndex" | "FailJob" | "Ignore") {
            errors.push(FieldError::unsupported(
                format!("{path}.action"),
                &action.into(),
                &["Count", "FailIndex", "FailJob", "Ignore"],
            ));
        }
        if action == "FailIndex" && spec.get("backoffLimitPerIndex").is_none() {
            errors.push(FieldError::invalid(
                format!("{path}.action"),
                &action.into(),
                "requires the backoffLimitPerIndex to be set",
            ));
        }
        if let Some(codes) = rule.get("onExitCodes") {
            if !matches!(text(codes, "/operator"), "In" | "NotIn") {
                errors.push(FieldError::unsupported(
                    format!("{path}.onExitCodes.operator"),
                    &text(codes, "/operator").into(),
                    &["In", "NotIn"],
                ));
            }
            let values = list(codes, "/values");
            if values.is_empty() {
                errors.push(FieldError::invalid(
                    format!("{path}.onExitCodes.values"),
                    &Value::Array(vec![]),
                    "at least one value is required",
                ));
            }
            if text(codes, "/operator") == "In" && values.iter().any(|value| value == 0) {
                errors.push(FieldError::invalid(
                    format!("{path}.onExitCodes.values[0]"),
                    &0.into(),
                    "must not be 0 for the In operator",
                ));
            }
        }
        if rule.get("onExitCodes").is_some() != list(rule, "/onPodConditions").is_empty() {
            errors.push(FieldError::invalid(
                path,
                rule,
                "specifying one of OnExitCodes and OnPodConditions is required",
            ));
        }
    }
}

fn cron_job(object: &Value, errors: &mut Vec<FieldError>) {
    let schedule = text(object, "/spec/schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if let Err(why) = Schedule::parse(schedule) {
        errors.push(FieldError::invalid("spec.schedule", &schedule.into(), &why));
    }
    let policy = text(object, "/spec/concurrencyPolicy");
    if !matches!(policy, "Allow" | "Forbid" | "Replace") {
        errors.push(FieldError::unsupported(
            "spec.concurrencyPolicy",
            &policy.into(),
            &["Allow", "Forbid", "Replace"],
        ));
    }
    job(&object["spec"]["jobTemplate"], "spec.jobTemplate.spec", errors);
}
