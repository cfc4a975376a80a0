//! The Secret Manager v1 REST paths, of global secrets.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Served};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde::Deserialize;
use serde_json::{Value, json};

use super::SecretManager;
use super::secret::{Number, Settings, State};
use crate::error::ApiError;
use crate::iam::{Permissions, Resource, SetPolicy};
use crate::project;
use crate::rest::{Answer, Body, PageQuery, parse, split_verb};

type Manager = Served<Arc<SecretManager>>;

impl SecretManager {
    /// Its routes.
    pub(crate) fn rest(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/projects/{project}/secrets", get(list).post(create))
            .route(
                "/v1/projects/{project}/secrets/{secret}",
                get(read).patch(patch).delete(delete).post(change),
            )
            .route("/v1/projects/{project}/secrets/{secret}/versions", get(versions))
            .route(
                "/v1/projects/{project}/secrets/{secret}/versions/{version}",
                get(read_version).post(change_version),
            )
            .with_state(self.clone())
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    secret_id: String,
    update_mask: String,
    etag: String,
    filter: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Etag {
    etag: String,
}

#[derive(Deserialize)]
struct AddVersion {
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default)]
    data: String,
    data_crc32c: Option<Number>,
}

async fn list(
    Served(manager): Manager,
    Path(project): Path<String>,
    Query(page): Query<PageQuery>,
    Query(asked): Query<Asked>,
) -> Answer<Value> {
    unfiltered(&asked)?;
    let secrets = manager.list(&manager.projects.id_of(&project));
    let total = secrets.len();
    let (secrets, next) = page.page(secrets, |secret| text(secret, "name"));
    Ok(paged(json!({"secrets": secrets, "totalSize": total}), next))
}

async fn create(
    Served(manager): Manager,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
    Body(settings): Body<Settings>,
) -> Answer<Value> {
    let project = manager.projects.id_of(&project);
    project::check_id(&project)?;
    manager.create(&project, &asked.secret_id, settings).map(Json)
}

async fn read(Served(manager): Manager, Path((project, last)): Path<(String, String)>) -> Answer<Value> {
    let project = manager.projects.id_of(&project);
    match split_verb(&last) {
        (id, None) => manager.get(&project, id).map(Json),
        (id, Some("getIamPolicy")) => Ok(Json(json!(manager.policy(&project, id)?))),
        _ => Err(ApiError::unsupported(format!("GET {last}"))),
    }
}

async fn patch(
    Served(manager): Manager,
    Path((project, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    Body(settings): Body<Settings>,
) -> Answer<Value> {
    manager.patch(&manager.projects.id_of(&project), &id, settings, &asked.update_mask).map(Json)
}

async fn delete(
    Served(manager): Manager,
    Path((project, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Answer<Value> {
    manager.delete(&manager.projects.id_of(&project), &id, &asked.etag)?;
    Ok(Json(json!({})))
}

async fn change(
    Served(manager): Manager,
    Path((project, last)): Path<(String, String)>,
    Body(body): Body<Value>,
) -> Answer<Value> {
    let project = manager.projects.id_of(&project);
    let (id, verb) = split_verb(&last);
    let answer = match verb {
        Some("addVersion") => {
            let Payload { data, data_crc32c } = parse::<AddVersion>(body)?.payload;
            manager.add_version(&project, id, &decoded(&data)?, data_crc32c)?
        }
        Some("setIamPolicy") => json!(manager.set_policy(&project, id, parse::<SetPolicy>(body)?.policy)?),
        Some("testIamPermissions") => {
            let asked = parse::<Permissions>(body)?.permissions;
            let name = format!("projects/{project}/secrets/{id}");
            let policy = manager.policy_of(&project, id).map(|policy| (name.clone(), policy));
            let resource = Resource { name, policy, project: Some(project) };
            json!(Permissions { permissions: manager.iam.held(asked, &resource) })
        }
        _ => return Err(ApiError::unsupported(format!("POST {last}"))),
    };
    Ok(Json(answer))
}

async fn versions(
    Served(manager): Manager,
    Path((project, id)): Path<(String, String)>,
    Query(page): Query<PageQuery>,
    Query(asked): Query<Asked>,
) -> Answer<Value> {
    unfiltered(&asked)?;
    let versions = manager.versions(&manager.projects.id_of(&project), &id)?;
    let total = versions.len();
    // Newest first: pages go by how far a version is from the first one.
    let place = |version: &Value| {
        let name = text(version, "name");
        let number: u64 = name.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or_default();
        format!("{:020}", u64::MAX - number)
    };
    let (versions, next) = page.page(versions, place);
    Ok(paged(json!({"versions": versions, "totalSize": total}), next))
}

async fn read_version(
    Served(manager): Manager,
    Path((project, id, last)): Path<(String, String, String)>,
) -> Answer<Value> {
    let project = manager.projects.id_of(&project);
    match split_verb(&last) {
        (version, None) => manager.version(&project, &id, version).map(Json),
        (version, Some("access")) => manager.access(&project, &id, version).map(Json),
        _ => Err(ApiError::unsupported(format!("GET {last}"))),
    }
}

async fn change_version(
    Served(manager): Manager,
    Path((project, id, last)): Path<(String, String, String)>,
    Body(Etag { etag }): Body<Etag>,
) -> Answer<Value> {
    let (version, verb) = split_verb(&last);
    let state = match verb {
        Some("enable") => State::Enabled,
        Some("disable") => State::Disabled,
        Some("destroy") => State::Destroyed,
        _ => return Err(ApiError::unsupported(format!("POST {last}"))),
    };
    manager.set_state(&manager.projects.id_of(&project), &id, version, state, &etag).map(Json)
}

/// Protobuf's JSON takes both alphabets of base64.
fn decoded(data: &str) -> Result<Vec<u8>, ApiError> {
    let decoded = BASE64_STANDARD.decode(data).or_else(|_| BASE64_URL_SAFE.decode(data));
    // The decoder's own words would tell bytes of the payload.
    decoded.map_err(|_| {
        ApiError::invalid_argument("Invalid value at 'payload.data' (TYPE_BYTES), Base64 decoding failed.")
    })
}

fn unfiltered(asked: &Asked) -> Result<(), ApiError> {
    match asked.filter.is_empty() {
        true => Ok(()),
        false => Err(ApiError::unsupported("the filter of a list of secrets")),
    }
}

fn paged(mut answer: Value, next: Option<String>) -> Json<Value> {
    if let Some(next) = next {
        answer["nextPageToken"] = next.into();
    }
    Json(answer)
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
