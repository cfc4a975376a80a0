//! Whether the body of a write fits its request: the kind of the object, and its fields.

use serde_json::Value;

use super::super::admission;
use super::super::kinds::Kind;
use super::super::object;
use super::body::Parameters;
use super::status::Refusal;

/// A patch leaves an object of its kind.
pub(super) fn is_still(kind: &'static Kind, object: &Value) -> Result<(), String> {
    let (version, found) = (object::text(object, "/apiVersion"), object::text(object, "/kind"));
    if Kind::of(version, found) == Some(kind) {
        return Ok(());
    }
    Err(format!(
        "no kind \"{found}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:110\""
    ))
}

/// The object is of the kind that the request is for.
pub(super) fn check_kind(kind: &'static Kind, object: &Value) -> Result<(), Refusal> {
    let (version, found) = (object::text(object, "/apiVersion"), object::text(object, "/kind"));
    if version.is_empty() && found.is_empty() {
        return Ok(());
    }
    let refuse = |why: String| {
        Err(Refusal::bad_request(format!(
            "{found} in version \"{}\" cannot be handled as a {}: {why}",
            version.rsplit('/').next().unwrap_or_default(),
            kind.kind
        )))
    };
    match Kind::of(version, found) {
        Some(known) if known == kind => Ok(()),
        Some(known) => {
            let group = |kind: &Kind| if kind.group.is_empty() { "core" } else { kind.group };
            refuse(format!(
                "converting (v1.{}) to ({}.{}): unknown conversion",
                known.kind,
                group(kind),
                kind.kind
            ))
        }
        None => refuse(format!(
            "no kind \"{found}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:110\""
        )),
    }
}

/// Refuses or tells fields that the kind does not have, or that stand twice, as `fieldValidation` asks.
pub(super) fn check_fields(
    kind: &'static Kind,
    object: &mut Value,
    twice: &[String],
    parameters: &Parameters,
) -> Result<Vec<String>, String> {
    let unknown = admission::known_fields(kind, object)?;
    let told = twice.iter().map(|path| format!("duplicate field \"{path}\""));
    let told: Vec<String> =
        told.chain(unknown.iter().map(|path| format!("unknown field \"{path}\""))).collect();
    match parameters.get("fieldValidation") {
        _ if told.is_empty() => Ok(vec![]),
        Some("Ignore") => Ok(vec![]),
        Some("Strict") => {
            Err(admission::refused(kind, &format!("strict decoding error: {}", told.join(", "))))
        }
        _ => Ok(told),
    }
}
