//! Inputs on the web: asked for again while that may help, and followed only where they may lead.

mod guard;
mod revisit;
mod retry;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use contract::{HeaderValue as Header, HttpConfig};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Response, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{sleep, timeout};

use self::guard::{Guard, Refused};
use self::retry::{Failed, judge, pause};
use super::{Fetched, Scratch};
use crate::etl::host::Host;
use crate::handler::HandlerError;

pub use self::revisit::{Revisit, revisit};

/// The web as a worker may see it.
#[derive(Clone, Debug)]
pub(in crate::etl) struct Web {
    client: Client,
    guard: Guard,
    headers: HeaderMap,
    redirects: u32,
    tries: u32,
    timeout: Duration,
}

impl Web {
    /// Everything that is wrong with the settings, or a client.
    pub(in crate::etl) fn new(config: Option<&HttpConfig>, host: &Host) -> Result<Self, Vec<String>> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let config = config.cloned().unwrap_or_default();
        let mut wrong = Vec::new();
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            match header(name, value, host) {
                Ok((name, value)) => drop(headers.insert(name, value)),
                Err(message) => wrong.push(message),
            }
        }
        if !(1..=20).contains(&config.tries) {
            wrong.push("`tries` is from 1 to 20".to_owned());
        }
        if config.redirects > 20 {
            wrong.push("`redirects` is 20 at most".to_owned());
        }
        let private_allowed = config.allow_private || host.local_root.is_some();
        let guard = Guard { private_allowed, hosts: config.allowed_hosts };
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(config.connect_timeout))
            .read_timeout(Duration::from_secs(config.idle_timeout))
            // Followed here, where each hop is judged.
            .redirect(redirect::Policy::none())
            // A proxy would resolve names out of our sight.
            .no_proxy()
            .dns_resolver(Arc::new(guard.clone()))
            .user_agent(concat!("provision/", env!("CARGO_PKG_VERSION")))
            .build();
        let client =
            client.map_err(|error| wrong.push(format!("cannot set up the HTTP client: {error}"))).ok();
        let (redirects, tries) = (config.redirects, config.tries);
        let timeout = Duration::from_secs(config.timeout);
        match client {
            Some(client) if wrong.is_empty() => {
                Ok(Self { client, guard, headers, redirects, tries, timeout })
            }
            _ => Err(wrong),
        }
    }

    pub(super) async fn fetch(&self, url: Url, largest: u64) -> Result<Fetched, HandlerError> {
        let mut tried = 1;
        loop {
            let limit = self.timeout.as_secs();
            let fetched = timeout(self.timeout, self.try_to_fetch(&url, largest)).await;
            let (error, wished) = match fetched {
                Ok(Ok(fetched)) => return fetched,
                Ok(Err(Failed::Never(error))) => return Err(HandlerError::Permanent(error)),
                Ok(Err(Failed::Later(error, wished))) => (error, wished),
                Err(_) => (anyhow!("{url} took longer than {limit} s"), None),
            };
            let Some(pause) = pause(tried, wished).filter(|_| tried < self.tries) else {
                return Err(HandlerError::Retry(error));
            };
            tracing::debug!("asking again in {pause:?}: {error:#}");
            sleep(pause).await;
            tried += 1;
        }
    }

    /// The outer error is the web's, the inner one this machine's.
    async fn try_to_fetch(&self, url: &Url, largest: u64) -> Result<Result<Fetched, HandlerError>, Failed> {
        let mut answer = self.follow(url).await?;
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (etag, last_modified) = (text("etag"), text("last-modified"));
        let mut scratch = match Scratch::new(largest) {
            Ok(scratch) => scratch,
            Err(error) => return Ok(Err(error.into())),
        };
        if let Err(error) = scratch.admit(answer.content_length().unwrap_or_default()) {
            return Ok(Err(error));
        }
        let broken =
            |error| Failed::Later(anyhow::Error::new(error).context(format!("{url} broke off")), None);
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if let Err(error) = scratch.push(&chunk) {
                return Ok(Err(error));
            }
        }
        let mut fetched = scratch.finish(url.to_string());
        (fetched.input.etag, fetched.input.last_modified) = (etag, last_modified);
        Ok(Ok(fetched))
    }

    /// The answer at the end of all redirects, if it is a success.
    async fn follow(&self, url: &Url) -> Result<Response, Failed> {
        let answer = self.reach(url, &HeaderMap::new()).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let error = anyhow!("{} answered {status}", answer.url());
        Err(judge(&answer, error))
    }

    /// The answer at the end of all redirects, whatever it says. `also` are headers beside the usual.
    async fn reach(&self, url: &Url, also: &HeaderMap) -> Result<Response, Failed> {
        let mut at = url.clone();
        for _ in 0..=self.redirects {
            self.guard.admit(&at).map_err(|refused| Failed::Never(anyhow!("{at}: {refused}")))?;
            // Another host has no business with what is meant for the first.
            let headers = if at.origin() == url.origin() { self.headers.clone() } else { HeaderMap::new() };
            let answer = self.client.get(at.clone()).headers(headers).headers(also.clone()).send().await;
            let answer = answer.map_err(|error| unreached(&at, error))?;
            let location = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection());
            let Some(location) = location else { return Ok(answer) };
            let next = location.to_str().ok().and_then(|location| at.join(location).ok());
            at = next.ok_or_else(|| Failed::Never(anyhow!("{at} leads to nowhere")))?;
        }
        Err(Failed::Never(anyhow!("{url} leads through more than {} redirects", self.redirects)))
    }
}

/// A refused address stays refused; all else may pass.
fn unreached(url: &Url, error: reqwest::Error) -> Failed {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Failed::Never(anyhow!("{url}: {refused}"));
        }
        cause = error.source();
    }
    Failed::Later(anyhow::Error::new(error).context(format!("cannot read {url}")), None)
}

fn header(name: &str, value: &Header, host: &Host) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = name.parse().map_err(|_| format!("`{name}` is not the name of a header"))?;
    let text: SecretString = match value {
        Header::Text(text) => text.as_str().into(),
        Header::Secret(secret) => host.prefixed(secret)?,
    };
    // The value itself is not told: it may be a secret.
    let mut value = HeaderValue::from_str(text.expose_secret())
        .map_err(|_| format!("the value of `{name}` is not one line of text"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

#[cfg(test)]
mod tests;
