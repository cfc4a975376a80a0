//! What secrets and config maps may hold.

use serde_json::Value;

use super::super::api::status::FieldError;
use super::super::object::{annotation, text};
use super::names;

/// Bytes that a secret or config map may hold.
const MOST_DATA: usize = 1 << 20;

/// What the types of secrets must hold.
const SECRETS: [(&str, &[&str]); 2] = [
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
];

/// Checks what a secret or config map holds.
pub(super) fn data(object: &Value, errors: &mut Vec<FieldError>) {
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
    if kind == "kubernetes.io/service-account-token" && annotation(object, account).is_none() {
        errors.push(FieldError::required(format!("metadata.annotations[{account}]"), ""));
    }
}
