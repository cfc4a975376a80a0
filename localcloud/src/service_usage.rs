//! Service Usage v1: which APIs a project has enabled. Those that the local cloud serves are
//! enabled in every project from the start.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Query, RawQuery, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::journal::{Journal, Tables};
use crate::resource_manager::{check_id, project_number};
use crate::rest::{Answer, Body, split_verb};

const TABLE: &str = "services";

/// What the local cloud serves, or what a stack needs switched on beside it.
const ENABLED: [&str; 12] = [
    "artifactregistry.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "serviceusage.googleapis.com",
    "storage-api.googleapis.com",
    "storage.googleapis.com",
];

/// What each project has beyond that.
pub(crate) struct ServiceUsage {
    journal: Journal,
    /// Services by `project/service`, true where enabled.
    set: Mutex<BTreeMap<String, bool>>,
}

impl ServiceUsage {
    pub(crate) fn open(journal: &Journal, tables: &mut Tables) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { journal: journal.clone(), set: Mutex::new(tables.take(TABLE)?) }))
    }

    pub(crate) fn rest(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/projects/{project}/services", get(list))
            .route("/v1/projects/{project}/services:batchGet", get(batch_get))
            .route("/v1/projects/{project}/services:batchEnable", post(batch_enable))
            .route("/v1/projects/{project}/services/{service}", get(read).post(verb))
            .with_state(self.clone())
    }

    fn is_enabled(&self, project: &str, service: &str) -> bool {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        set.get(&key(project, service)).copied().unwrap_or_else(|| ENABLED.contains(&service))
    }

    fn enable(&self, project: &str, service: &str, enabled: bool) -> Result<(), ApiError> {
        check_id(project)?;
        check_service(service)?;
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        self.journal.put(TABLE, &key(project, service), &enabled)?;
        set.insert(key(project, service), enabled);
        Ok(())
    }

    fn known(&self, project: &str) -> Vec<String> {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = set.keys().filter_map(|key| key.strip_prefix(&format!("{project}/")));
        let mut known: Vec<String> = ENABLED.into_iter().chain(mine).map(str::to_owned).collect();
        known.sort();
        known.dedup();
        known
    }

    fn json(&self, project: &str, service: &str) -> Value {
        let number = project_number(project);
        json!({
            "name": format!("projects/{number}/services/{service}"),
            "parent": format!("projects/{number}"),
            "config": {"name": service},
            "state": if self.is_enabled(project, service) { "ENABLED" } else { "DISABLED" },
        })
    }
}

fn key(project: &str, service: &str) -> String {
    format!("{project}/{service}")
}

fn check_service(service: &str) -> Result<(), ApiError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if service.ends_with(".googleapis.com") && service.bytes().all(plain) {
        return Ok(());
    }
    Err(ApiError::not_found(format!("Not found or permission denied for service(s): {service}.")))
}

type Served = State<Arc<ServiceUsage>>;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    filter: String,
}

async fn list(State(usage): Served, Path(project): Path<String>, Query(query): Query<List>) -> Answer<Value> {
    check_id(&project)?;
    let wanted = match query.filter.as_str() {
        "" => None,
        "state:ENABLED" => Some(true),
        "state:DISABLED" => Some(false),
        other => return Err(ApiError::invalid_argument(format!("Invalid filter: {other}"))),
    };
    let known = usage.known(&project).into_iter();
    let shown =
        known.filter(|service| wanted.is_none_or(|wanted| wanted == usage.is_enabled(&project, service)));
    let services: Vec<Value> = shown.map(|service| usage.json(&project, &service)).collect();
    Ok(Json(json!({"services": services})))
}

async fn batch_get(
    State(usage): Served,
    Path(project): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<Value> {
    check_id(&project)?;
    let query = query.unwrap_or_default();
    let names = query.split('&').filter_map(|pair| pair.strip_prefix("names="));
    let mut services = Vec::new();
    for name in names {
        let name = percent_decode_str(name).decode_utf8_lossy();
        let service = name.rsplit('/').next().unwrap_or_default();
        check_service(service)?;
        services.push(usage.json(&project, service));
    }
    Ok(Json(json!({"services": services})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchEnable {
    service_ids: Vec<String>,
}

async fn batch_enable(
    State(usage): Served,
    Path(project): Path<String>,
    Body(body): Body<BatchEnable>,
) -> Answer<Value> {
    for service in &body.service_ids {
        usage.enable(&project, service, true)?;
    }
    let services: Vec<Value> = body.service_ids.iter().map(|service| usage.json(&project, service)).collect();
    Ok(Json(done("BatchEnableServicesResponse", &json!({"services": services}))))
}

async fn read(State(usage): Served, Path((project, service)): Path<(String, String)>) -> Answer<Value> {
    check_id(&project)?;
    check_service(&service)?;
    Ok(Json(usage.json(&project, &service)))
}

async fn verb(State(usage): Served, Path((project, last)): Path<(String, String)>) -> Answer<Value> {
    let (service, verb) = split_verb(&last);
    let (enabled, response) = match verb {
        Some("enable") => (true, "EnableServiceResponse"),
        Some("disable") => (false, "DisableServiceResponse"),
        _ => return Err(ApiError::unimplemented(format!("POST {last}: not supported by the local cloud"))),
    };
    usage.enable(&project, service, enabled)?;
    Ok(Json(done(response, &json!({"service": usage.json(&project, service)}))))
}

/// A long-running operation that took no time.
fn done(response: &str, value: &Value) -> Value {
    let mut response = json!({"@type": format!("type.googleapis.com/google.api.serviceusage.v1.{response}")});
    if let (Some(into), Some(from)) = (response.as_object_mut(), value.as_object()) {
        into.extend(from.clone());
    }
    json!({"name": "operations/noop.DONE_OPERATION", "done": true, "response": response})
}
