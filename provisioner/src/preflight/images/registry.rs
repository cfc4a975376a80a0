//! Asks a registry of Google's for an image: whether it is there, by which digest, and for which
//! machines it was built. Only reads.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::reference::Reference;
use crate::cloud::{Answer, Cloud};

/// Lists of images, one for each platform, and single images: as OCI and as Docker call them.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// What became of a look for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is there.
    Found { digest: String, platforms: Vec<Platform> },
    /// There is no such image; `repository` says whether there is at least its repository.
    Missing { repository: bool },
    /// The caller may not look, or there is no such repository: the registry says the same of both.
    Denied,
    /// It cannot be told.
    Unknown(String),
}

/// The machines that an image was built for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub architecture: String,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

#[derive(Deserialize)]
struct Manifest {
    /// Of a list.
    #[serde(default)]
    manifests: Vec<Listed>,
    /// Of a single image.
    config: Option<Part>,
}

#[derive(Deserialize)]
struct Listed {
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Part {
    digest: String,
}

/// Looks for an image.
pub(super) async fn look(cloud: &Cloud, image: &Reference) -> Look {
    found(cloud, image).await.unwrap_or_else(|error| Look::Unknown(format!("{error:#}")))
}

async fn found(cloud: &Cloud, image: &Reference) -> Result<Look> {
    let path = format!("/v2/{}/manifests/{}", image.path, image.wanted());
    let answer = cloud.read(&image.host, &path, ACCEPTED).await?;
    match answer.status {
        200 => {}
        401 | 403 => return Ok(Look::Denied),
        404 => return Ok(Look::Missing { repository: code(&answer).as_deref() != Some("NAME_UNKNOWN") }),
        status => bail!("{} answers {status}", image.host),
    }
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&answer.body)));
    if let Some(wanted) = image.digest.as_ref().filter(|wanted| **wanted != digest) {
        bail!("{} answers {wanted} with something else, {digest}", image.host);
    }
    let platforms = match built_for(&answer.body).with_context(|| {
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        format!("its manifest cannot be read ({})", kind.unwrap_or("of no kind"))
    })? {
        BuiltFor::These(platforms) => platforms,
        BuiltFor::AsConfigured { digest } => vec![of_config(cloud, image, &digest).await?],
    };
    Ok(Look::Found { digest, platforms })
}

/// What a manifest says of platforms.
pub(super) enum BuiltFor {
    These(Vec<Platform>),
    /// Of a single image its configuration tells.
    AsConfigured {
        digest: String,
    },
}

/// The machines that an image was built for, as its manifest tells.
pub(super) fn built_for(manifest: &[u8]) -> Result<BuiltFor> {
    let manifest: Manifest = serde_json::from_slice(manifest)?;
    if let Some(config) = manifest.config {
        return Ok(BuiltFor::AsConfigured { digest: config.digest });
    }
    let listed = manifest.manifests.into_iter().filter_map(|listed| listed.platform);
    // What attests how an image was built stands in the list, too.
    Ok(BuiltFor::These(listed.filter(|platform| platform.architecture != "unknown").collect()))
}

/// The platform of a single image stands in its configuration.
async fn of_config(cloud: &Cloud, image: &Reference, digest: &str) -> Result<Platform> {
    let path = format!("/v2/{}/blobs/{digest}", image.path);
    let answer = cloud.read(&image.host, &path, "*/*").await?;
    if answer.status != 200 {
        bail!("{} answers {} to its configuration", image.host, answer.status);
    }
    serde_json::from_slice(&answer.body).context("its configuration cannot be read")
}

/// The first error's code, in the words of the specification.
fn code(answer: &Answer) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    Some(body["errors"][0]["code"].as_str()?.to_owned())
}
