//! The GKE v1 REST paths, under `locations` and under the older `zones`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use google_cloud_container_v1::model::{Cluster, NodeManagement, NodePool, NodePoolAutoscaling};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::names::{ClusterName, Location};
use super::operation::Operation;
use super::state::Record;
use super::{Container, server_config, wire};
use crate::error::ApiError;
use crate::rest::{Answer, Body, parse, split_verb};

type Served = State<Arc<Container>>;
type In = Path<(String, String)>;
type At = Path<(String, String, String)>;
type PoolAt = Path<(String, String, String, String)>;

impl Container {
    pub(crate) fn rest(self: &Arc<Self>) -> Router {
        let mut routes = Router::new();
        for kind in ["locations", "zones"] {
            let base = format!("/v1/projects/{{project}}/{kind}/{{location}}");
            routes = routes
                .route(&format!("{base}/serverConfig"), get(offered))
                .route(&format!("{base}/clusters"), get(clusters).post(create))
                .route(
                    &format!("{base}/clusters/{{cluster}}"),
                    get(cluster).put(update).delete(delete).post(verb),
                )
                .route(&format!("{base}/clusters/{{cluster}}/nodePools"), get(pools).post(create_pool))
                .route(
                    &format!("{base}/clusters/{{cluster}}/nodePools/{{pool}}"),
                    get(pool).put(update_pool).delete(delete_pool).post(pool_verb),
                )
                .route(&format!("{base}/operations"), get(operations))
                .route(&format!("{base}/operations/{{operation}}"), get(operation).post(operation_verb));
        }
        routes.with_state(self.clone())
    }

    fn begun(&self, operation: &Operation) -> Answer<Value> {
        wire::json("operation", &operation.shown(&self.clock)).map(Json)
    }
}

#[derive(Deserialize)]
struct CreateCluster {
    cluster: Cluster,
}

#[derive(Deserialize)]
struct UpdateCluster {
    #[serde(default)]
    update: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetLabels {
    #[serde(default)]
    resource_labels: HashMap<String, String>,
    #[serde(default)]
    label_fingerprint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatePool {
    node_pool: NodePool,
}

#[derive(Deserialize)]
struct SetAutoscaling {
    #[serde(default)]
    autoscaling: NodePoolAutoscaling,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetSize {
    #[serde(default)]
    node_count: i32,
}

#[derive(Deserialize)]
struct SetManagement {
    #[serde(default)]
    management: NodeManagement,
}

fn name(project: &str, location: &str, cluster: &str) -> Result<ClusterName, ApiError> {
    Ok(Location::new(project, location)?.cluster(cluster))
}

async fn offered(State(_): Served, Path((project, location)): In) -> Answer<Value> {
    Location::new(&project, &location)?;
    wire::json("serverConfig", &server_config::offered()).map(Json)
}

async fn clusters(State(container): Served, Path((project, location)): In) -> Answer<Value> {
    let location = Location::new(&project, &location)?;
    let there = |record: &&Record| location.covers(&record.name.location);
    let records: Vec<Record> = container.state().records().filter(there).cloned().collect();
    let shown = records.iter().map(|record| wire::json("cluster", &container.shown(record)));
    Ok(Json(json!({"clusters": shown.collect::<Result<Vec<_>, _>>()?})))
}

async fn create(
    State(container): Served,
    Path((project, location)): In,
    Body(body): Body<CreateCluster>,
) -> Answer<Value> {
    container.begun(&container.create_cluster(&Location::new(&project, &location)?, &body.cluster)?)
}

async fn cluster(State(container): Served, Path((project, location, cluster)): At) -> Answer<Value> {
    let record = container.state().record(&name(&project, &location, &cluster)?)?.clone();
    wire::json("cluster", &container.shown(&record)).map(Json)
}

async fn update(
    State(container): Served,
    Path((project, location, cluster)): At,
    Body(body): Body<UpdateCluster>,
) -> Answer<Value> {
    container.begun(&container.update_cluster(&name(&project, &location, &cluster)?, &body.update)?)
}

async fn delete(State(container): Served, Path((project, location, cluster)): At) -> Answer<Value> {
    container.begun(&container.delete_cluster(&name(&project, &location, &cluster)?)?)
}

/// The verbs of a cluster. Those that set one field are updates of the cluster by another name.
async fn verb(
    State(container): Served,
    Path((project, location, last)): At,
    Body(body): Body<Value>,
) -> Answer<Value> {
    let (cluster, verb) = split_verb(&last);
    let name = name(&project, &location, cluster)?;
    let field =
        |from: &str, to: &str| Map::from_iter([(to.to_owned(), body.get(from).cloned().unwrap_or_default())]);
    let begun = match verb {
        Some("setResourceLabels") => {
            let asked: SetLabels = parse(body)?;
            container.set_labels(&name, asked.resource_labels, &asked.label_fingerprint)?
        }
        Some("setLocations") => container.update_cluster(&name, &field("locations", "desiredLocations"))?,
        Some("setAddons") => {
            container.update_cluster(&name, &field("addonsConfig", "desiredAddonsConfig"))?
        }
        Some("setLogging") => {
            container.update_cluster(&name, &field("loggingService", "desiredLoggingService"))?
        }
        Some("setMonitoring") => {
            container.update_cluster(&name, &field("monitoringService", "desiredMonitoringService"))?
        }
        _ => return Err(unsupported(&last)),
    };
    container.begun(&begun)
}

async fn pools(State(container): Served, Path((project, location, cluster)): At) -> Answer<Value> {
    let record = container.state().record(&name(&project, &location, &cluster)?)?.clone();
    let pools = container.shown(&record).node_pools;
    let shown = pools.iter().map(|pool| wire::json("nodePools", pool));
    Ok(Json(json!({"nodePools": shown.collect::<Result<Vec<_>, _>>()?})))
}

async fn create_pool(
    State(container): Served,
    Path((project, location, cluster)): At,
    Body(body): Body<CreatePool>,
) -> Answer<Value> {
    container.begun(&container.create_pool(&name(&project, &location, &cluster)?, &body.node_pool)?)
}

async fn pool(State(container): Served, Path((project, location, cluster, pool)): PoolAt) -> Answer<Value> {
    let shown = container.shown_pool(&name(&project, &location, &cluster)?, &pool)?;
    wire::json("nodePools", &shown).map(Json)
}

async fn update_pool(
    State(container): Served,
    Path((project, location, cluster, pool)): PoolAt,
    Body(fields): Body<Map<String, Value>>,
) -> Answer<Value> {
    container.begun(&container.update_pool(&name(&project, &location, &cluster)?, &pool, &fields)?)
}

async fn delete_pool(
    State(container): Served,
    Path((project, location, cluster, pool)): PoolAt,
) -> Answer<Value> {
    container.begun(&container.delete_pool(&name(&project, &location, &cluster)?, &pool)?)
}

async fn pool_verb(
    State(container): Served,
    Path((project, location, cluster, last)): PoolAt,
    Body(body): Body<Value>,
) -> Answer<Value> {
    let (pool, verb) = split_verb(&last);
    let name = name(&project, &location, &cluster)?;
    let begun = match verb {
        Some("setAutoscaling") => {
            container.set_autoscaling(&name, pool, parse::<SetAutoscaling>(body)?.autoscaling)?
        }
        Some("setSize") => container.set_size(&name, pool, parse::<SetSize>(body)?.node_count)?,
        Some("setManagement") => {
            container.set_management(&name, pool, parse::<SetManagement>(body)?.management)?
        }
        _ => return Err(unsupported(&last)),
    };
    container.begun(&begun)
}

async fn operations(State(container): Served, Path((project, location)): In) -> Answer<Value> {
    let location = Location::new(&project, &location)?;
    let state = container.state();
    let shown = state.operations(&location).map(|one| wire::json("operation", &one.shown(&container.clock)));
    Ok(Json(json!({"operations": shown.collect::<Result<Vec<_>, _>>()?})))
}

async fn operation(State(container): Served, Path((project, location, id)): At) -> Answer<Value> {
    let operation = container.state().operation(&Location::new(&project, &location)?, &id)?.clone();
    container.begun(&operation)
}

async fn operation_verb(State(container): Served, Path((project, location, last)): At) -> Answer<Value> {
    let (id, verb) = split_verb(&last);
    if verb != Some("cancel") {
        return Err(unsupported(&last));
    }
    container.cancel(&Location::new(&project, &location)?, id)?;
    Ok(Json(json!({})))
}

fn unsupported(last: &str) -> ApiError {
    ApiError::unsupported(format!("POST {last}"))
}
