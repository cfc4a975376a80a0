//! The Artifact Registry v1 REST paths: repositories of the format DOCKER.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ArtifactRegistry, REPOSITORIES, Repository};
use crate::error::ApiError;
use crate::project::check_id;
use crate::rest::{Answer, Body, PageQuery};

type Served = State<Arc<ArtifactRegistry>>;
type In = Path<(String, String)>;
type At = Path<(String, String, String)>;

impl ArtifactRegistry {
    /// The routes of both of its APIs.
    pub(crate) fn rest(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/projects/{project}/locations/{location}/repositories", get(list).post(create))
            .route(
                "/v1/projects/{project}/locations/{location}/repositories/{repository}",
                get(read).delete(delete),
            )
            .merge(super::docker::routes())
            .with_state(self.clone())
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    repository_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    format: String,
    description: String,
    labels: BTreeMap<String, String>,
}

impl Repository {
    fn name(&self) -> String {
        format!("projects/{}/locations/{}/repositories/{}", self.project, self.location, self.id)
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name(),
            "format": "DOCKER",
            "description": self.description,
            "labels": self.labels,
            "createTime": self.created,
            "updateTime": self.created,
            "mode": "STANDARD_REPOSITORY",
            "registryUri": format!("{}-docker.pkg.dev/{}/{}", self.location, self.project, self.id),
        })
    }
}

async fn list(
    State(registry): Served,
    Path((project, location)): In,
    Query(page): Query<PageQuery>,
) -> Answer<Value> {
    let held = registry.held();
    let there = |one: &&Repository| one.project == project && (location == "-" || one.location == location);
    let mut found: Vec<Value> = held.repositories.values().filter(there).map(Repository::json).collect();
    found.sort_by_key(name);
    let (found, next) = page.page(found, name);
    let mut answer = json!({ "repositories": found });
    if let Some(next) = next {
        answer["nextPageToken"] = next.into();
    }
    Ok(Json(answer))
}

fn name(shown: &Value) -> String {
    shown["name"].as_str().unwrap_or_default().to_owned()
}

async fn create(
    State(registry): Served,
    Path((project, location)): In,
    Query(Asked { repository_id: id }): Query<Asked>,
    Body(settings): Body<Settings>,
) -> Answer<Value> {
    check_id(&project)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=63).contains(&id.len())
        || !id.bytes().all(plain)
        || !id.starts_with(|c: char| c.is_ascii_lowercase())
    {
        return Err(ApiError::invalid_argument(format!("invalid repository id \"{id}\"")));
    }
    if settings.format != "DOCKER" {
        return Err(ApiError::unsupported(format!("repositories of the format {}", settings.format)));
    }
    let Settings { description, labels, .. } = settings;
    let new = Repository { project, location, id, description, labels, created: registry.clock.now() };
    let key = format!("{}/{}/{}", new.project, new.location, new.id);
    let mut held = registry.held();
    if held.repositories.contains_key(&key) {
        return Err(ApiError::already_exists("the repository already exists"));
    }
    registry.journal.put(REPOSITORIES, &key, &new)?;
    let shown = new.json();
    held.repositories.insert(key, new);
    let operation = format!("projects/-/locations/-/operations/{}", hex::encode(rand::random::<[u8; 8]>()));
    Ok(Json(json!({ "name": operation, "done": true, "response": shown })))
}

async fn read(State(registry): Served, Path((project, location, id)): At) -> Answer<Value> {
    let held = registry.held();
    let found = held.repositories.get(&format!("{project}/{location}/{id}"));
    found.map(|one| Json(one.json())).ok_or_else(|| missing(&project, &location, &id))
}

/// What is in it stays on the disk, and nobody finds it any more.
async fn delete(State(registry): Served, Path((project, location, id)): At) -> Answer<Value> {
    let mut held = registry.held();
    let key = format!("{project}/{location}/{id}");
    if held.repositories.remove(&key).is_none() {
        return Err(missing(&project, &location, &id));
    }
    registry.journal.delete(REPOSITORIES, &key)?;
    let inside = format!("{key}/");
    let manifests: Vec<String> =
        held.manifests.keys().filter(|key| key.starts_with(&inside)).cloned().collect();
    for key in manifests {
        registry.journal.delete(super::MANIFESTS, &key)?;
        held.manifests.remove(&key);
    }
    let tags: Vec<String> = held.tags.keys().filter(|key| key.starts_with(&inside)).cloned().collect();
    for key in tags {
        registry.journal.delete(super::TAGS, &key)?;
        held.tags.remove(&key);
    }
    Ok(Json(json!({ "done": true })))
}

fn missing(project: &str, location: &str, id: &str) -> ApiError {
    ApiError::not_found(format!(
        "Requested entity was not found: projects/{project}/locations/{location}/repositories/{id}"
    ))
}
