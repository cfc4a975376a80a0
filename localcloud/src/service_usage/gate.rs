//! Calls of a service that its project has not enabled are refused, in Google's words, over REST and
//! over gRPC.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use tonic::Status;

use super::ServiceUsage;
use crate::calls::{Call, Wire};
use crate::error::{ApiError, ErrorInfo};
use crate::project::{check_id, project_number};

/// How a REST client names the project that pays for a call.
const PAYS: &str = "x-goog-user-project";
const BUCKETS: &str = "projects/_/buckets/";

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
        let call = request.extensions().get::<Call>()?;
        let service = service_of(call.method.name)?;
        let project = self.project_of(call, request)?;
        if check_id(&project).is_err() || self.usage.is_enabled(&project, service) {
            return None;
        }
        let disabled = Disabled { project: project_number(&project), service };
        Some(match request.extensions().get() {
            Some(Wire::Grpc) => Status::from(disabled.error()).into_http(),
            _ => disabled.response(),
        })
    }

    /// The project that a call is about: that of its resource, of what it is made in, or else who pays.
    fn project_of(&self, call: &Call, request: &Request) -> Option<String> {
        let named = |resource: &str| {
            if let Some(bucket) = resource.strip_prefix(BUCKETS) {
                return (self.buckets)(bucket.split('/').next()?);
            }
            let project = resource.strip_prefix("projects/")?.split('/').next()?;
            (!matches!(project, "" | "_" | "-")).then(|| project.to_owned())
        };
        let pays = || Some(request.headers().get(PAYS)?.to_str().ok()?.to_owned());
        named(&call.resource).or_else(|| named(call.parent.as_deref()?)).or_else(pays)
    }
}

/// The service that a method is of; none for what can't be disabled.
fn service_of(method: &str) -> Option<&'static str> {
    // What is enabled must be found out, and changed, whatever is enabled.
    match method.split('.').next()? {
        "artifactregistry" => Some("artifactregistry.googleapis.com"),
        "compute" => Some("compute.googleapis.com"),
        "cloudresourcemanager" => Some("cloudresourcemanager.googleapis.com"),
        "container" => Some("container.googleapis.com"),
        "iam" => Some("iam.googleapis.com"),
        "monitoring" => Some("monitoring.googleapis.com"),
        "pubsub" => Some("pubsub.googleapis.com"),
        "secretmanager" => Some("secretmanager.googleapis.com"),
        "storage" => Some("storage.googleapis.com"),
        _ => None,
    }
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
        "secretmanager.googleapis.com" => "Secret Manager API",
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

    fn error(&self) -> ApiError {
        let metadata = [
            ("service", self.service.to_owned()),
            ("serviceTitle", title(self.service).to_owned()),
            ("consumer", format!("projects/{}", self.project)),
            ("containerInfo", self.project.to_string()),
            ("activationUrl", self.activation()),
        ];
        let info = ErrorInfo::new("SERVICE_DISABLED", "googleapis.com", metadata);
        ApiError::permission_denied(self.message()).with(info)
    }

    /// Over REST Google says more, for people.
    fn response(&self) -> Response {
        let error = self.error();
        let mut body = error.body();
        body["error"]["errors"] = json!([{
            "message": error.message, "domain": "usageLimits", "reason": "accessNotConfigured",
            "extendedHelp": "https://console.developers.google.com",
        }]);
        if let Some(details) = body["error"]["details"].as_array_mut() {
            details.extend([
                json!({
                    "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                    "locale": "en-US", "message": error.message,
                }),
                json!({
                    "@type": "type.googleapis.com/google.rpc.Help",
                    "links": [{"description": "Google developers console API activation", "url": self.activation()}],
                }),
            ]);
        }
        (StatusCode::FORBIDDEN, Json(body)).into_response()
    }
}
