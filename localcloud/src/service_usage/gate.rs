//! Calls of a service that its project has not enabled are refused, in Google's words, over REST and
//! over gRPC.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use percent_encoding::percent_decode_str;
use prost::Message as _;
use serde_json::json;

use super::ServiceUsage;
use crate::resource_manager::{check_id, project_number};

/// Names the resources of a gRPC call, for proxies.
const ROUTING: &str = "x-goog-request-params";
/// How a REST client names the project that pays for a call.
const PAYS: &str = "x-goog-user-project";

/// Services by how their paths begin, and by a word that stands below a project. The first that fits
/// is meant.
const SERVICES: &[(&str, &str, &str)] = &[
    ("/google.pubsub.v1.", "", "pubsub.googleapis.com"),
    ("/google.storage.v2.", "", "storage.googleapis.com"),
    ("/storage/", "", "storage.googleapis.com"),
    ("/upload/storage/", "", "storage.googleapis.com"),
    ("/resumable/upload/storage/", "", "storage.googleapis.com"),
    ("/download/storage/", "", "storage.googleapis.com"),
    ("/v1/projects/", "/topics", "pubsub.googleapis.com"),
    ("/v1/projects/", "/subscriptions", "pubsub.googleapis.com"),
    ("/v1/projects/", "/locations/", "container.googleapis.com"),
    ("/v1/projects/", "/zones/", "container.googleapis.com"),
    ("/v1/projects/", "/serviceAccounts", "iam.googleapis.com"),
    ("/v1/projects/", "/roles", "iam.googleapis.com"),
    // What is enabled must be found out, and changed, whatever is enabled.
    ("/v1/projects/", "/services", ""),
    ("/v1/projects/", "", "cloudresourcemanager.googleapis.com"),
    ("/v3/projects/", "", "cloudresourcemanager.googleapis.com"),
];

/// Tells which project a bucket belongs to.
pub(crate) type Buckets = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where every call comes by. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate {
    usage: Arc<ServiceUsage>,
    buckets: Buckets,
}

impl Gate {
    pub(crate) fn new(usage: &Arc<ServiceUsage>, buckets: Buckets) -> Self {
        Self { usage: usage.clone(), buckets }
    }

    /// Lets a call through, unless its project has not enabled the service.
    pub(crate) async fn pass(State(gate): State<Self>, request: Request, next: Next) -> Response {
        match gate.refusal(&request) {
            Some(refusal) => refusal,
            None => next.run(request).await,
        }
    }

    fn refusal(&self, request: &Request) -> Option<Response> {
        let service = service_of(request.uri().path())?;
        let project = self.project_of(request)?;
        if check_id(&project).is_err() || self.usage.is_enabled(&project, service) {
            return None;
        }
        let disabled = Disabled { project: project_number(&project), service };
        let is_grpc = request.headers().get(CONTENT_TYPE).is_some_and(|kind| {
            let kind = kind.as_bytes();
            kind.starts_with(b"application/grpc")
        });
        Some(if is_grpc { disabled.status().into_http() } else { disabled.into_response() })
    }

    /// The project that a call is about, from its path, its routing header, or its bucket.
    fn project_of(&self, request: &Request) -> Option<String> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let path = decoded(request.uri().path());
        let query = decoded(request.uri().query().unwrap_or_default());
        let routing = decoded(header(ROUTING).unwrap_or_default());
        let named = |text: &str| {
            after(text, "projects/").filter(|project| !matches!(*project, "_" | "-")).map(str::to_owned)
        };
        let of_bucket =
            |text: &str, marker: &str| after(text, marker).and_then(|bucket| (self.buckets)(bucket));
        named(&path)
            .or_else(|| named(&routing))
            .or_else(|| after(&query, "project=").map(str::to_owned))
            .or_else(|| of_bucket(&path, "storage/v1/b/"))
            .or_else(|| of_bucket(&routing, "projects/_/buckets/"))
            .or_else(|| header(PAYS).map(str::to_owned))
    }
}

/// What stands after a marker, up to the next separator.
fn after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(marker)?;
    let end = rest.find(['/', ':', '&', '?']).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|found| !found.is_empty())
}

/// The service that serves a path; none for what can't be disabled.
fn service_of(path: &str) -> Option<&'static str> {
    let meant = |(start, word, _): &&(&str, &str, &str)| path.starts_with(start) && path.contains(word);
    SERVICES.iter().find(meant).map(|(.., service)| *service).filter(|service| !service.is_empty())
}

/// What people call a service.
pub(super) fn title(service: &str) -> &str {
    match service {
        "artifactregistry.googleapis.com" => "Artifact Registry API",
        "cloudresourcemanager.googleapis.com" => "Cloud Resource Manager API",
        "compute.googleapis.com" => "Compute Engine API",
        "container.googleapis.com" => "Kubernetes Engine API",
        "iam.googleapis.com" => "Identity and Access Management (IAM) API",
        "iamcredentials.googleapis.com" => "IAM Service Account Credentials API",
        "logging.googleapis.com" => "Cloud Logging API",
        "monitoring.googleapis.com" => "Cloud Monitoring API",
        "pubsub.googleapis.com" => "Cloud Pub/Sub API",
        "serviceusage.googleapis.com" => "Service Usage API",
        "storage-api.googleapis.com" => "Google Cloud Storage JSON API",
        "storage.googleapis.com" => "Cloud Storage API",
        other => other,
    }
}

/// A service that a project, by its number, has not enabled.
struct Disabled {
    project: u64,
    service: &'static str,
}

/// `google.rpc.Status`, as gRPC carries it beside its own.
#[derive(prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// `google.rpc.ErrorInfo`.
#[derive(prost::Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

impl Disabled {
    fn activation(&self) -> String {
        let Self { project, service } = self;
        format!("https://console.developers.google.com/apis/api/{service}/overview?project={project}")
    }

    fn message(&self) -> String {
        format!(
            "{} has not been used in project {} before or it is disabled. Enable it by visiting {} then retry. If you \
             enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
            title(self.service),
            self.project,
            self.activation()
        )
    }

    fn metadata(&self) -> HashMap<String, String> {
        let entries = [
            ("service", self.service.to_owned()),
            ("serviceTitle", title(self.service).to_owned()),
            ("consumer", format!("projects/{}", self.project)),
            ("containerInfo", self.project.to_string()),
            ("activationUrl", self.activation()),
        ];
        entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn into_response(self) -> Response {
        let (message, activation) = (self.message(), self.activation());
        let body = json!({"error": {
            "code": 403,
            "message": message,
            "status": "PERMISSION_DENIED",
            "errors": [{
                "message": message, "domain": "usageLimits", "reason": "accessNotConfigured",
                "extendedHelp": "https://console.developers.google.com",
            }],
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "SERVICE_DISABLED", "domain": "googleapis.com", "metadata": self.metadata(),
                },
                {
                    "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                    "locale": "en-US", "message": message,
                },
                {
                    "@type": "type.googleapis.com/google.rpc.Help",
                    "links": [{"description": "Google developers console API activation", "url": activation}],
                },
            ],
        }});
        (StatusCode::FORBIDDEN, Json(body)).into_response()
    }

    fn status(&self) -> tonic::Status {
        let info = ErrorInfo {
            reason: "SERVICE_DISABLED".into(),
            domain: "googleapis.com".into(),
            metadata: self.metadata(),
        };
        let details = prost_types::Any {
            type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(),
            value: info.encode_to_vec(),
        };
        let code = tonic::Code::PermissionDenied;
        let status = RpcStatus { code: code.into(), message: self.message(), details: vec![details] };
        tonic::Status::with_details(code, self.message(), status.encode_to_vec().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_its_service() {
        for (path, service) in [
            ("/v1/projects/fx-dev/topics/t:publish", Some("pubsub.googleapis.com")),
            ("/google.pubsub.v1.Publisher/Publish", Some("pubsub.googleapis.com")),
            ("/storage/v1/b/data/o", Some("storage.googleapis.com")),
            ("/v1/projects/fx-dev/locations/europe-west1-b/clusters", Some("container.googleapis.com")),
            ("/v1/projects/-/serviceAccounts/a@b", Some("iam.googleapis.com")),
            ("/v3/projects/fx-dev:getIamPolicy", Some("cloudresourcemanager.googleapis.com")),
            ("/v1/projects/fx-dev/services/iam.googleapis.com:enable", None),
            ("/-/status", None),
        ] {
            assert_eq!(service_of(path), service, "{path}");
        }
    }
}
