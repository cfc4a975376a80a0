//! What a pod's spec must be, wherever it stands.

use serde_json::Value;

use super::super::api::status::FieldError;
use super::super::object::{list, number, text};
use super::super::quantity;
use super::names;

/// Checks a pod's spec at `path`.
pub(super) fn spec(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if list(spec, "/containers").is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let mut seen = Vec::new();
    for group in ["initContainers", "containers"] {
        for (at, one) in list(spec, &format!("/{group}")).iter().enumerate() {
            let path = format!("{path}.{group}[{at}]");
            container(one, &path, errors);
            let name = text(one, "/name");
            if !name.is_empty() && seen.contains(&name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), &name.into()));
            }
            seen.push(name);
        }
    }
    let policy = text(spec, "/restartPolicy");
    if !matches!(policy, "" | "Always" | "OnFailure" | "Never") {
        errors.push(FieldError::unsupported(
            format!("{path}.restartPolicy"),
            &policy.into(),
            &["Always", "Never", "OnFailure"],
        ));
    }
    for field in ["terminationGracePeriodSeconds", "activeDeadlineSeconds"] {
        let at_least = i64::from(field == "activeDeadlineSeconds");
        if let Some(value) = number(spec, &format!("/{field}")).filter(|value| *value < at_least) {
            let why = if at_least == 0 {
                "must be greater than or equal to 0"
            } else {
                "must be between 1 and 2147483647, inclusive"
            };
            errors.push(FieldError::invalid(format!("{path}.{field}"), &value.into(), why));
        }
    }
    tolerations(spec, path, errors);
    volumes(spec, path, errors);
}

fn container(container: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let name = text(container, "/name");
    if name.is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    } else if let Some(why) = names::label(name, 63) {
        errors.push(FieldError::invalid(format!("{path}.name"), &name.into(), &why));
    }
    for (at, variable) in list(container, "/env").iter().enumerate() {
        let path = format!("{path}.env[{at}]");
        match text(variable, "/name") {
            "" => errors.push(FieldError::required(format!("{path}.name"), "")),
            name => errors.extend(
                names::variable(name)
                    .map(|why| FieldError::invalid(format!("{path}.name"), &name.into(), &why)),
            ),
        }
        if variable.get("valueFrom").is_some() && !text(variable, "/value").is_empty() {
            errors.push(FieldError::invalid(
                format!("{path}.valueFrom"),
                &"".into(),
                "may not be specified when `value` is not empty",
            ));
        }
    }
    resources(container, path, errors);
}

fn resources(container: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let amounts = |group: &str| container.pointer(&format!("/resources/{group}")).and_then(Value::as_object);
    for group in ["limits", "requests"] {
        for (name, amount) in amounts(group).into_iter().flatten() {
            let field = format!("{path}.resources.{group}[{name}]");
            match quantity::millis(amount.as_str().unwrap_or_default()) {
                None => errors.push(FieldError::invalid(field, amount, "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")),
                Some(size) if size < 0 => errors.push(FieldError::invalid(field, amount, "must be greater than or equal to 0")),
                Some(size) => {
                    let limit = amounts("limits").and_then(|limits| limits.get(name)).and_then(Value::as_str);
                    if group == "requests" && limit.and_then(quantity::millis).is_some_and(|limit| size > limit) {
                        let why = format!("must be less than or equal to {name} limit of {}", limit.unwrap_or_default());
                        errors.push(FieldError::invalid(format!("{path}.resources.requests"), amount, &why));
                    }
                }
            }
        }
    }
}

fn tolerations(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (at, toleration) in list(spec, "/tolerations").iter().enumerate() {
        let path = format!("{path}.tolerations[{at}]");
        let operator = text(toleration, "/operator");
        if !matches!(operator, "" | "Equal" | "Exists") {
            errors.push(FieldError::unsupported(
                format!("{path}.operator"),
                &operator.into(),
                &["Equal", "Exists"],
            ));
        }
        if operator == "Exists" && !text(toleration, "/value").is_empty() {
            errors.push(FieldError::invalid(
                format!("{path}.operator"),
                toleration,
                "value must be empty when `operator` is 'Exists'",
            ));
        }
        if text(toleration, "/key").is_empty() && operator != "Exists" {
            errors.push(FieldError::invalid(
                format!("{path}.operator"),
                &operator.into(),
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            ));
        }
    }
}

fn volumes(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let volumes = list(spec, "/volumes");
    for (at, volume) in volumes.iter().enumerate() {
        let (field, name) = (format!("{path}.volumes[{at}].name"), text(volume, "/name"));
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if let Some(why) = names::label(name, 63) {
            errors.push(FieldError::invalid(field, &name.into(), &why));
        } else if volumes[..at].iter().any(|other| text(other, "/name") == name) {
            errors.push(FieldError::duplicate(field, &name.into()));
        }
    }
    for group in ["initContainers", "containers"] {
        for (at, container) in list(spec, &format!("/{group}")).iter().enumerate() {
            for (mount_at, mount) in list(container, "/volumeMounts").iter().enumerate() {
                let name = text(mount, "/name");
                if !volumes.iter().any(|volume| text(volume, "/name") == name) {
                    let field = format!("{path}.{group}[{at}].volumeMounts[{mount_at}].name");
                    let message = format!("Not found: \"{name}\"");
                    errors.push(FieldError { reason: "FieldValueNotFound", field, message });
                }
            }
        }
    }
}
