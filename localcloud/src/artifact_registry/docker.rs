//! The API that docker and others speak to a registry: manifests by tag and digest, blobs, and their
//! uploads, in one piece or in several. An image's name is one segment below its repository.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use http::header::{CONTENT_TYPE, LOCATION, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::error::Refusal;
use super::{ArtifactRegistry, Image, is_digest, is_tag};

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");
const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("docker-distribution-api-version"), HeaderValue::from_static("registry/2.0"));
/// Names the host that the caller asked before somebody passed the request on.
const FORWARDED_HOST: &str = "x-forwarded-host";
/// Longest manifest, as Artifact Registry takes them.
const LONGEST_MANIFEST: usize = 4 << 20;

type Served = State<Arc<ArtifactRegistry>>;
type Answer = Result<Response, Refusal>;
/// Project, repository, image.
type At = Path<(String, String, String)>;
/// The same, and what is meant of it.
type Of = Path<(String, String, String, String)>;

pub(super) fn routes() -> Router<Arc<ArtifactRegistry>> {
    Router::new()
        .route("/v2/", get(version))
        .route("/v2/{project}/{repository}/{image}/tags/list", get(tags))
        .route("/v2/{project}/{repository}/{image}/manifests/{reference}", get(manifest).put(put_manifest))
        .route("/v2/{project}/{repository}/{image}/blobs/{digest}", get(blob))
        .route("/v2/{project}/{repository}/{image}/blobs/uploads/", post(begin))
        .route("/v2/{project}/{repository}/{image}/blobs/uploads/{upload}", patch(append).put(end))
}

async fn version() -> impl IntoResponse {
    ([VERSION], axum::Json(json!({})))
}

/// The image that is meant; its repository must be there.
fn image(
    registry: &ArtifactRegistry,
    headers: &HeaderMap,
    (project, repository, image): (&str, &str, &str),
) -> Result<Image, Refusal> {
    let host = headers.get(FORWARDED_HOST).and_then(|host| host.to_str().ok());
    let location = host.and_then(|host| host.strip_suffix("-docker.pkg.dev"));
    registry.image(location, project, repository, image).ok_or_else(|| Refusal::no_repository(repository))
}

async fn tags(
    State(registry): Served,
    headers: HeaderMap,
    Path((project, repository, name)): At,
) -> Result<axum::Json<Value>, Refusal> {
    let image = image(&registry, &headers, (&project, &repository, &name))?;
    Ok(axum::Json(json!({ "name": format!("{project}/{repository}/{name}"), "tags": registry.tags(&image) })))
}

async fn manifest(
    State(registry): Served,
    headers: HeaderMap,
    Path((project, repository, name, reference)): Of,
) -> Answer {
    let image = image(&registry, &headers, (&project, &repository, &name))?;
    let found = registry.manifest(&image, &reference)?;
    let (digest, media_type, content) = found.ok_or_else(|| Refusal::no_manifest(&reference))?;
    Ok(([(DIGEST, digest), (CONTENT_TYPE, media_type)], content).into_response())
}

async fn put_manifest(
    State(registry): Served,
    headers: HeaderMap,
    Path((project, repository, name, reference)): Of,
    content: Bytes,
) -> Answer {
    let image = image(&registry, &headers, (&project, &repository, &name))?;
    if !is_digest(&reference) && !is_tag(&reference) {
        return Err(Refusal::invalid(
            "MANIFEST_INVALID",
            format!("{reference} is neither a tag nor a digest"),
        ));
    }
    if content.len() > LONGEST_MANIFEST {
        return Err(Refusal::invalid("MANIFEST_INVALID", "the manifest is longer than 4 MiB"));
    }
    let read: Value = serde_json::from_slice(&content)
        .map_err(|error| Refusal::invalid("MANIFEST_INVALID", error.to_string()))?;
    if is_digest(&reference) && reference != digest_of(&content) {
        return Err(Refusal::invalid("DIGEST_INVALID", "the content has another digest"));
    }
    for digest in parts(&read) {
        if registry.blob(digest)?.is_none() {
            return Err(Refusal::invalid("MANIFEST_BLOB_UNKNOWN", format!("{digest} was not pushed")));
        }
    }
    let media_type = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let media_type =
        media_type.or(read["mediaType"].as_str()).unwrap_or("application/vnd.oci.image.manifest.v1+json");
    let digest = registry.put_manifest(&image, &reference, media_type, &content)?;
    let location = format!("/v2/{project}/{repository}/{name}/manifests/{digest}");
    Ok((StatusCode::CREATED, [(LOCATION, location), (DIGEST, digest)]).into_response())
}

/// What a manifest is made of: its configuration and layers, or, of an index, its manifests.
fn parts(manifest: &Value) -> impl Iterator<Item = &str> {
    let lists = ["layers", "manifests"].into_iter().filter_map(|list| manifest[list].as_array()).flatten();
    [&manifest["config"]].into_iter().chain(lists).filter_map(|part| part["digest"].as_str())
}

async fn blob(
    State(registry): Served,
    headers: HeaderMap,
    Path((project, repository, name, digest)): Of,
) -> Answer {
    image(&registry, &headers, (&project, &repository, &name))?;
    let content = registry.blob(&digest)?.ok_or_else(|| Refusal::no_blob(&digest))?;
    let kind = "application/octet-stream".to_owned();
    Ok(([(DIGEST, digest), (CONTENT_TYPE, kind)], content).into_response())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    digest: String,
}

/// With a digest, the blob itself comes along.
async fn begin(
    State(registry): Served,
    headers: HeaderMap,
    Path((project, repository, name)): At,
    Query(asked): Query<Asked>,
    content: Bytes,
) -> Answer {
    image(&registry, &headers, (&project, &repository, &name))?;
    let path = format!("/v2/{project}/{repository}/{name}/blobs");
    if !asked.digest.is_empty() {
        return stored(&registry, &path, &asked.digest, &content);
    }
    let too_many =
        || Refusal(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "too many uploads at once".to_owned());
    let id = registry.begin()?.ok_or_else(too_many)?;
    let location = format!("{path}/uploads/{id}");
    let range = "0-0".to_owned();
    Ok((StatusCode::ACCEPTED, [(LOCATION, location), (UPLOAD, id), (RANGE, range)]).into_response())
}

async fn append(
    State(registry): Served,
    Path((project, repository, name, id)): Of,
    content: Bytes,
) -> Answer {
    let length = registry.append(&id, &content)?.ok_or_else(Refusal::no_upload)?;
    let location = format!("/v2/{project}/{repository}/{name}/blobs/uploads/{id}");
    let range = format!("0-{}", length.saturating_sub(1));
    Ok((StatusCode::ACCEPTED, [(LOCATION, location), (UPLOAD, id), (RANGE, range)]).into_response())
}

async fn end(
    State(registry): Served,
    Path((project, repository, name, id)): Of,
    Query(asked): Query<Asked>,
    last: Bytes,
) -> Answer {
    registry.append(&id, &last)?.ok_or_else(Refusal::no_upload)?;
    let content = registry.end(&id)?.ok_or_else(Refusal::no_upload)?;
    stored(&registry, &format!("/v2/{project}/{repository}/{name}/blobs"), &asked.digest, &content)
}

fn stored(registry: &ArtifactRegistry, path: &str, digest: &str, content: &[u8]) -> Answer {
    if digest != digest_of(content) {
        return Err(Refusal::invalid("DIGEST_INVALID", "the content has another digest"));
    }
    let digest = registry.store(content)?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("{path}/{digest}")), (DIGEST, digest)]).into_response())
}

fn digest_of(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}
