//! The environment and the command line of a container, from its pod's manifest and nothing else.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value;

use super::super::kinds::{CONFIG_MAP, Kind, SECRET};
use super::super::object::{self, list, text, truth};
use super::super::quantity;
use super::super::store::{Key, Store};

/// The variables of a container by name; an error says what the manifest refers to that is not
/// there.
pub(super) fn variables(
    store: &Store,
    pod: &Value,
    container: &Value,
) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    for source in list(container, "/envFrom") {
        let prefix = text(source, "/prefix");
        for (kind, field) in [(&CONFIG_MAP, "configMapRef"), (&SECRET, "secretRef")] {
            let Some(reference) = source.get(field) else { continue };
            match read(store, kind, pod, text(reference, "/name")) {
                Some(data) => {
                    variables.extend(data.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
                }
                None if truth(reference, "/optional") => {}
                None => return Err(format!("{} {:?} not found", kind.singular, text(reference, "/name"))),
            }
        }
    }
    for variable in list(container, "/env") {
        let value = match variable.get("valueFrom") {
            None => Some(expand(text(variable, "/value"), &variables)),
            Some(source) => referred(store, pod, container, source)?,
        };
        if let Some(value) = value {
            variables.insert(text(variable, "/name").into(), value);
        }
    }
    Ok(variables)
}

fn read(store: &Store, kind: &'static Kind, pod: &Value, name: &str) -> Option<BTreeMap<String, String>> {
    let object = store.get(&Key::new(kind, object::namespace(pod), name))?;
    let data = object.get("data").and_then(Value::as_object).into_iter().flatten();
    let decode = |value: &str| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(value).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let entry = |(key, value): (&String, &Value)| {
        let value = value.as_str().unwrap_or_default();
        (key.clone(), if *kind == SECRET { decode(value) } else { value.to_owned() })
    };
    Some(data.map(entry).collect())
}

fn referred(store: &Store, pod: &Value, container: &Value, source: &Value) -> Result<Option<String>, String> {
    if let Some(field) = source.get("fieldRef") {
        return field_of(pod, text(field, "/fieldPath")).map(Some);
    }
    if let Some(resource) = source.get("resourceFieldRef") {
        return Ok(Some(resource_of(container, resource)));
    }
    for (kind, field) in [(&CONFIG_MAP, "configMapKeyRef"), (&SECRET, "secretKeyRef")] {
        let Some(reference) = source.get(field) else { continue };
        let (name, key) = (text(reference, "/name"), text(reference, "/key"));
        return match read(store, kind, pod, name) {
            Some(mut data) if data.contains_key(key) => Ok(data.remove(key)),
            _ if truth(reference, "/optional") => Ok(None),
            Some(_) => {
                Err(format!("couldn't find key {key} in {} {}/{name}", kind.kind, object::namespace(pod)))
            }
            None => Err(format!("{} {name:?} not found", kind.singular)),
        };
    }
    Ok(None)
}

/// A field of the pod, by its downward API path.
fn field_of(pod: &Value, path: &str) -> Result<String, String> {
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let value = match map {
            "metadata.labels" => object::label(pod, key),
            "metadata.annotations" => object::annotation(pod, key),
            _ => return Err(format!("unsupported fieldPath: {path}")),
        };
        return Ok(value.unwrap_or_default().to_owned());
    }
    match path {
        "metadata.name"
        | "metadata.namespace"
        | "metadata.uid"
        | "spec.nodeName"
        | "spec.serviceAccountName"
        | "status.podIP"
        | "status.hostIP" => Ok(text(pod, &format!("/{}", path.replace('.', "/"))).to_owned()),
        "status.podIPs" => Ok(text(pod, "/status/podIP").to_owned()),
        _ => Err(format!("unsupported fieldPath: {path}")),
    }
}

fn resource_of(container: &Value, reference: &Value) -> String {
    let resource = text(reference, "/resource").replace('.', "/");
    let amount = quantity::millis(text(container, &format!("/resources/{resource}"))).unwrap_or(0);
    let divisor =
        quantity::millis(text(reference, "/divisor")).filter(|divisor| *divisor > 0).unwrap_or(1000);
    ((amount + divisor - 1) / divisor).to_string()
}

/// Replaces `$(NAME)` by the variable, as Kubernetes does: `$$` is a dollar, and a name that is not
/// known stays as it is written.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match variables.get(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded + rest
}

/// Command and arguments, expanded: what stands in `command`, then what stands in `args`.
pub(super) fn command_line(
    container: &Value,
    variables: &BTreeMap<String, String>,
) -> (Vec<String>, Vec<String>) {
    let expanded = |field: &str| {
        let texts = list(container, field).iter().filter_map(Value::as_str);
        texts.map(|text| expand(text, variables)).collect()
    };
    (expanded("/command"), expanded("/args"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_expand_as_kubernetes_does() {
        let variables = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        for (text, expanded) in [
            ("$(A)-$(A)", "1-1"),
            ("$$(A)", "$(A)"),
            ("$(B)", "$(B)"),
            ("$A $(", "$A $("),
            ("$$$(A)$", "$1$"),
        ] {
            assert_eq!(expand(text, &variables), expanded, "{text}");
        }
    }

    #[test]
    fn the_downward_api_reads_fields_labels_and_annotations() {
        let pod = json!({"metadata": {"name": "p", "labels": {"a/b": "c"}, "annotations": {"d": "e"}}, "spec": {"nodeName": "n"}});
        for (path, value) in [
            ("metadata.name", "p"),
            ("metadata.labels['a/b']", "c"),
            ("metadata.annotations['d']", "e"),
            ("spec.nodeName", "n"),
        ] {
            assert_eq!(field_of(&pod, path).as_deref(), Ok(value), "{path}");
        }
        assert!(field_of(&pod, "spec.containers").is_err());
    }
}
