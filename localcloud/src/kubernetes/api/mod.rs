//! The API server of a cluster: reads a request's path, and hands it to what serves it.

mod apply;
mod body;
mod check;
mod delete;
mod discovery;
mod fields;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod json;
mod kept;
mod log;
pub(crate) mod managed;
mod openapi;
mod patch;
mod pki;
mod protobuf;
mod read;
mod server;
pub(crate) mod status;
mod table;
mod target;
mod watch;
mod write;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{Method, Request, header};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::kubelet::logs::Logs;
use super::store::Store;
use crate::activity::Activity;
use crate::calls::Calls;
use body::Parameters;
pub(crate) use delete::{Cascade, Deletion, delete};
pub(crate) use pki::Certificates;
pub(crate) use server::{Door, listen, serve};
use status::Refusal;
use target::{Place, Target};

/// What the requests of one cluster are answered from.
pub(crate) struct Api {
    /// The cluster's name.
    pub(crate) cluster: String,
    pub(crate) store: Arc<Store>,
    pub(crate) logs: Arc<Logs>,
    /// Ends watches and followed logs.
    pub(crate) closing: CancellationToken,
    /// Notes the requests.
    pub(crate) activity: Activity,
    /// What its calls go through.
    pub(crate) calls: Calls,
}

/// What answers a path that no group has.
fn nothing_here() -> Response {
    (http::StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

/// What answers a request that made nothing of its own.
fn done_with() -> Response {
    let done =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    (http::StatusCode::CREATED, axum::Json(done)).into_response()
}

impl Api {
    /// Answers a request that has proved who it is.
    pub(crate) async fn answer(self: &Arc<Self>, request: Request<axum::body::Body>) -> Response {
        let in_flight = self.activity.begin();
        let answer = self.calls.carry_kubernetes(&self.cluster, request, |request| self.handle(request));
        in_flight.until_the_end_of(answer.await)
    }

    async fn handle(self: &Arc<Self>, request: Request<axum::body::Body>) -> Response {
        let answered = match Place::of(request.uri().path()) {
            Some(Place::Resource(target)) => self.resource(target, request).await,
            Some(place) if request.method() == Method::GET => Self::about_itself(&place, &request),
            Some(_) => Err(Refusal::method_not_allowed()),
            None if target::is_of_known_group(request.uri().path()) => Err(Refusal::unknown_path()),
            None => Ok(nothing_here()),
        };
        answered.unwrap_or_else(IntoResponse::into_response)
    }

    fn about_itself(place: &Place, request: &Request<axum::body::Body>) -> Result<Response, Refusal> {
        match place {
            Place::Health => Ok("ok".into_response()),
            Place::Version => Ok(axum::Json(discovery::version()).into_response()),
            Place::CoreVersions => {
                let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
                Ok(axum::Json(discovery::core_versions(host.unwrap_or_default())).into_response())
            }
            Place::Groups => Ok(axum::Json(discovery::groups()).into_response()),
            Place::Group(group) => discovery::group(group).map(|group| axum::Json(group).into_response()),
            Place::GroupVersion(group) => {
                discovery::resources(group).map(|list| axum::Json(list).into_response())
            }
            Place::OpenApi(None) => Ok(axum::Json(openapi::index()).into_response()),
            Place::OpenApi(Some(group)) => {
                openapi::group(group).map(|group| axum::Json(group).into_response())
            }
            Place::Resource(_) => Err(Refusal::unknown_path()),
        }
    }

    async fn resource(
        self: &Arc<Self>,
        target: Target,
        request: Request<axum::body::Body>,
    ) -> Result<Response, Refusal> {
        let parameters = Parameters::of(&request)?;
        if !parameters.is_acceptable() {
            return Err(Refusal::not_acceptable());
        }
        let method = request.method().clone();
        match (method.as_str(), target.name.as_deref(), target.subresource.as_str()) {
            ("GET", None, _) if parameters.truth("watch") => self.watch(&target, &parameters),
            ("GET", None, _) => self.list(&target, &parameters),
            ("GET", Some(name), "log") => self.log(&target, name, &parameters),
            ("GET", Some(name), "" | "status") => self.get(&target, name, &parameters),
            ("POST", None, _) => {
                let object = body::object(request, target.kind).await?;
                self.create(&target, object, &parameters)
            }
            ("POST", Some(name), "eviction") => {
                let eviction = body::object(request, target.kind).await?.value;
                self.delete(&target, name, eviction.get("deleteOptions"), &parameters)?;
                Ok(done_with())
            }
            ("POST", Some(name), "binding") => {
                let binding = body::object(request, target.kind).await?.value;
                self.bind(&target, name, &binding)?;
                Ok(done_with())
            }
            ("PUT", Some(name), "" | "status" | "finalize") => {
                let object = body::object(request, target.kind).await?;
                self.replace(&target, name, object, &parameters)
            }
            ("PATCH", Some(name), "" | "status") => {
                let patch = body::patch(request).await?;
                self.patch(&target, name, patch, &parameters)
            }
            ("DELETE", Some(name), "") => {
                let options = body::options(request).await?;
                self.delete(&target, name, options.as_ref(), &parameters)
            }
            ("DELETE", None, _) => {
                let options = body::options(request).await?;
                self.delete_all(&target, options.as_ref(), &parameters)
            }
            _ => Err(Refusal::method_not_allowed()),
        }
    }
}
