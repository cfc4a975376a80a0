//! Refusals, as Kubernetes words them: a `Status` object with a code and a reason.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::super::store::StoreError;
use super::apply::{Conflict, conflict_message};

/// A request that is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

/// One field of an object that is not as it must be.
#[derive(Debug, PartialEq)]
pub(crate) struct FieldError {
    pub(crate) reason: &'static str,
    pub(crate) field: String,
    pub(crate) message: String,
}

impl FieldError {
    /// `field: Required value`.
    pub(crate) fn required(field: impl Into<String>, more: &str) -> Self {
        let message =
            if more.is_empty() { "Required value".into() } else { format!("Required value: {more}") };
        Self { reason: "FieldValueRequired", field: field.into(), message }
    }

    /// `field: Invalid value: …: why`.
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        let message = format!("Invalid value: {value}: {why}");
        Self { reason: "FieldValueInvalid", field: field.into(), message }
    }

    /// `field: Unsupported value: …: supported values: …`.
    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|value| format!("\"{value}\"")).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        Self { reason: "FieldValueNotSupported", field: field.into(), message }
    }

    /// `field: Duplicate value: …`.
    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            field: field.into(),
            message: format!("Duplicate value: {value}"),
        }
    }
}

fn details(kind: &Kind, name: &str) -> Value {
    json!({"name": name, "group": kind.group, "kind": kind.plural})
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: json!({}) }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized".into())
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message.into())
    }

    pub(crate) fn unknown_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource".into())
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.resource());
        Self { details: details(kind, name), ..Self::new(404, "NotFound", message) }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource".into(),
        )
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.resource());
        Self { details: details(kind, name), ..Self::new(409, "AlreadyExists", message) }
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
        Self { details: details(kind, name), ..Self::new(409, "Conflict", message) }
    }

    /// The resource version that the client saw is not the latest.
    pub(crate) fn stale(kind: &Kind, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    pub(crate) fn apply_conflict(conflicts: &[Conflict]) -> Self {
        let cause = |conflict: &Conflict| {
            let message = format!("conflict with {}", conflict.owner);
            json!({"reason": "FieldManagerConflict", "message": message, "field": conflict.field})
        };
        let causes: Vec<Value> = conflicts.iter().map(cause).collect();
        Self { details: json!({"causes": causes}), ..Self::new(409, "Conflict", conflict_message(conflicts)) }
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message.into())
    }

    pub(crate) fn too_large() -> Self {
        Self::new(413, "RequestEntityTooLarge", "the request is larger than 3 MiB".into())
    }

    pub(crate) fn unsupported_media_type(supported: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {supported}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, errors: &[FieldError]) -> Self {
        let told: Vec<String> =
            errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
        let told = if let [one] = told.as_slice() { one.clone() } else { format!("[{}]", told.join(", ")) };
        let qualified =
            if kind.group.is_empty() { kind.kind.into() } else { format!("{}.{}", kind.kind, kind.group) };
        let message = format!("{qualified} \"{name}\" is invalid: {told}");
        let cause = |error: &FieldError| json!({"reason": error.reason, "message": error.message, "field": error.field});
        let causes: Vec<Value> = errors.iter().map(cause).collect();
        let details = json!({"name": name, "group": kind.group, "kind": kind.kind, "causes": causes});
        Self { details, ..Self::new(422, "Invalid", message) }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message.into())
    }

    /// A failed write of the store, in the words for its object.
    pub(crate) fn of_store(error: StoreError, kind: &Kind, name: &str) -> Self {
        match error {
            StoreError::Exists => Self::already_exists(kind, name),
            StoreError::NotFound => Self::not_found(kind, name),
            StoreError::Journal(error) => {
                Self::internal(format!("could not write the change to disk: {error}"))
            }
        }
    }

    /// As the `Status` object.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": self.details, "code": self.code,
        })
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (code, axum::Json(self.to_json())).into_response()
    }
}
