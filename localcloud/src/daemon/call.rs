//! One admin call to a daemon, over HTTP on the loopback.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use super::state::DaemonState;
use crate::admin::TOKEN;

/// A daemon that takes longer is stuck.
const LIMIT: Duration = Duration::from_secs(30);
/// Longest answer.
const ANSWER: usize = 64 << 20;

pub(super) async fn get<T: DeserializeOwned>(daemon: &DaemonState, path: &str) -> anyhow::Result<T> {
    call(daemon, Method::GET, path, Bytes::new()).await
}

pub(super) async fn post<T: DeserializeOwned>(
    daemon: &DaemonState,
    path: &str,
    body: &impl Serialize,
) -> anyhow::Result<T> {
    call(daemon, Method::POST, path, serde_json::to_vec(body)?.into()).await
}

async fn call<T: DeserializeOwned>(
    daemon: &DaemonState,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<T> {
    let answer = tokio::time::timeout(LIMIT, exchange(daemon, method, path, body)).await;
    let (status, bytes) = answer
        .with_context(|| format!("the local cloud at {} does not answer", daemon.url()))?
        .with_context(|| format!("can't talk to the local cloud at {}", daemon.url()))?;
    if !status.is_success() {
        let error: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        bail!("{}", error["error"]["message"].as_str().unwrap_or(status.as_str()));
    }
    serde_json::from_slice(&bytes).context("the local cloud answered what this build can't read")
}

async fn exchange(
    daemon: &DaemonState,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<(http::StatusCode, Bytes)> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, daemon.port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, format!("127.0.0.1:{}", daemon.port))
        .header(TOKEN, &daemon.token)
        .body(Full::new(body))?;
    let answer = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let bytes =
            Limited::new(answer.into_body(), ANSWER).collect().await.map_err(anyhow::Error::from_boxed)?;
        Ok((status, bytes.to_bytes()))
    };
    // The connection lives as long as its one exchange, in this task.
    let (answer, _) = futures::future::join(answer, connection).await;
    answer
}
