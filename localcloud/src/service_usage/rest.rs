//! The Service Usage v1 REST paths.

use std::sync::Arc;

use axum::extract::{Path, Query, RawQuery, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ServiceUsage, Switched, check_service, token_of};
use crate::error::ApiError;
use crate::project::{check_id, project_number};
use crate::rest::{Answer, Body, split_verb};

type Served = State<Arc<ServiceUsage>>;

/// Services of a page, if nobody says how many, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;

impl ServiceUsage {
    pub(crate) fn rest(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/projects/{project}/services", get(list))
            .route("/v1/projects/{project}/services:batchGet", get(batch_get))
            .route("/v1/projects/{project}/services:batchEnable", post(batch_enable))
            .route("/v1/projects/{project}/services/{service}", get(read).post(verb))
            .route("/v1/operations/{operation}", get(operation))
            .with_state(self.clone())
    }

    fn json(&self, project: &str, service: &str) -> Value {
        let number = project_number(project);
        json!({
            "name": format!("projects/{number}/services/{service}"),
            "parent": format!("projects/{number}"),
            "config": {"name": service, "title": super::gate::title(service)},
            "state": if self.is_enabled(project, service) { "ENABLED" } else { "DISABLED" },
        })
    }

    /// An operation as it is now.
    fn shown(&self, name: &str) -> Result<Value, ApiError> {
        let changes = self.of_operation(name);
        let Some(first) = changes.first() else {
            return Err(ApiError::not_found(format!("Operation not found: {name}.")));
        };
        let number = project_number(&first.project);
        let names: Vec<String> =
            changes.iter().map(|change| format!("services/{number}/{}", change.service)).collect();
        let mut shown = json!({
            "name": name,
            "metadata": {"@type": kind("OperationMetadata"), "resourceNames": names},
        });
        if changes.iter().all(|change| self.is_over(change)) {
            let services: Vec<Value> =
                changes.iter().map(|change| self.json(&change.project, &change.service)).collect();
            shown["done"] = true.into();
            shown["response"] = match (first.batch, first.enable) {
                (true, _) => json!({"@type": kind("BatchEnableServicesResponse"), "services": services}),
                (false, true) => json!({"@type": kind("EnableServiceResponse"), "service": services[0]}),
                (false, false) => json!({"@type": kind("DisableServiceResponse"), "service": services[0]}),
            };
        }
        Ok(shown)
    }

    /// The operation that was begun; a finished one without a name of its own if nothing was to do.
    fn begun(&self, switched: &Switched, response: &Value) -> Answer<Value> {
        match &switched.operation {
            Some(name) => self.shown(name).map(Json),
            None => Ok(Json(json!({
                "name": "operations/noop.DONE_OPERATION", "done": true, "response": response,
            }))),
        }
    }
}

fn kind(message: &str) -> String {
    format!("type.googleapis.com/google.api.serviceusage.v1.{message}")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct List {
    filter: String,
    page_size: usize,
    page_token: String,
}

async fn list(State(usage): Served, Path(project): Path<String>, Query(query): Query<List>) -> Answer<Value> {
    check_id(&project)?;
    let wanted = match query.filter.as_str() {
        "" => None,
        "state:ENABLED" => Some(true),
        "state:DISABLED" => Some(false),
        other => return Err(ApiError::invalid_argument(format!("Invalid filter: {other}"))),
    };
    let mut known = usage.known(&project);
    known.retain(|service| wanted.is_none_or(|wanted| wanted == usage.is_enabled(&project, service)));
    let start = match query.page_token.as_str() {
        "" => 0,
        token => known
            .iter()
            .position(|service| token_of(service) == token)
            .ok_or_else(|| ApiError::invalid_argument("Invalid page token."))?,
    };
    let size = if query.page_size == 0 { PAGE } else { query.page_size.min(LARGEST_PAGE) };
    let page = known.iter().skip(start).take(size);
    let services: Vec<Value> = page.map(|service| usage.json(&project, service)).collect();
    let mut answer = json!({"services": services});
    if let Some(next) = known.get(start + size) {
        answer["nextPageToken"] = token_of(next).into();
    }
    Ok(Json(answer))
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
    let switched = usage.switch(&project, &body.service_ids, true, true)?;
    let services: Vec<Value> = body.service_ids.iter().map(|service| usage.json(&project, service)).collect();
    usage.begun(&switched, &json!({"@type": kind("BatchEnableServicesResponse"), "services": services}))
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
        _ => return Err(ApiError::unsupported(format!("POST {last}"))),
    };
    let switched = usage.switch(&project, &[service.to_owned()], enabled, false)?;
    usage.begun(&switched, &json!({"@type": kind(response), "service": usage.json(&project, service)}))
}

async fn operation(State(usage): Served, Path(operation): Path<String>) -> Answer<Value> {
    if operation == "noop.DONE_OPERATION" {
        return Ok(Json(json!({"name": "operations/noop.DONE_OPERATION", "done": true})));
    }
    usage.shown(&format!("operations/{operation}")).map(Json)
}
