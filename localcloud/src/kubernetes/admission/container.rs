//! What a container must be.

use serde_json::{Map, Value};

use super::super::api::status::FieldError;
use super::super::object::{list, number, text};
use super::super::quantity;
use super::{names, pod, volumes};

/// Checks a container at `path` of a pod's spec. One without an image is good here: it runs the worker.
pub(super) fn container(container: &Value, spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let name = text(container, "/name");
    if name.is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    } else if let Some(why) = names::label(name, 63) {
        errors.push(FieldError::invalid(format!("{path}.name"), &name.into(), &why));
    }
    let image = text(container, "/image");
    if image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(format!("{path}.image"), &image.into(), why));
    }
    ports(container, spec, path, errors);
    for (at, variable) in list(container, "/env").iter().enumerate() {
        self::variable(variable, &format!("{path}.env[{at}]"), errors);
    }
    for (at, source) in list(container, "/envFrom").iter().enumerate() {
        whole_source(source, &format!("{path}.envFrom"), at, errors);
    }
    volumes::mounts(container, spec, path, errors);
    choice(container, "terminationMessagePolicy", &["File", "FallbackToLogsOnError"], path, errors);
    choice(container, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], path, errors);
    resources(container, path, errors);
    pod::identities(&container["securityContext"], &format!("{path}.securityContext"), errors);
}

/// Checks a field that takes one of a few words, if it is there.
pub(super) fn choice(object: &Value, field: &str, known: &[&str], path: &str, errors: &mut Vec<FieldError>) {
    let value = text(object, &format!("/{field}"));
    if !value.is_empty() && !known.contains(&value) {
        errors.push(FieldError::unsupported(format!("{path}.{field}"), &value.into(), known));
    }
}

fn ports(container: &Value, spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let ports = list(container, "/ports");
    for (at, port) in ports.iter().enumerate() {
        let path = format!("{path}.ports[{at}]");
        let name = text(port, "/name");
        if !name.is_empty() {
            let wrong = names::port(name);
            errors.extend(
                wrong.iter().map(|why| FieldError::invalid(format!("{path}.name"), &name.into(), why)),
            );
            if wrong.is_empty() && ports[..at].iter().any(|other| text(other, "/name") == name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), &name.into()));
            }
        }
        let (inside, outside) = (number(port, "/containerPort").unwrap_or(0), number(port, "/hostPort"));
        if inside == 0 {
            errors.push(FieldError::required(format!("{path}.containerPort"), ""));
        } else if !(1..=65535).contains(&inside) {
            let why = "must be between 1 and 65535, inclusive";
            errors.push(FieldError::invalid(format!("{path}.containerPort"), &inside.into(), why));
        }
        choice(port, "protocol", &["SCTP", "TCP", "UDP"], &path, errors);
        if let Some(outside) = outside.filter(|outside| *outside != inside && spec["hostNetwork"] == true) {
            let why = "must match `containerPort` when `hostNetwork` is true";
            errors.push(FieldError::invalid(format!("{path}.hostPort"), &outside.into(), why));
        }
    }
}

/// Fields of a pod that a variable can be.
const POD_FIELDS: [&str; 8] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.podIP",
    "status.podIPs",
];

const AMOUNTS: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

fn variable(variable: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match text(variable, "/name") {
        "" => errors.push(FieldError::required(format!("{path}.name"), "")),
        name => {
            let wrong = names::variable(name);
            errors.extend(wrong.map(|why| FieldError::invalid(format!("{path}.name"), &name.into(), &why)));
        }
    }
    let Some(source) = variable.get("valueFrom").and_then(Value::as_object) else { return };
    let path = format!("{path}.valueFrom");
    if source.is_empty() {
        let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
        errors.push(FieldError::invalid(&path, &"".into(), why));
    } else if !text(variable, "/value").is_empty() {
        errors.push(FieldError::invalid(&path, &"".into(), "may not be specified when `value` is not empty"));
    }
    field_source(source, &path, errors);
    for kind in ["configMapKeyRef", "secretKeyRef"] {
        let Some(of) = source.get(kind) else { continue };
        reference(of, &format!("{path}.{kind}"), errors);
        if text(of, "/key").is_empty() {
            errors.push(FieldError::required(format!("{path}.{kind}.key"), ""));
        }
    }
}

fn field_source(source: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(of) = source.get("fieldRef") {
        let (path, field) = (format!("{path}.fieldRef"), text(of, "/fieldPath"));
        let key = ["metadata.labels['", "metadata.annotations['"]
            .iter()
            .find_map(|start| field.strip_prefix(start)?.strip_suffix("']"));
        match key {
            Some(key) => {
                let wrong = names::qualified(key);
                errors.extend(wrong.map(|why| FieldError::invalid(&path, &key.into(), &why)));
            }
            None if POD_FIELDS.contains(&field) || field == "status.hostIPs" => {}
            None => {
                let why = format!("error converting fieldPath: field label not supported: {field}");
                errors.push(FieldError::invalid(format!("{path}.fieldPath"), &field.into(), &why));
            }
        }
    }
    if let Some(of) = source.get("resourceFieldRef") {
        choice(of, "resource", &AMOUNTS, &format!("{path}.resourceFieldRef"), errors);
    }
}

fn reference(of: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let name = text(of, "/name");
    let wrong = names::subdomain(name, 253);
    errors.extend(wrong.map(|why| FieldError::invalid(format!("{path}.name"), &name.into(), &why)));
}

fn whole_source(source: &Value, path: &str, at: usize, errors: &mut Vec<FieldError>) {
    let kinds = ["configMapRef", "secretRef"];
    if kinds.iter().all(|kind| source.get(*kind).is_none()) {
        let why = "must specify one of: `configMapRef` or `secretRef`";
        errors.push(FieldError::invalid(path, &"".into(), why));
    }
    for kind in kinds {
        if let Some(of) = source.get(kind) {
            reference(of, &format!("{path}[{at}].{kind}"), errors);
        }
    }
}

const RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

fn resources(container: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let amounts = |group: &str| container.pointer(&format!("/resources/{group}")).and_then(Value::as_object);
    let limit_of = |name: &str| amounts("limits").and_then(|limits| limits.get(name)).and_then(Value::as_str);
    for group in ["limits", "requests"] {
        for (name, amount) in amounts(group).into_iter().flatten() {
            let field = format!("{path}.resources.{group}[{name}]");
            let is_own = name.contains('/');
            if !is_own && !RESOURCES.contains(&name.as_str()) && !name.starts_with("hugepages-") {
                for why in [
                    "must be a standard resource type or fully qualified",
                    "must be a standard resource for containers",
                ] {
                    errors.push(FieldError::invalid(&field, &name.as_str().into(), why));
                }
                continue;
            }
            let millis = quantity::millis(amount.as_str().unwrap_or_default()).unwrap_or(0);
            if millis < 0 {
                errors.push(FieldError::invalid(&field, amount, "must be greater than or equal to 0"));
            } else if is_own && millis % 1000 != 0 {
                errors.push(FieldError::invalid(&field, amount, "must be an integer"));
            }
            if group != "requests" {
                continue;
            }
            match limit_of(name) {
                Some(limit) if quantity::millis(limit).is_some_and(|limit| millis > limit) => {
                    let why = format!("must be less than or equal to {name} limit of {limit}");
                    errors.push(FieldError::invalid(format!("{path}.resources.requests"), amount, &why));
                }
                None if is_own => {
                    let why = "Limit must be set for non overcommitable resources";
                    errors.push(FieldError::required(format!("{path}.resources.limits"), why));
                }
                _ => {}
            }
        }
    }
}
