//! Answers Prometheus and people who ask whether the worker is well: `GET /metrics`, `GET /healthz`,
//! nothing else. It has a thread of its own, so that it can tell when the others do not move.
//!
//! A pod has no liveness probe that asks here: a worker that is busy or starved of CPU loses nothing
//! but time, and killing it would lose its work. What it holds goes back to the queue by its lease.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Metrics;
use super::exposition::MEDIA_TYPE;

/// Connections at a time; others wait in the backlog.
const CONNECTIONS: usize = 8;
/// Longest that somebody may take to ask.
const ASK: Duration = Duration::from_secs(5);
/// Longest that a connection lasts.
const CONNECTION: Duration = Duration::from_secs(10);
/// Most bytes of a request's head.
const HEAD: usize = 16 << 10;
/// Pause after a connection could not be accepted: the process has too many files open.
const PAUSE: Duration = Duration::from_millis(200);

/// The thread that answers; it ends with this.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers from now on.
    pub fn start(address: SocketAddr, metrics: Metrics) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serve = move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                stopped.run_until_cancelled(accept(listener, metrics)).await;
            });
        };
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(serve)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // It waits for nothing but the cancellation; a panic in it has said its own.
            drop(thread.join());
        }
    }
}

async fn accept(listener: TcpListener, metrics: Metrics) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => _ = connections.spawn(converse(stream, metrics.clone())),
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One question, one answer. Who breaks off or asks nonsense is told nothing more.
async fn converse(stream: TcpStream, metrics: Metrics) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &metrics);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(ASK).max_buf_size(HEAD).keep_alive(false);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    drop(timeout(CONNECTION, connection).await);
}

fn answer(method: &Method, path: &str, metrics: &Metrics) -> Response<Full<Bytes>> {
    let plain = "text/plain; charset=utf-8";
    let (status, kind, text) = match (path, method) {
        ("/metrics" | "/healthz", method) if method != Method::GET => {
            (StatusCode::METHOD_NOT_ALLOWED, plain, "GET only\n".to_owned())
        }
        ("/metrics", _) => (StatusCode::OK, MEDIA_TYPE, metrics.text()),
        ("/healthz", _) => match metrics.0.health.complaints(Instant::now()) {
            well if well.is_empty() => (StatusCode::OK, plain, "ok\n".to_owned()),
            complaints => (StatusCode::SERVICE_UNAVAILABLE, plain, complaints),
        },
        _ => (StatusCode::NOT_FOUND, plain, "there are /metrics and /healthz\n".to_owned()),
    };
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpStream};

    use super::super::{Count, Part};
    use super::*;

    fn server() -> (Server, Metrics) {
        let metrics = Metrics::default();
        let server = Server::start((Ipv4Addr::LOCALHOST, 0).into(), metrics.clone()).expect("a server");
        (server, metrics)
    }

    fn say(server: &Server, text: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        // Who sends more than is read is cut off, and may see that as an error.
        drop(stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(server: &Server, path: &str) -> String {
        say(server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    #[test]
    fn it_tells_the_numbers_and_whether_the_worker_is_well() {
        let (server, metrics) = server();
        metrics.count(Count::Done);
        let answer = get(&server, "/metrics?a=b");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
        assert!(answer.contains("\nprovision_worker_items_done_total 1\n"), "{answer}");

        let answer = get(&server, "/healthz");
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nleases: has not begun\nwork: has not begun\n"), "{answer}");
        metrics.tick(Part::Leases);
        metrics.tick(Part::Work);
        let answer = get(&server, "/healthz");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
    }

    #[test]
    fn what_is_no_question_is_refused_and_nobody_keeps_the_others_waiting() {
        let (server, _) = server();
        for (said, status) in [
            ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405"),
            ("GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
            ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", "400"),
            ("GET / HTTP/3.0\r\n\r\n", "400"),
        ] {
            let answer = say(&server, said);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{said:?}: {answer}");
        }
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(4 * HEAD));
        assert!(!say(&server, &long).contains("200 OK"));

        // All places are taken by those who do not ask: they are shown out, and others are answered.
        let silent: Vec<_> =
            (0..CONNECTIONS).map(|_| TcpStream::connect(server.address()).expect("a connection")).collect();
        assert!(get(&server, "/metrics").starts_with("HTTP/1.1 200 OK"));
        drop(silent);
    }

    #[test]
    fn it_ends_with_its_owner() {
        let (server, _) = server();
        let address = server.address();
        let asking = TcpStream::connect(address).expect("a connection");
        drop(server);
        assert!(TcpStream::connect(address).is_err());
        drop(asking);
    }
}
