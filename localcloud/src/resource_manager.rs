//! Resource Manager, v3 and v1: projects and their policies. A project exists as soon as it is
//! named, and keeps its number, which is made from its id.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::error::ApiError;
use crate::iam::{Iam, Permissions, Resource, SetPolicy};
use crate::journal::{Journal, Tables};
use crate::project::{check_id, project_number};
use crate::rest::{Answer, Body, parse, split_verb};

const TABLE: &str = "projects";

/// All projects that were ever named.
pub(crate) struct ResourceManager {
    journal: Journal,
    clock: Clock,
    iam: Arc<Iam>,
    projects: Mutex<BTreeMap<String, Project>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Project {
    id: String,
    created: Timestamp,
}

impl ResourceManager {
    pub(crate) fn open(
        journal: &Journal,
        tables: &mut Tables,
        clock: &Clock,
        iam: &Arc<Iam>,
    ) -> io::Result<Arc<Self>> {
        let projects = Mutex::new(tables.take(TABLE)?);
        Ok(Arc::new(Self { journal: journal.clone(), clock: clock.clone(), iam: iam.clone(), projects }))
    }

    pub(crate) fn rest(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/projects", get(list_v1))
            .route("/v1/projects/{project}", get(get_v1).post(verb))
            .route("/v3/projects:search", get(search_v3))
            .route("/v3/projects/{project}", get(get_v3).post(verb))
            .with_state(self.clone())
    }

    /// The project of an id, or of the number of one that was named before.
    fn project(&self, name: &str) -> Result<Project, ApiError> {
        let mut projects = self.projects();
        if name.bytes().all(|b| b.is_ascii_digit()) {
            let known = projects.values().find(|project| project_number(&project.id).to_string() == name);
            return known.cloned().ok_or_else(|| {
                ApiError::permission_denied(format!(
                    "The caller does not have permission on 'projects/{name}' (or it may not exist)."
                ))
            });
        }
        if let Some(known) = projects.get(name) {
            return Ok(known.clone());
        }
        check_id(name)?;
        let new = Project { id: name.into(), created: self.clock.now() };
        self.journal.put(TABLE, name, &new)?;
        projects.insert(name.into(), new.clone());
        Ok(new)
    }

    /// The id of a project that is named by its id or by its number.
    pub(crate) fn id_of(&self, name: &str) -> String {
        let is_number = name.bytes().all(|b| b.is_ascii_digit());
        let known = is_number.then(|| self.project(name).ok()).flatten();
        known.map_or_else(|| name.to_owned(), |project| project.id)
    }

    fn all(&self) -> Vec<Project> {
        self.projects().values().cloned().collect()
    }

    fn projects(&self) -> MutexGuard<'_, BTreeMap<String, Project>> {
        // Changes are single assignments: a panic elsewhere leaves the map whole.
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Project {
    fn v3(&self) -> Value {
        json!({
            "name": format!("projects/{}", project_number(&self.id)),
            "projectId": self.id,
            "displayName": self.id,
            "state": "ACTIVE",
            "createTime": self.created,
            "updateTime": self.created,
            "etag": "W/\"1\"",
        })
    }

    fn v1(&self) -> Value {
        json!({
            "projectNumber": project_number(&self.id).to_string(),
            "projectId": self.id,
            "name": self.id,
            "lifecycleState": "ACTIVE",
            "createTime": self.created,
        })
    }
}

type Served = State<Arc<ResourceManager>>;

async fn get_v3(State(manager): Served, Path(project): Path<String>) -> Answer<Value> {
    manager.project(&project).map(|project| Json(project.v3()))
}

async fn get_v1(State(manager): Served, Path(project): Path<String>) -> Answer<Value> {
    manager.project(&project).map(|project| Json(project.v1()))
}

async fn search_v3(State(manager): Served) -> Json<Value> {
    Json(json!({"projects": manager.all().iter().map(Project::v3).collect::<Vec<_>>()}))
}

async fn list_v1(State(manager): Served) -> Json<Value> {
    Json(json!({"projects": manager.all().iter().map(Project::v1).collect::<Vec<_>>()}))
}

async fn verb(State(manager): Served, Path(last): Path<String>, Body(body): Body<Value>) -> Answer<Value> {
    let (name, verb) = split_verb(&last);
    let id = manager.project(name)?.id;
    let answer = match verb {
        Some("getIamPolicy") => json!(manager.iam.shown(&manager.iam.project_policy(&id))),
        Some("setIamPolicy") => {
            json!(manager.iam.set_project_policy(&id, parse::<SetPolicy>(body)?.policy)?)
        }
        Some("testIamPermissions") => {
            let asked = parse::<Permissions>(body)?.permissions;
            json!(Permissions { permissions: manager.iam.held(asked, &Resource::project(&id)) })
        }
        _ => return Err(ApiError::unsupported(format!("POST {last}"))),
    };
    Ok(Json(answer))
}
