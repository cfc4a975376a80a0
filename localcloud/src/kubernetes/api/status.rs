//! Refusals, as Kubernetes words them: a `Status` object with a code and a reason.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::super::object::entries;
use super::super::store::StoreError;
use super::apply::{Conflict, conflict_message};

/// A request that is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    details: Option<Value>,
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

    /// `field: Too long: …`.
    pub(crate) fn too_long(field: impl Into<String>, most: usize) -> Self {
        let message = format!("Too long: may not be more than {most} bytes");
        Self { reason: "FieldValueTooLong", field: field.into(), message }
    }

    /// `field: Forbidden: …`.
    pub(crate) fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {why}") }
    }

    /// `field: Not found: …`.
    pub(crate) fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self { reason: "FieldValueNotFound", field: field.into(), message: format!("Not found: {value}") }
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
    without_empty(json!({"name": name, "group": kind.group, "kind": kind.plural}))
}

fn without_empty(mut details: Value) -> Value {
    entries(&mut details).retain(|_, value| *value != "");
    details
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: None }
    }

    /// Details that name nothing, as some refusals have them.
    fn about_nothing(code: u16, reason: &'static str, message: &str) -> Self {
        Self { details: Some(json!({})), ..Self::new(code, reason, message.into()) }
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
        Self::about_nothing(404, "NotFound", "the server could not find the requested resource")
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.resource());
        Self { details: Some(details(kind, name)), ..Self::new(404, "NotFound", message) }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::about_nothing(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.resource());
        Self { details: Some(details(kind, name)), ..Self::new(409, "AlreadyExists", message) }
    }

    /// The name is not free yet.
    pub(crate) fn still_being_deleted(kind: &Kind, name: &str) -> Self {
        let taken = Self::already_exists(kind, name);
        Self { message: format!("object is being deleted: {}", taken.message), ..taken }
    }

    /// A namespace that no cluster is without.
    pub(crate) fn lasting_namespace(name: &str) -> Self {
        let message = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
        Self { details: Some(json!({"name": name, "kind": "namespaces"})), ..Self::forbidden(message) }
    }

    /// A namespace that is being deleted takes nothing new.
    pub(crate) fn namespace_terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let why = format!("namespace {namespace} is being terminated");
        let message = format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
            kind.resource()
        );
        let cause = json!({"reason": "NamespaceTerminating", "message": why, "field": "metadata.namespace"});
        let details =
            without_empty(json!({"name": name, "group": kind.group, "kind": kind.plural, "causes": [cause]}));
        Self { details: Some(details), ..Self::forbidden(message) }
    }

    /// A deletion that names another object than the one that is there.
    pub(crate) fn failed_precondition(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.kind);
        let details = without_empty(json!({"name": name, "group": kind.group, "kind": kind.kind}));
        Self { details: Some(details), ..Self::new(409, "Conflict", message) }
    }

    /// A pod that has a node already.
    pub(crate) fn already_bound(name: &str, node: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on pods/binding \"{name}\": pod {name} is already assigned to node \"{node}\""
        );
        Self {
            details: Some(json!({"name": name, "kind": "pods/binding"})),
            ..Self::new(409, "Conflict", message)
        }
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
        Self { details: Some(details(kind, name)), ..Self::new(409, "Conflict", message) }
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
        Self {
            details: Some(json!({"causes": causes})),
            ..Self::new(409, "Conflict", conflict_message(conflicts))
        }
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message.into())
    }

    /// A revision that is not there yet, and does not come.
    pub(crate) fn too_new(wanted: u64, revision: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {wanted}, current: {revision}");
        let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        let details = json!({"causes": [cause], "retryAfterSeconds": 1});
        Self { details: Some(details), ..Self::new(504, "Timeout", message) }
    }

    pub(crate) fn too_large() -> Self {
        Self::new(413, "RequestEntityTooLarge", "the request is larger than 3 MiB".into())
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let message = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf";
        Self::new(415, "UnsupportedMediaType", message.into())
    }

    pub(crate) fn unsupported_patch() -> Self {
        Self::about_nothing(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    }

    pub(crate) fn not_acceptable() -> Self {
        let message = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf";
        Self::about_nothing(406, "NotAcceptable", message)
    }

    /// A JSON patch that cannot be done.
    pub(crate) fn impossible_patch() -> Self {
        Self::about_nothing(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, errors: &[FieldError]) -> Self {
        Self::invalid_fields(kind.kind, kind.group, name, errors)
    }

    /// The parameters of a request, which are an object of their own (`CreateOptions`, `PatchOptions` …).
    pub(crate) fn invalid_options(kind: &str, error: FieldError) -> Self {
        Self::invalid_fields(kind, "meta.k8s.io", "", &[error])
    }

    /// What a patch makes is not an object of its kind.
    pub(crate) fn invalid_patch(value: &Value, why: &str) -> Self {
        Self::invalid_fields("", "", "", &[FieldError::invalid("patch", value, why)])
    }

    fn invalid_fields(kind: &str, group: &str, name: &str, errors: &[FieldError]) -> Self {
        let mut told: Vec<String> = Vec::new();
        for error in errors {
            let text = format!("{}: {}", error.field, error.message);
            if !told.contains(&text) {
                told.push(text);
            }
        }
        let told = if let [one] = told.as_slice() { one.clone() } else { format!("[{}]", told.join(", ")) };
        let qualified = if group.is_empty() { kind.into() } else { format!("{kind}.{group}") };
        let message = format!("{qualified} \"{name}\" is invalid: {told}");
        let cause = |error: &FieldError| json!({"reason": error.reason, "message": error.message, "field": error.field});
        let causes: Vec<Value> = errors.iter().map(cause).collect();
        let details = without_empty(json!({"name": name, "group": group, "kind": kind, "causes": causes}));
        Self { details: Some(details), ..Self::new(422, "Invalid", message) }
    }

    /// A failure that Kubernetes has no reason for.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self::new(500, "", message.into())
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
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        without_empty(status)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (code, axum::Json(self.to_json())).into_response()
    }
}
