//! What the volumes of a pod must be, and where containers mount them.

use serde_json::Value;

use super::super::api::status::FieldError;
use super::super::object::{list, number, text};
use super::names;

/// Checks the volumes of a pod's spec at `path`.
pub(super) fn volumes(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let volumes = list(spec, "/volumes");
    for (at, volume) in volumes.iter().enumerate() {
        let (path, name) = (format!("{path}.volumes[{at}]"), text(volume, "/name"));
        sources(volume, &path, errors);
        let field = format!("{path}.name");
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if let Some(why) = names::label(name, 63) {
            errors.push(FieldError::invalid(field, &name.into(), &why));
        } else if volumes[..at].iter().any(|other| text(other, "/name") == name) {
            errors.push(FieldError::duplicate(field, &name.into()));
        }
    }
}

/// Checks what a volume is made of, for the sources that are looked at here.
fn sources(volume: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let known = ["emptyDir", "hostPath", "secret", "configMap", "downwardAPI", "projected"];
    let given: Vec<&str> = known.into_iter().filter(|kind| volume.get(*kind).is_some()).collect();
    for more in given.iter().skip(1) {
        errors
            .push(FieldError::forbidden(format!("{path}.{more}"), "may not specify more than 1 volume type"));
    }
    let Some(kind) = given.first() else { return };
    let (path, source) = (format!("{path}.{kind}"), &volume[*kind]);
    let needs = match *kind {
        "secret" => Some("secretName"),
        "configMap" => Some("name"),
        "hostPath" => Some("path"),
        _ => None,
    };
    if let Some(field) = needs.filter(|field| text(source, &format!("/{field}")).is_empty()) {
        errors.push(FieldError::required(format!("{path}.{field}"), ""));
    }
    if let Some(mode) = number(source, "/defaultMode").filter(|mode| !(0..=0o777).contains(mode)) {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(FieldError::invalid(format!("{path}.defaultMode"), &mode.into(), why));
    }
    if *kind == "hostPath" {
        no_way_up(text(source, "/path"), &format!("{path}.path"), errors);
    }
}

/// Checks where a container mounts which volumes.
pub(super) fn mounts(container: &Value, spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let mounts = list(container, "/volumeMounts");
    for (at, mount) in mounts.iter().enumerate() {
        let (name, place) = (text(mount, "/name"), text(mount, "/mountPath"));
        let field = |field: &str| format!("{path}.volumeMounts[{at}].{field}");
        if name.is_empty() {
            errors.push(FieldError::required(field("name"), ""));
        }
        if !list(spec, "/volumes").iter().any(|volume| text(volume, "/name") == name) {
            errors.push(FieldError::not_found(field("name"), &name.into()));
        }
        if place.is_empty() {
            errors.push(FieldError::required(field("mountPath"), ""));
        }
        if mounts[..at].iter().any(|other| text(other, "/mountPath") == place) {
            errors.push(FieldError::invalid(field("mountPath"), &place.into(), "must be unique"));
        }
        // The server does not say which mount it is.
        no_way_up(text(mount, "/subPath"), &format!("{path}.volumeMounts.subPath"), errors);
    }
}

fn no_way_up(path: &str, field: &str, errors: &mut Vec<FieldError>) {
    if path.split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(field, &path.into(), "must not contain '..'"));
    }
}
