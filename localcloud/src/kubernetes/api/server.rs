//! The TLS port of a cluster: accepts connections, asks who is there, and lets nobody else in.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Request, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::Api;
use super::status::Refusal;
use crate::calls::Connection;
use crate::clock::Clock;

const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);
/// What is left of a connection after the cluster has stopped.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 1024;

/// Listens on the loopback, on the port of last time if it is free.
pub(crate) async fn listen(port: Option<u16>) -> io::Result<TcpListener> {
    if let Some(port) = port
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// Serves until the API is closing, and then until its connections have ended.
pub(crate) async fn serve(api: Arc<Api>, listener: TcpListener, tls: Arc<ServerConfig>) {
    let acceptor = TlsAcceptor::from(tls);
    let connections = TaskTracker::new();
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    let clock = api.store.clock().clone();
    loop {
        let (stream, place) = tokio::select! {
            () = api.closing.cancelled() => break,
            accepted = async { (listener.accept().await, places.clone().acquire_owned().await) } => match accepted {
                (Ok((stream, _)), Ok(place)) => (stream, place),
                (Err(error), _) => {
                    // Out of file descriptors, mostly: others will end.
                    tracing::warn!(%error, "a connection could not be accepted");
                    clock.sleep(Duration::from_millis(50)).await;
                    continue;
                }
                (_, Err(_)) => break,
            },
        };
        let (api, acceptor) = (api.clone(), acceptor.clone());
        connections.spawn(async move {
            if let Err(error) = connection(api, acceptor, stream).await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
}

async fn connection(api: Arc<Api>, acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let clock = api.store.clock().clone();
    let caller = Connection::of(&stream);
    let stream = within(&clock, LONGEST_HANDSHAKE, acceptor.accept(stream)).await??;
    let is_known = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
    let closing = api.closing.clone();
    let calling = caller.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let api = api.clone();
        request.extensions_mut().insert(calling.clone());
        async move { Ok::<_, Infallible>(answer(&api, is_known, request.map(Body::new)).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = caller.is_cut() => return Ok(()),
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            within(&clock, LAST_WORDS, connection).await?
        }
    };
    ended.map_err(io::Error::other)
}

async fn within<T>(clock: &Clock, time: Duration, work: impl Future<Output = T>) -> io::Result<T> {
    tokio::select! {
        done = work => Ok(done),
        () = clock.sleep(time) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn answer(api: &Arc<Api>, is_known: bool, request: Request<Body>) -> Response {
    if !is_loopback(&request) {
        return Refusal::forbidden("the Host of the request is not this machine's loopback").into_response();
    }
    if !is_known {
        return Refusal::unauthorized().into_response();
    }
    api.answer(request).await
}

/// A browser that was led here by a foreign name says so in `Host`.
fn is_loopback<B>(request: &Request<B>) -> bool {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = request.uri().authority().map(http::uri::Authority::as_str).or(header) else {
        return false;
    };
    let name = host.parse::<SocketAddr>().map(|address| address.ip().to_string());
    let name = name.unwrap_or_else(|_| host.split(':').next().unwrap_or_default().to_owned());
    matches!(name.as_str(), "127.0.0.1" | "localhost" | "::1")
}
