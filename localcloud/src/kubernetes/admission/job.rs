//! What a Job must be, on its own or as the template of a cron job; and what a cron job must be.

use serde_json::{Value, json};

use super::super::api::status::FieldError;
use super::super::controllers::schedule::Schedule;
use super::super::object::{number, text, truth, uid};
use super::super::selector::Labels;
use super::job_policy::{failure_policy, success_policy};
use super::{metadata, names, pod};

/// Checks a Job.
pub(super) fn job(job: &Value, errors: &mut Vec<FieldError>) {
    selector(job, errors);
    spec(job, "spec", errors);
    indexed_name(job, errors);
}

/// Checks a cron job.
pub(super) fn cron_job(object: &Value, errors: &mut Vec<FieldError>) {
    let schedule = text(object, "/spec/schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if schedule.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.push(FieldError::invalid("spec.schedule", &schedule.into(), why));
    } else if let Err(why) = Schedule::parse(schedule) {
        errors.push(FieldError::invalid("spec.schedule", &schedule.into(), &why));
    }
    time_zone(object, errors);
    for field in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        if let Some(value) = number(object, &format!("/spec/{field}")).filter(|value| *value < 0) {
            errors.push(FieldError::invalid(
                format!("spec.{field}"),
                &value.into(),
                "must be greater than or equal to 0",
            ));
        }
    }
    if truth(object, "/spec/jobTemplate/spec/manualSelector") {
        let field = "spec.jobTemplate.spec.manualSelector";
        errors.push(FieldError::unsupported(field, &true.into(), &["nil", "false"]));
    }
    let policy = text(object, "/spec/concurrencyPolicy");
    if !matches!(policy, "Allow" | "Forbid" | "Replace") {
        errors.push(FieldError::unsupported(
            "spec.concurrencyPolicy",
            &policy.into(),
            &["Allow", "Forbid", "Replace"],
        ));
    }
    spec(&object["spec"]["jobTemplate"], "spec.jobTemplate.spec", errors);
}

fn time_zone(object: &Value, errors: &mut Vec<FieldError>) {
    let Some(zone) = object.pointer("/spec/timeZone").and_then(Value::as_str) else { return };
    let why = match zone {
        "" => "timeZone must be nil or non-empty string".to_owned(),
        "Local" => {
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones".into()
        }
        _ => return,
    };
    errors.push(FieldError::invalid("spec.timeZone", &zone.into(), &why));
}

/// Checks a Job, or the Job in a template, whose spec is at `path`.
fn spec(object: &Value, path: &str, errors: &mut Vec<FieldError>) {
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
            &["NonIndexed", "Indexed"],
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
    limits(spec, path, errors);
    success_policy(spec, path, errors);
    metadata::labels(template, "/metadata", &format!("{path}.template"), errors);
    pod::spec(&template["spec"], &format!("{path}.template.spec"), errors);
    let policy = text(template, "/spec/restartPolicy");
    let field = format!("{path}.template.spec.restartPolicy");
    match policy {
        "Never" | "OnFailure" => {}
        "" | "Always" => errors.push(FieldError::required(field, "valid values: \"OnFailure\", \"Never\"")),
        other => errors.push(FieldError::unsupported(field, &other.into(), &["OnFailure", "Never"])),
    }
    failure_policy(spec, path, errors);
}

/// The most indexes that a Job with limits by index may run at once.
const MOST_INDEXES: i64 = 100_000;

fn limits(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{path}.{name}");
    let parallelism = number(spec, "/parallelism").unwrap_or(1);
    if text(spec, "/completionMode") == "Indexed" && parallelism > MOST_INDEXES {
        let why = "must be less than or equal to 100000 when completion mode is Indexed";
        errors.push(FieldError::invalid(field("parallelism"), &parallelism.into(), why));
    }
    if spec.get("maxFailedIndexes").is_some() && spec.get("backoffLimitPerIndex").is_none() {
        errors
            .push(FieldError::required(field("backoffLimitPerIndex"), "when maxFailedIndexes is specified"));
    }
    let replacement = text(spec, "/podReplacementPolicy");
    let known: &[&str] =
        if spec.get("podFailurePolicy").is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    if !replacement.is_empty() && !known.contains(&replacement) {
        errors.push(FieldError::unsupported(field("podReplacementPolicy"), &replacement.into(), known));
    }
    if let Some(manager) = spec.get("managedBy").and_then(Value::as_str)
        && !manager.contains('/')
    {
        let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        errors.push(FieldError::invalid(field("managedBy"), &manager.into(), why));
    }
}

const UID: &str = "batch.kubernetes.io/controller-uid";

/// The selector that ties the pods to their Job, and the labels that it selects.
fn selector(job: &Value, errors: &mut Vec<FieldError>) {
    let null = Value::Null;
    let part = |pointer: &str| job.pointer(pointer).unwrap_or(&null);
    let (selector, labels) = (part("/spec/selector"), part("/spec/template/metadata/labels"));
    let is_own = truth(job, "/spec/manualSelector");
    if selector.is_null() {
        errors.push(FieldError::required("spec.selector", ""));
    } else if !is_own && *selector != json!({"matchLabels": {UID: uid(job)}}) {
        errors.push(FieldError::invalid("spec.selector", selector, "`selector` not auto-generated"));
    }
    let name = text(job, "/metadata/name");
    for key in ["batch.kubernetes.io/job-name", "job-name"] {
        if !is_own && labels.get(key).is_some_and(|held| held != name) {
            let field = format!("spec.template.metadata.labels[{key}]");
            errors.push(FieldError::invalid(field, labels, &format!("must be '{name}'")));
        }
    }
    let pod = json!({"metadata": {"labels": labels}});
    if selector.is_null() || !Labels::of_object(selector).accepts(&pod) {
        let why = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid("spec.template.metadata.labels", labels, why));
    }
}

/// The pods of an indexed Job are named after it, and what they are called is a label.
fn indexed_name(job: &Value, errors: &mut Vec<FieldError>) {
    let Some(all) = number(job, "/spec/completions").filter(|all| *all > 0) else { return };
    let last = format!("{}-{}", text(job, "/metadata/name"), all - 1);
    if text(job, "/spec/completionMode") == "Indexed" && names::label(&last, 63).is_some() {
        let why = format!("will not able to create pod with invalid DNS label: {last}");
        errors.push(FieldError::invalid("metadata.name", &text(job, "/metadata/name").into(), &why));
    }
}
