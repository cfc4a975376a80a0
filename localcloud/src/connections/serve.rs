//! Serves one connection, HTTP/1.1 or HTTP/2, within limits that no client can stretch.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::Place;
use super::patience::patiently;
use crate::calls::Connection;

/// How long a new connection may go without a request.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a client may take to say what it wants next.
const HEADERS: Duration = Duration::from_secs(30);
/// What is read ahead of one connection, and so the longest head of a request.
const AHEAD: usize = 64 << 10;
/// Requests at once over one connection. Google's front ends take 100.
const STREAMS: u32 = 256;
/// What waits for a client that does not read, for each request.
const UNREAD: usize = 128 << 10;
/// What requests that are being answered get to end in when the server stops.
const GRACE: Duration = Duration::from_secs(1);

/// Answers what comes over `stream` until it ends or is cut, the server stops, or its place is needed.
pub(crate) async fn serve<S, A, F>(
    stream: S,
    connection: Connection,
    place: Place,
    stopping: &CancellationToken,
    answer: A,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Body>) -> F,
    F: Future<Output = Response> + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let in_flight = place.activity.begin();
        let mut request = patiently(request);
        request.extensions_mut().insert(connection.clone());
        let answered = answer(request);
        async move { Ok::<_, Infallible>(in_flight.until_the_end_of(answered.await)) }
    });
    let builder = builder();
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = &mut serving => return ended,
        () = connection.is_cut() => return Ok(()),
        () = stopping.cancelled() => {}
        () = place.leave.cancelled() => {}
        () = silence(&place) => {}
    }
    serving.as_mut().graceful_shutdown();
    tokio::time::timeout(GRACE, serving).await.unwrap_or(Ok(()))
}

/// Ends when the client has asked for nothing at all in all the time that it has for that. Until
/// then it is not even known which protocol it speaks, and none of theirs keeps the time.
async fn silence(place: &Place) {
    tokio::time::sleep(SILENCE).await;
    if place.activity.is_used() {
        std::future::pending::<()>().await;
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(AHEAD);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_send_buf_size(UNREAD);
    builder
}
