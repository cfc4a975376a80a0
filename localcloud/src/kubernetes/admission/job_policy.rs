//! What the policies of a Job must be: which failures count, and when it has succeeded.

use serde_json::{Value, json};

use super::super::api::status::FieldError;
use super::super::object::{list, text};
use super::names;

/// Checks when the Job whose spec is at `path` has succeeded.
pub(super) fn success_policy(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
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

/// Checks which failures of pods count.
pub(super) fn failure_policy(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
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
