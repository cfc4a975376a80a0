//! How each of Google's services says no. Where its sentence does not name the permission, the
//! error's details do.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::calls::{Call, Wire};
use crate::error::{ApiError, ErrorInfo, older_body};
use crate::iam::Denied;

const INVALID_TOKEN: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"");
const UNAUTHENTICATED: &str = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.";

/// The token is nobody's.
pub(super) fn unauthenticated(wire: Wire, call: &Call) -> Response {
    if wire == Wire::Storage {
        let entry = json!({
            "message": "Invalid Credentials", "domain": "global", "reason": "authError",
            "locationType": "header", "location": "Authorization",
        });
        let body = Json(older_body(401, &entry));
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, INVALID_TOKEN)], body).into_response();
    }
    let service = call.method.name.split('.').next().unwrap_or_default();
    let metadata =
        [("service", format!("{service}.googleapis.com")), ("method", call.method.name.to_owned())];
    let info = ErrorInfo::new("ACCESS_TOKEN_TYPE_UNSUPPORTED", "googleapis.com", metadata);
    let mut response = respond(wire, ApiError::unauthenticated(UNAUTHENTICATED).with(info));
    response.headers_mut().insert(WWW_AUTHENTICATE, INVALID_TOKEN);
    response
}

/// The caller lacks a permission.
pub(super) fn denied(wire: Wire, denied: Denied) -> Response {
    respond(wire, denied.into())
}

fn respond(wire: Wire, error: ApiError) -> Response {
    match wire {
        Wire::Grpc => tonic::Status::from(error).into_http(),
        Wire::Rest | Wire::Kubernetes => error.into_response(),
        Wire::Registry => {
            let code = if error.http() == 401 { "UNAUTHORIZED" } else { "DENIED" };
            let body = json!({"errors": [{"code": code, "message": error.message}]});
            let status = StatusCode::from_u16(error.http()).unwrap_or(StatusCode::FORBIDDEN);
            (status, Json(body)).into_response()
        }
        Wire::Storage => {
            let entry = json!({"message": error.message, "domain": "global", "reason": "forbidden"});
            (StatusCode::FORBIDDEN, Json(older_body(error.http(), &entry))).into_response()
        }
    }
}

/// In the words of the service whose permission it is.
impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let Denied { permission, resource, .. } = &denied;
        let service = permission.split('.').next().unwrap_or_default();
        let message = match service {
            "pubsub" => "User not authorized to perform this action.".to_owned(),
            "storage" => storage(&denied),
            "container" => format!("Required \"{permission}\" permission(s) for \"{resource}\"."),
            "secretmanager" => {
                format!("Permission '{permission}' denied for resource '{resource}' (or it may not exist).")
            }
            "artifactregistry" => {
                let repository = resource.split("/dockerImages/").next().unwrap_or_default();
                format!(
                    "Permission \"{permission}\" denied on resource \"{repository}\" (or it may not exist)"
                )
            }
            "compute" => format!("Required '{permission}' permission for '{resource}'"),
            "serviceusage" => format!("Permission denied: '{permission}' on '{resource}'."),
            "resourcemanager" => format!(
                "Permission '{permission}' denied on resource '//cloudresourcemanager.googleapis.com/{resource}' (or it may not exist)."
            ),
            _ => format!(
                "Permission '{permission}' denied on resource '//{service}.googleapis.com/{resource}' (or it may not exist)."
            ),
        };
        let domain = match service {
            "resourcemanager" => "cloudresourcemanager.googleapis.com".to_owned(),
            service => format!("{service}.googleapis.com"),
        };
        let metadata = [("permission", permission.clone()), ("resource", resource.clone())];
        Self::permission_denied(message).with(ErrorInfo::new("IAM_PERMISSION_DENIED", domain, metadata))
    }
}

/// Cloud Storage's sentence.
fn storage(denied: &Denied) -> String {
    let Denied { permission, resource, caller } = denied;
    let what = match permission.split('.').nth(1) {
        Some("objects") if resource.contains("/objects/") => "object",
        _ if resource.contains("/buckets/") => "bucket",
        _ => "project",
    };
    let of = if what == "project" { "Google Cloud" } else { "Google Cloud Storage" };
    format!(
        "{} does not have {permission} access to the {of} {what}. Permission '{permission}' denied on resource (or it may not exist).",
        caller.as_storage_says()
    )
}
