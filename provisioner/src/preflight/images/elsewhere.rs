//! Asks registries that are not Google's for an image, as anybody: Docker Hub, ghcr.io, quay and all
//! that speak the distribution specification. A token for nobody is asked for where the registry wants
//! one; no credentials of Google's ever go there. Only reads, and gives up soon.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::Method;
use http::header::{ACCEPT, WWW_AUTHENTICATE};
use reqwest::{Client, Response, Url};
use serde::Deserialize;

use super::reference::Reference;
use super::registry::{ACCEPTED, BuiltFor, Look, Platform, built_for};

/// Longest wait for a connection, and for all that is asked of one image.
const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest manifest or configuration that is read.
const LARGEST: usize = 4 << 20;
const DIGEST: &str = "docker-content-digest";

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

/// A registry, as nobody in particular sees it.
struct Registry<'a> {
    client: Client,
    image: &'a Reference,
    token: Option<String>,
}

/// Looks for an image.
pub(super) async fn look(image: &Reference) -> Look {
    let unknown = |why: String| Look::Unknown(why);
    match tokio::time::timeout(PATIENCE, found(image)).await {
        Ok(look) => look.unwrap_or_else(|error| unknown(format!("{error:#}"))),
        Err(_) => unknown(format!("no answer from {} for {} s", image.host, PATIENCE.as_secs())),
    }
}

async fn found(image: &Reference) -> Result<Look> {
    let mut registry = Registry::of(image)?;
    let answer = registry.head().await?;
    match answer.status().as_u16() {
        200 => {}
        401 | 403 => return Ok(Look::Denied),
        404 => return Ok(Look::Missing { repository: true }),
        status => bail!("{} answers {status}", image.host),
    }
    let told = answer.headers().get(DIGEST).and_then(|digest| digest.to_str().ok());
    let digest = told.filter(|digest| is_digest(digest)).map(str::to_owned);
    let digest = digest.with_context(|| format!("{} tells no digest", image.host))?;
    if let Some(wanted) = image.digest.as_ref().filter(|wanted| **wanted != digest) {
        bail!("{} answers {wanted} with something else, {digest}", image.host);
    }
    // Registries count who reads manifests. Then the digest is known all the same.
    let platforms = registry.platforms(&digest).await.unwrap_or_default();
    Ok(Look::Found { digest, platforms })
}

impl<'a> Registry<'a> {
    fn of(image: &'a Reference) -> Result<Self> {
        let client = Client::builder().connect_timeout(CONNECT).timeout(PATIENCE);
        let client = client.https_only(!is_here(&image.host));
        let client = client.user_agent(concat!("provision/", env!("CARGO_PKG_VERSION"))).build()?;
        Ok(Self { client, image, token: None })
    }

    /// Asks what the name stands for, with a token if the registry wants one.
    async fn head(&mut self) -> Result<Response> {
        let path = format!("manifests/{}", self.image.wanted());
        let answer = self.ask(Method::HEAD, &path).await?;
        if answer.status().as_u16() != 401 {
            return Ok(answer);
        }
        let wanted = answer.headers().get(WWW_AUTHENTICATE).and_then(|wanted| wanted.to_str().ok());
        let Some(url) = wanted.and_then(|wanted| token_url(wanted, &self.image.path)) else {
            return Ok(answer);
        };
        let given = self.client.get(url).send().await?;
        if !given.status().is_success() {
            return Ok(answer);
        }
        let token: Token = serde_json::from_slice(&body(given).await?).context("its token cannot be read")?;
        self.token = Some(token.token);
        self.ask(Method::HEAD, &path).await
    }

    async fn platforms(&self, digest: &str) -> Result<Vec<Platform>> {
        let manifest = body(self.ask(Method::GET, &format!("manifests/{digest}")).await?).await?;
        Ok(match built_for(&manifest)? {
            BuiltFor::These(platforms) => platforms,
            BuiltFor::AsConfigured { digest } => {
                let config = body(self.ask(Method::GET, &format!("blobs/{digest}")).await?).await?;
                vec![serde_json::from_slice(&config)?]
            }
        })
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Response> {
        let Reference { host, path: name, .. } = self.image;
        // The name that people write is not the one that answers.
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        let scheme = if is_here(host) { "http" } else { "https" };
        let ask = self.client.request(method, format!("{scheme}://{host}/v2/{name}/{path}"));
        let ask = ask.header(ACCEPT, ACCEPTED);
        let ask = match &self.token {
            Some(token) => ask.bearer_auth(token),
            None => ask,
        };
        ask.send().await.map_err(|error| anyhow::Error::new(error.without_url())).context("no answer")
    }
}

async fn body(mut answer: Response) -> Result<Vec<u8>> {
    answer.error_for_status_ref()?;
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > LARGEST {
            bail!("an answer of more than {LARGEST} bytes");
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Whether a registry is on this machine: such ones speak without TLS, and are asked even where nothing
/// else is.
pub(super) fn is_here(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name == "127.0.0.1"
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Where a token comes from that reads a repository, as `Bearer realm="…",service="…",scope="…"` says.
fn token_url(wanted: &str, repository: &str) -> Option<Url> {
    let (scheme, fields) = wanted.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut told = BTreeMap::new();
    let mut rest = fields;
    while let Some((name, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"')?;
        told.insert(name.trim_matches([',', ' ']).to_ascii_lowercase(), value);
        rest = after;
    }
    let scope = format!("repository:{repository}:pull");
    let scope = told.get("scope").copied().unwrap_or(&scope);
    let asked = [("service", told.get("service").copied()), ("scope", Some(scope))];
    let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Url::parse_with_params(told.get("realm")?, asked).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_where_the_registry_says() {
        let of = |wanted: &str| token_url(wanted, "library/python").map(String::from);
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/python:pull""#;
        let url = "https://auth.docker.io/token?service=registry.docker.io&scope=repository%3Alibrary%2Fpython%3Apull";
        assert_eq!(of(hub).as_deref(), Some(url));
        let without = "https://quay.io/v2/auth?scope=repository%3Alibrary%2Fpython%3Apull";
        assert_eq!(of(r#"bearer realm="https://quay.io/v2/auth""#).as_deref(), Some(without));
        for wanted in [r#"Basic realm="x""#, "Bearer", r#"Bearer service="x""#, r#"Bearer realm="https://x"#]
        {
            assert_eq!(of(wanted), None, "{wanted}");
        }
    }

    #[test]
    fn only_what_is_a_digest_is_taken_for_one() {
        let right = format!("sha256:{}", "0a".repeat(32));
        assert!(is_digest(&right));
        for wrong in ["", "sha256:", &right[..70], &right.to_uppercase(), &format!("{right}0")] {
            assert!(!is_digest(wrong), "{wrong}");
        }
    }

    #[test]
    fn only_registries_of_this_machine_speak_without_tls() {
        assert!(is_here("localhost:5000") && is_here("127.0.0.1:80") && is_here("localhost"));
        assert!(!is_here("docker.io") && !is_here("localhost.example") && !is_here("127.0.0.1.nip.io:80"));
    }
}
