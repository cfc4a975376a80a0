//! Clusters as tables of a stack file. One that was made elsewhere is referred to: much of it is fixed
//! when it is made, and a stack would replace what it does not find as it makes it.

use anyhow::Result;
use google_cloud_container_v1::model;
use serde_json::{Value, json};

use super::Sighting;
use crate::cloud::{Cloud, limited};
use crate::full_name;
use crate::kinds::cluster::ClusterSpec;
use crate::kinds::node_pool;

pub(super) async fn all(cloud: &Cloud) -> Result<Vec<Sighting>> {
    let list = cloud.clusters.list_clusters().set_parent(format!("{}/locations/-", cloud.project.path()));
    let clusters = limited("list clusters", list.send()).await?.clusters;
    clusters.iter().map(|live| of(cloud, live)).collect()
}

fn of(cloud: &Cloud, live: &model::Cluster) -> Result<Sighting> {
    let owner = cloud.unmarked(live.resource_labels.clone()).owner;
    let id = full_name::cluster_id(&cloud.project.id, &live.location, &live.name);
    let pools = live.node_pools.iter().map(|pool| (pool.name.clone(), of_pool(pool)));
    let spec = json!({ "pool": pools.collect::<serde_json::Map<_, _>>() });
    let is_autopilot = live.autopilot.as_ref().is_some_and(|autopilot| autopilot.enabled);
    let impossible = match () {
        () if is_autopilot => Some("an Autopilot cluster has no pools that a job could name".to_owned()),
        () if live.node_pools.is_empty() => Some("it has no pools".to_owned()),
        () => None,
    };
    let mut sighting = Sighting::new::<ClusterSpec>(
        &id,
        &live.name,
        owner,
        &serde_json::from_value(spec)?,
        json!({ "pool": {} }),
    )?;
    // Each pool is written as far as it differs from one of which nothing is said.
    if let Some(Value::Object(pools)) = sighting.fields.get_mut("pool") {
        for pool in pools.values_mut() {
            let default = ClusterSpec::silent_pool()?;
            *pool = Value::Object(super::beyond(pool.take(), &default));
        }
    }
    let why = "a cluster that was made elsewhere is used as it is, and never changed or deleted";
    Ok(Sighting {
        place: Some(live.location.clone()),
        only_referred: Some(why.to_owned()),
        impossible,
        ..sighting
    })
}

/// What jobs need to know of a pool.
fn of_pool(pool: &model::NodePool) -> Value {
    let config = pool.config.clone().unwrap_or_default();
    let (fewest, most) = node_pool::bounds(pool);
    let mut told = json!({ "machine_type": config.machine_type, "spot": config.spot || config.preemptible });
    if fewest == most {
        told["nodes"] = most.into();
    } else {
        told["min_nodes"] = fewest.into();
        told["max_nodes"] = most.into();
    }
    told
}
