//! What only the folder's owner may ask of the local cloud: what runs, stop, and what tests
//! steer of its services (`admin.rs` of each). Every call carries a token, which stands in a file that
//! nobody else can read.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::container::Container;
use crate::environment::Endpoints;
use crate::error::ApiError;
use crate::pubsub::{Pubsub, SubscriptionStatus};

/// The header that carries the token.
pub(crate) const TOKEN: &str = "x-provision-token";
/// No bucket can be called `-`, so these paths are nobody else's.
pub(crate) const STATUS: &str = "/-/status";
pub(crate) const SHUTDOWN: &str = "/-/shutdown";

/// What a local cloud runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// `http://127.0.0.1:PORT`, of all Google services.
    pub url: String,
    /// Names of the APIs that it answers.
    pub services: Vec<String>,
    /// Its GKE clusters.
    pub clusters: Vec<ClusterStatus>,
    /// Its Pub/Sub subscriptions.
    pub subscriptions: Vec<SubscriptionStatus>,
}

/// One GKE cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// `projects/P/locations/L/clusters/C`.
    pub name: String,
    /// `RUNNING`, `PROVISIONING` …, as GKE has it.
    pub status: String,
    /// `127.0.0.1:PORT` of its Kubernetes API; none while it does not run.
    pub kubernetes: Option<String>,
    /// Its node pools.
    pub pools: Vec<PoolStatus>,
    /// How many pods are `Pending`, `Running`, `Succeeded` …
    pub pods: BTreeMap<String, u32>,
}

/// One node pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name in the cluster.
    pub name: String,
    /// Nodes that are there.
    pub nodes: u32,
    /// Nodes that take pods.
    pub ready: u32,
}

#[derive(Clone)]
pub(crate) struct Admin(Arc<Inner>);

struct Inner {
    token: String,
    endpoints: Endpoints,
    container: Arc<Container>,
    pubsub: Arc<Pubsub>,
    stop_asked: CancellationToken,
}

impl Admin {
    pub(crate) fn new(
        token: &str,
        endpoints: &Endpoints,
        container: &Arc<Container>,
        pubsub: &Arc<Pubsub>,
        stop_asked: &CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            token: token.into(),
            endpoints: endpoints.clone(),
            container: container.clone(),
            pubsub: pubsub.clone(),
            stop_asked: stop_asked.clone(),
        }))
    }

    /// All of it: what is here, and what the services have of their own.
    pub(crate) fn rest(&self, services: Router) -> Router {
        Router::new()
            .route(STATUS, get(status))
            .route(SHUTDOWN, post(shutdown))
            .with_state(self.clone())
            .merge(services)
            .route_layer(from_fn_with_state(self.clone(), check_token))
    }
}

async fn check_token(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let given = request.headers().get(TOKEN).map_or(&b""[..], http::HeaderValue::as_bytes);
    if !same(given, admin.0.token.as_bytes()) {
        return ApiError::permission_denied("this call needs the token of the local cloud's daemon.json")
            .into_response();
    }
    next.run(request).await
}

/// Takes as long for a near miss as for a wild guess.
fn same(given: &[u8], token: &[u8]) -> bool {
    given.len() == token.len() && given.iter().zip(token).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

async fn status(State(Admin(admin)): State<Admin>) -> Json<Status> {
    let services = ["container", "cloudresourcemanager", "iam", "pubsub", "serviceusage", "storage"];
    Json(Status {
        url: admin.endpoints.url.clone(),
        services: services.map(str::to_owned).into(),
        clusters: admin.container.status(),
        subscriptions: admin.pubsub.status(),
    })
}

async fn shutdown(State(Admin(admin)): State<Admin>) -> Json<Value> {
    admin.stop_asked.cancel();
    Json(json!({}))
}
