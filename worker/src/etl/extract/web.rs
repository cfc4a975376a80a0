//! Inputs on the web. A worker runs inside a private network with credentials at hand, so addresses
//! of that network are refused: as literals, after DNS, and on every redirect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::{Fetched, IDLE, Scratch};
use crate::handler::{HandlerError, permanent};

const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 5;
/// Tries of one request before the attempt fails; the pause doubles.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// Longest pause that a server may ask for with `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The web as a worker may see it.
#[derive(Clone, Debug)]
pub(in crate::etl) struct Web {
    client: Client,
    private_allowed: bool,
}

impl Web {
    /// `private_allowed`: with `--local` everything runs on this machine anyway.
    pub(in crate::etl) fn new(private_allowed: bool) -> anyhow::Result<Self> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let policy = redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS {
                return attempt.error("too many redirects");
            }
            match refusal(attempt.url(), private_allowed) {
                Some(refusal) => attempt.error(refusal),
                None => attempt.follow(),
            }
        });
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(IDLE)
            .redirect(policy)
            // A proxy would resolve names out of our sight.
            .no_proxy()
            .dns_resolver(Arc::new(PublicNames { private_allowed }))
            .user_agent(concat!("provision/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot set up the HTTP client")?;
        Ok(Self { client, private_allowed })
    }

    pub(super) async fn fetch(&self, url: Url) -> Result<Fetched, HandlerError> {
        if let Some(refusal) = refusal(&url, self.private_allowed) {
            return Err(permanent!("{url}: {refusal}"));
        }
        let mut answer = self.get(&url).await?;
        let etag = answer.headers().get("etag").and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let mut scratch = Scratch::new()?;
        while let Some(chunk) = answer.chunk().await.with_context(|| format!("cannot read {url}"))? {
            scratch.push(&chunk)?;
        }
        Ok(scratch.finish(url.into(), None, etag))
    }

    async fn get(&self, url: &Url) -> Result<Response, HandlerError> {
        for tried in 1.. {
            let answer = self.client.get(url.clone()).send().await;
            let (error, pause) = match judge(url, answer) {
                Verdict::Good(answer) => return Ok(answer),
                Verdict::Never(error) => return Err(HandlerError::Permanent(error)),
                Verdict::Later(error, pause) => (error, pause),
            };
            if tried == TRIES {
                return Err(HandlerError::Retry(error));
            }
            tokio::time::sleep(pause.unwrap_or(PAUSE * 2_u32.pow(tried)).min(LONGEST_PAUSE)).await;
        }
        Err(HandlerError::Retry(anyhow!("{url} was never asked")))
    }
}

enum Verdict {
    Good(Response),
    Never(anyhow::Error),
    Later(anyhow::Error, Option<Duration>),
}

fn judge(url: &Url, answer: reqwest::Result<Response>) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is_redirect() || error.is_builder() => {
            return Verdict::Never(anyhow!(error).context(format!("cannot read {url}")));
        }
        Err(error) => return Verdict::Later(anyhow!(error).context(format!("cannot read {url}")), None),
    };
    let status = answer.status();
    let error = anyhow!("{url} answered {status}");
    match status {
        _ if status.is_success() => Verdict::Good(answer),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Verdict::Later(error, retry_after(&answer))
        }
        _ if status.is_client_error() => Verdict::Never(error),
        _ => Verdict::Later(error, retry_after(&answer)),
    }
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Why a URL may not be asked, as far as its text tells; names are judged when they are resolved.
fn refusal(url: &Url, private_allowed: bool) -> Option<String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!("`{}` is neither http nor https", url.scheme()));
    }
    let host = url.host_str().unwrap_or_default();
    let literal: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    (!private_allowed && !is_public(literal))
        .then(|| format!("{literal} is not an address of the public internet"))
}

/// Answers only with public addresses; the connection then goes to exactly those.
#[derive(Debug)]
struct PublicNames {
    private_allowed: bool,
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let private_allowed = self.private_allowed;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (good, bad): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.partition(|address| private_allowed || is_public(address.ip()));
            if let (true, Some(bad)) = (good.is_empty(), bad.first()) {
                let name = name.as_str();
                let refusal = format!("`{name}` is {}, not an address of the public internet", bad.ip());
                return Err(refusal.into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is routed on the public internet. What is unknown is refused.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local() // the metadata server among them
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // carriers' NAT
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)); // benchmarks
    !special
}

/// Global unicast is `2000::/3`; the rest is special, and so are the ranges that carry an IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, ..] = address.segments();
    (0x2000..0x4000).contains(&a)
        && a != 0x2002 // 6to4
        && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8)) // Teredo and other protocols, documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> bool {
        refusal(&Url::parse(url).expect("a URL"), false).is_some()
    }

    #[test]
    fn addresses_of_private_networks_are_refused_however_they_are_written() {
        for url in [
            "http://127.0.0.1/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://169.254.169.254/",
            "http://100.64.0.1/",
            "http://[::1]/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "ftp://example.com/",
            "file:///etc/passwd",
        ] {
            assert!(refused(url), "{url}");
        }
        for url in ["https://8.8.8.8/", "https://[2606:4700::1111]/", "https://www.ecb.europa.eu/"] {
            assert!(!refused(url), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_of_a_private_address_is_refused_after_dns() {
        let web = Web::new(false).expect("a client");
        let error = web.fetch(Url::parse("http://localhost:1/x.csv").expect("a URL")).await.err();
        let error = format!("{:#}", error.expect("refused"));
        assert!(error.contains("not an address of the public internet"), "{error}");
    }

    /// Serves one answer a connection, in order, on a real socket; returns the address.
    async fn serve(answers: &[&str]) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut request = [0; 4096];
                drop(stream.read(&mut request).await);
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        format!("http://{address}/in.csv")
    }

    async fn fetch(answers: &[&str]) -> Result<Fetched, HandlerError> {
        let url = serve(answers).await;
        Web::new(true).expect("a client").fetch(Url::parse(&url).expect("a URL")).await
    }

    #[tokio::test]
    async fn an_input_is_read_with_its_identity_after_a_busy_moment() {
        let busy = "HTTP/1.1 503 Busy\r\nretry-after: 0\r\nconnection: close\r\n\r\n";
        let good = "HTTP/1.1 200 OK\r\netag: \"e\"\r\nconnection: close\r\n\r\n123456789";
        let input = fetch(&[busy, good]).await.map(|fetched| fetched.input).expect("an input");
        assert_eq!((input.size, input.etag.as_deref()), (Some(9), Some("\"e\"")));
        assert_eq!(input.crc32c.as_deref(), Some("e3069283"), "the check value of CRC-32C");
    }

    #[tokio::test]
    async fn what_is_not_there_never_will_be() {
        let gone = "HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n";
        assert!(matches!(fetch(&[gone]).await, Err(HandlerError::Permanent(_))));
        let elsewhere = "HTTP/1.1 302 Found\r\nlocation: ftp://x/\r\nconnection: close\r\n\r\n";
        assert!(matches!(fetch(&[elsewhere]).await, Err(HandlerError::Permanent(_))));
    }

    #[tokio::test]
    async fn an_input_that_breaks_off_is_no_input() {
        let short = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n123";
        assert!(matches!(fetch(&[short]).await, Err(HandlerError::Retry(_))));
    }
}
