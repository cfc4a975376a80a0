//! The one port: REST over HTTP/1.1 and gRPC over HTTP/2, on the loopback, behind the guard.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{self, Access};
use crate::activity::{self, Activity};
use crate::calls::{self, Calls, Connection, is_grpc};
use crate::connections::{Connections, Place, serve, turn_away};
use crate::error::ApiError;
use crate::guard::guard;
use crate::rest::{self, LARGEST_BODY};
use crate::storage::with_batch;

/// Half of the files that the process may open are connections to this port.
const SHARE: u64 = 2;

/// A listener and its connections.
pub(crate) struct Server {
    stopping: CancellationToken,
    connections: TaskTracker,
}

/// The preferred port if it is free; any other if it is only preferred.
pub(crate) async fn bind(required: u16, preferred: Option<u16>) -> io::Result<TcpListener> {
    if let (0, Some(preferred)) = (required, preferred)
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, preferred)).await
    {
        return Ok(listener);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, required)).await
}

/// Everything that comes in, with its last resorts and its limits around it. Uploads of objects are
/// streams, and lift the limit of bodies for themselves.
pub(crate) fn frame(services: Router, port: u16, activity: Activity, calls: Calls, access: Access) -> Router {
    let services = services
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(from_fn(rest::refuse_too_long))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(access, access::authorize))
        .layer(from_fn_with_state(calls, calls::carry));
    // Each call of a batch is a call like any other.
    with_batch(services)
        .layer(from_fn_with_state(activity, activity::note))
        .layer(from_fn_with_state(port, guard))
}

impl Server {
    pub(crate) fn start(listener: TcpListener, router: Router) -> Self {
        let server = Self { stopping: CancellationToken::new(), connections: TaskTracker::new() };
        let places = Connections::with_share_of_files(SHARE);
        let (stopping, connections) = (server.stopping.clone(), server.connections.clone());
        server.connections.spawn(async move {
            while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
                match accepted {
                    Ok((stream, _)) => match places.take() {
                        Some(place) => {
                            connections.spawn(connection(stream, place, router.clone(), stopping.clone()));
                        }
                        None => turn_away(stream).await,
                    },
                    Err(error) => {
                        // Out of file descriptors, most likely: give connections time to end.
                        tracing::warn!(%error, "a connection can't be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
        server
    }

    /// Stops listening, lets answers end for a moment, and drops the rest.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

async fn connection(stream: TcpStream, place: Place, router: Router, stopping: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let connection = Connection::of(&stream);
    let router = TowerToHyperService::new(router);
    let answer = |request| {
        let answered = router.call(request);
        async move { answered.await.unwrap_or_else(|never| match never {}) }
    };
    if let Err(error) = serve(stream, connection, place, &stopping, answer).await {
        tracing::debug!(%error, "a connection broke");
    }
}

/// What nothing here answers. Saying "not found" of an API that is only not supported would make
/// clients believe that a resource is gone.
pub(crate) async fn unknown(request: Request) -> Response {
    let path = request.uri().path();
    if is_grpc(request.headers()) {
        return unsupported_method(path);
    }
    let what = format!("{} {path}", request.method());
    let of_an_api = ["/v1/", "/v1beta1/", "/v2/", "/v3/", "/storage/", "/upload/", "/batch/"];
    if of_an_api.iter().any(|api| path.starts_with(api)) {
        return ApiError::unsupported(what).into_response();
    }
    ApiError::not_found(format!("{what}: there is nothing here")).into_response()
}

fn unsupported_method(path: &str) -> Response {
    let method = path.trim_start_matches('/');
    tonic::Status::from(ApiError::unsupported(method)).into_http()
}
