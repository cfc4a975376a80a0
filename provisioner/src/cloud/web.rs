//! Reads from services of Google's that no client here is made for: registries of images, quotas. With
//! the caller's token, at Google or at the local cloud.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use google_cloud_auth::credentials::CacheableResource;
use http::header::{ACCEPT, RETRY_AFTER};
use http::{Extensions, HeaderMap};

use super::Cloud;

/// Longest wait for a connection, and for a whole answer.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(20);
/// Longest answer that is read.
const LARGEST: usize = 4 << 20;
/// Pauses between tries, where a try may help.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];
/// Longest pause that a server is obeyed in.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// What it says.
    pub body: Vec<u8>,
}

impl Cloud {
    /// What `host` has at a path. Where everything is local, the local cloud is asked and told which
    /// host was meant.
    pub(crate) async fn read(&self, host: &str, path: &str, accept: &str) -> Result<Answer> {
        let client = reqwest::Client::builder().connect_timeout(CONNECT).timeout(ANSWER);
        let client = client.user_agent(concat!("provision/", env!("CARGO_PKG_VERSION"))).build()?;
        let url = match &self.target.endpoint {
            Some(endpoint) => format!("{endpoint}{path}"),
            None => format!("https://{host}{path}"),
        };
        let mut pauses = PAUSES.iter();
        loop {
            let mut get = client.get(&url).headers(self.credentials().await?).header(ACCEPT, accept);
            if self.project.local {
                get = get.header("x-forwarded-host", host);
            }
            let pause = match answer(get).await {
                Ok(answer) if !matches!(answer.status, 429 | 500 | 502 | 503 | 504) => return Ok(answer),
                answered => match (pauses.next(), answered) {
                    (Some(pause), Ok(answer)) => asked_for(&answer.headers).unwrap_or(*pause),
                    (Some(pause), Err(_)) => *pause,
                    (None, answered) => return answered.with_context(|| format!("no answer from {host}")),
                },
            };
            tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        }
    }

    /// The caller's token, as headers.
    pub(super) async fn credentials(&self) -> Result<HeaderMap> {
        match self.target.credentials.headers(Extensions::new()).await? {
            CacheableResource::New { data, .. } => Ok(data),
            CacheableResource::NotModified => Ok(HeaderMap::new()),
        }
    }
}

/// Sends a request, and reads what is answered.
pub(super) async fn answer(get: reqwest::RequestBuilder) -> Result<Answer> {
    let mut answered = get.send().await?;
    let (status, headers) = (answered.status().as_u16(), answered.headers().clone());
    let mut body = Vec::new();
    while let Some(piece) = answered.chunk().await? {
        if body.len() + piece.len() > LARGEST {
            bail!("an answer of more than {LARGEST} bytes");
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer { status, headers, body })
}

/// How long the server asked to wait.
fn asked_for(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}
