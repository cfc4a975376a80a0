//! What a pod's spec must be, wherever it stands. Probes, lifecycle hooks and spread constraints are not looked at.

use serde_json::Value;

use super::super::api::status::FieldError;
use super::super::object::{list, number, text};
use super::{container, names, volumes};

/// Checks a pod's spec at `path`.
pub(super) fn spec(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    volumes::volumes(spec, path, errors);
    if list(spec, "/containers").is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    for group in ["containers", "initContainers"] {
        for (at, one) in list(spec, &format!("/{group}")).iter().enumerate() {
            let path = format!("{path}.{group}[{at}]");
            let others = if group == "containers" {
                &list(spec, "/containers")[..at]
            } else {
                list(spec, "/containers")
            };
            let name = text(one, "/name");
            if !name.is_empty() && others.iter().any(|other| text(other, "/name") == name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), &name.into()));
            }
            container::container(one, spec, &path, errors);
        }
    }
    choices(spec, path, errors);
    places(spec, path, errors);
    identities(&spec["securityContext"], &format!("{path}.securityContext"), errors);
    if let Some(value) = number(spec, "/activeDeadlineSeconds").filter(|value| *value < 1) {
        let why = "must be between 1 and 2147483647, inclusive";
        errors.push(FieldError::invalid(format!("{path}.activeDeadlineSeconds"), &value.into(), why));
    }
    for (at, toleration) in list(spec, "/tolerations").iter().enumerate() {
        self::toleration(toleration, &format!("{path}.tolerations[{at}]"), errors);
    }
    for (at, gate) in list(spec, "/schedulingGates").iter().enumerate() {
        let name = text(gate, "/name");
        let wrong = names::qualified(name);
        errors.extend(
            wrong.map(|why| FieldError::invalid(format!("{path}.schedulingGates[{at}]"), &name.into(), &why)),
        );
    }
    affinity(&spec["affinity"], &format!("{path}.affinity"), errors);
}

/// Fields that take one of a few words.
fn choices(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (field, known) in [
        ("restartPolicy", &["Always", "OnFailure", "Never"][..]),
        ("dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]),
    ] {
        container::choice(spec, field, known, path, errors);
    }
}

/// Where it may run, and what it is called there.
fn places(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let selector = spec.get("nodeSelector").and_then(Value::as_object);
    for (key, value) in selector.into_iter().flatten() {
        let field = format!("{path}.nodeSelector");
        let (of_key, of_value) =
            (names::qualified(key), names::label_value(value.as_str().unwrap_or_default()));
        errors.extend(of_key.map(|why| FieldError::invalid(&field, &key.as_str().into(), &why)));
        errors.extend(of_value.map(|why| FieldError::invalid(&field, value, &why)));
    }
    for (field, is_label) in [("nodeName", false), ("hostname", true), ("subdomain", true)] {
        let value = text(spec, &format!("/{field}"));
        let wrong = match value {
            "" => None,
            value if is_label => names::label(value, 63),
            value => names::subdomain(value, 253),
        };
        errors.extend(wrong.map(|why| FieldError::invalid(format!("{path}.{field}"), &value.into(), &why)));
    }
}

/// Users and groups, of a pod or a container.
pub(super) fn identities(context: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for field in ["runAsUser", "runAsGroup"] {
        if let Some(value) =
            number(context, &format!("/{field}")).filter(|value| !(0..=2_147_483_647).contains(value))
        {
            let why = "must be between 0 and 2147483647, inclusive";
            errors.push(FieldError::invalid(format!("{path}.{field}"), &value.into(), why));
        }
    }
    if let Some(profile) = context.get("seccompProfile") {
        let known = ["Localhost", "RuntimeDefault", "Unconfined"];
        container::choice(profile, "type", &known, &format!("{path}.seccompProfile"), errors);
    }
}

fn toleration(toleration: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let part = |field: &str| text(toleration, &format!("/{field}"));
    let (key, operator, effect) = (part("key"), part("operator"), part("effect"));
    let field = |name: &str| format!("{path}.{name}");
    if let Some(why) = names::qualified(key).filter(|_| !key.is_empty()) {
        errors.push(FieldError::invalid(field("key"), &key.into(), &why));
    }
    if key.is_empty() && operator != "Exists" {
        let why =
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(FieldError::invalid(field("operator"), &operator.into(), why));
    }
    if toleration.get("tolerationSeconds").is_some() && effect != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(field("effect"), &effect.into(), why));
    }
    if operator == "Exists" && !part("value").is_empty() {
        let why = "value must be empty when `operator` is 'Exists'";
        errors.push(FieldError::invalid(field("operator"), &part("value").into(), why));
    }
    container::choice(toleration, "operator", &["Equal", "Exists"], path, errors);
    container::choice(toleration, "effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"], path, errors);
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

fn affinity(affinity: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(nodes) = affinity.pointer(&format!("/nodeAffinity/{REQUIRED}")) {
        let (path, terms) =
            (format!("{path}.nodeAffinity.{REQUIRED}.nodeSelectorTerms"), list(nodes, "/nodeSelectorTerms"));
        if terms.is_empty() {
            errors.push(FieldError::required(&path, "must have at least one node selector term"));
        }
        for (at, term) in terms.iter().enumerate() {
            let known = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
            expressions(term, &known, &format!("{path}[{at}]"), errors);
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        for (at, term) in list(affinity, &format!("/{kind}/{REQUIRED}")).iter().enumerate() {
            let (path, key) = (format!("{path}.{kind}.{REQUIRED}[{at}]"), text(term, "/topologyKey"));
            let known = ["In", "NotIn", "Exists", "DoesNotExist"];
            expressions(&term["labelSelector"], &known, &format!("{path}.labelSelector"), errors);
            if key.is_empty() {
                errors.push(FieldError::required(format!("{path}.topologyKey"), "can not be empty"));
            }
            for why in names::qualified_all(key) {
                errors.push(FieldError::invalid(format!("{path}.topologyKey"), &key.into(), &why));
            }
        }
    }
}

fn expressions(selector: &Value, known: &[&str], path: &str, errors: &mut Vec<FieldError>) {
    for (at, expression) in list(selector, "/matchExpressions").iter().enumerate() {
        let (path, operator) = (format!("{path}.matchExpressions[{at}]"), text(expression, "/operator"));
        if !known.contains(&operator) {
            errors.push(FieldError::invalid(
                format!("{path}.operator"),
                &operator.into(),
                "not a valid selector operator",
            ));
        } else if matches!(operator, "In" | "NotIn") && list(expression, "/values").is_empty() {
            let why = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(FieldError::required(format!("{path}.values"), why));
        }
    }
}
