//! What an object must be to be stored.

use serde_json::{Value, json};

use super::super::api::status::FieldError;
use super::super::controllers::schedule::Schedule;
use super::super::kinds::Kind;
use super::super::object::{list, number, text, truth};
use super::super::selector::Labels;
use super::{names, pod};

/// The fields of an object that Kubernetes would not accept.
pub(crate) fn validate(kind: &'static Kind, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    metadata(kind, object, &mut errors);
    match kind.kind {
        "Pod" => pod::spec(&object["spec"], "spec", &mut errors),
        "Job" => {
            selector(object, &mut errors);
            job(object, "spec", &mut errors);
            indexed_name(object, &mut errors);
        }
        "CronJob" => cron_job(object, &mut errors),
        "ConfigMap" | "Secret" => data(object, &mut errors),
        _ => {}
    }
    errors
}

fn metadata(kind: &'static Kind, object: &Value, errors: &mut Vec<FieldError>) {
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

fn labels(object: &Value, pointer: &str, path: &str, errors: &mut Vec<FieldError>) {
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
    labels(template, "/metadata", &format!("{path}.template"), errors);
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

fn success_policy(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(policy) = spec.get("successPolicy") else { return };
    let (path, rules) = (format!("{path}.successPolicy"), list(policy, "/rules"));
    if text(spec, "/completionMode") != "Indexed" {
        let shown = |rule: &Value| json!({"SucceededIndexes": rule.get("succeededIndexes"), "SucceededCount": rule.get("succeededCount")});
        let shown: Vec<String> = rules
            .iter()
            .map(shown)
            .map(|rule| {
                format!(
                    "{{\"SucceededIndexes\":{},\"SucceededCount\":{}}}",
                    rule["SucceededIndexes"], rule["SucceededCount"]
                )
            })
            .collect();
        let message =
            format!("Invalid value: {{\"Rules\":[{}]}}: requires indexed completion mode", shown.join(","));
        errors.push(FieldError { reason: "FieldValueInvalid", field: path, message });
        return;
    }
    if rules.is_empty() {
        errors.push(FieldError::required(
            format!("{path}.rules"),
            "at least one rules must be specified when the successPolicy is specified",
        ));
    }
    for (at, rule) in rules.iter().enumerate() {
        if rule.get("succeededCount").is_none() && rule.get("succeededIndexes").is_none() {
            let why = "at least one of succeededCount or succeededIndexes must be specified";
            errors.push(FieldError::required(format!("{path}.rules[{at}]"), why));
        }
    }
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
        if action.is_empty() {
            let why = "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]";
            errors.push(FieldError::required(format!("{path}.action"), why));
        } else if !matches!(action, "Count" | "FailIndex" | "FailJob" | "Ignore") {
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
            let numbers: Vec<i64> = values.iter().filter_map(Value::as_i64).collect();
            if let Some(twice) = (1..numbers.len()).find(|at| numbers[..*at].contains(&numbers[*at])) {
                let field = format!("{path}.onExitCodes.values[{twice}]");
                errors.push(FieldError::duplicate(field, &numbers[twice].into()));
            } else if !numbers.is_sorted() {
                errors.push(FieldError::invalid(
                    format!("{path}.onExitCodes.values"),
                    &numbers.clone().into(),
                    "must be ordered",
                ));
            }
            let wanted = text(codes, "/containerName");
            let named = ["containers", "initContainers"]
                .iter()
                .flat_map(|group| list(spec, &format!("/template/spec/{group}")));
            if !wanted.is_empty() && !named.into_iter().any(|container| text(container, "/name") == wanted) {
                let why = "must be one of the container or initContainer names in the pod template";
                errors.push(FieldError::invalid(
                    format!("{path}.onExitCodes.containerName"),
                    &wanted.into(),
                    why,
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
        conditions(rule, &path, errors);
        let how = match (rule.get("onExitCodes").is_some(), !list(rule, "/onPodConditions").is_empty()) {
            (true, true) => "specifying both OnExitCodes and OnPodConditions is not supported",
            (false, false) => "specifying one of OnExitCodes and OnPodConditions is required",
            _ => continue,
        };
        errors.push(FieldError {
            reason: "FieldValueInvalid",
            field: path,
            message: format!("Invalid value: {how}"),
        });
    }
}

fn conditions(rule: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (at, pattern) in list(rule, "/onPodConditions").iter().enumerate() {
        let (kind, status) = (text(pattern, "/type"), text(pattern, "/status"));
        for why in names::qualified_all(kind) {
            errors.push(FieldError::invalid(
                format!("{path}.onPodConditions[{at}].type"),
                &kind.into(),
                &why,
            ));
        }
        if !matches!(status, "True" | "False" | "Unknown") {
            let field = format!("{path}.onPodConditions[{at}].status");
            errors.push(FieldError::unsupported(field, &status.into(), &["False", "True", "Unknown"]));
        }
    }
}

fn cron_job(object: &Value, errors: &mut Vec<FieldError>) {
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
    job(&object["spec"]["jobTemplate"], "spec.jobTemplate.spec", errors);
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

/// Bytes that a secret or config map may hold.
const MOST_DATA: usize = 1 << 20;

/// What the types of secrets must hold.
const SECRETS: [(&str, &[&str]); 2] = [
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
];

fn data(object: &Value, errors: &mut Vec<FieldError>) {
    let part = |field: &str| object.get(field).and_then(Value::as_object);
    let mut size = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in part(field).into_iter().flatten() {
            let path = format!("{field}[{key}]");
            size += value.as_str().unwrap_or_default().len();
            errors.extend(
                names::config_key(key).map(|why| FieldError::invalid(&path, &key.as_str().into(), &why)),
            );
            if field == "data" && part("binaryData").is_some_and(|binary| binary.contains_key(key)) {
                errors.push(FieldError::invalid(
                    path,
                    &key.as_str().into(),
                    "duplicate of key present in binaryData",
                ));
            }
        }
    }
    let is_secret = object.get("type").is_some();
    if size > if is_secret { MOST_DATA / 3 * 4 } else { MOST_DATA } {
        errors.push(FieldError::too_long(if is_secret { "data" } else { "[]" }, MOST_DATA));
    }
    let has = |key: &str| part("data").is_some_and(|data| data.contains_key(key));
    let kind = text(object, "/type");
    for key in
        SECRETS.iter().filter(|(of, _)| *of == kind).flat_map(|(_, keys)| *keys).filter(|key| !has(key))
    {
        errors.push(FieldError::required(format!("data[{key}]"), ""));
    }
    if kind == "kubernetes.io/basic-auth" && !has("username") && !has("password") {
        errors.extend(["username", "password"].map(|key| FieldError::required(format!("data[{key}]"), "")));
    }
    let account = "kubernetes.io/service-account.name";
    if kind == "kubernetes.io/service-account-token"
        && super::super::object::annotation(object, account).is_none()
    {
        errors.push(FieldError::required(format!("metadata.annotations[{account}]"), ""));
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
    } else if !is_own && *selector != json!({"matchLabels": {UID: super::super::object::uid(job)}}) {
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
