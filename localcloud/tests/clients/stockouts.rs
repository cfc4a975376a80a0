//! Zones, and machines that can't be had in them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use google_cloud_container_v1::client::ClusterManager;
use google_cloud_container_v1::model::node_pool_autoscaling::LocationPolicy;
use google_cloud_container_v1::model::{
    Cluster, NodeConfig, NodePool, NodePoolAutoscaling, cluster, node_pool,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Node};
use kube::api::{Api, ListParams, PostParams};
use localcloud::gke::{Order, Shortage, Stockout};
use serde_json::json;

use crate::gke::client;
use crate::{Local, kubernetes};

const REGION: &str = "projects/fx-dev/locations/europe-west4";
const CLUSTER: &str = "projects/fx-dev/locations/europe-west4/clusters/wide";

fn steady(nodes: i32) -> NodePool {
    let config = NodeConfig::new().set_machine_type("e2-standard-4");
    NodePool::new().set_name("steady").set_initial_node_count(nodes).set_config(config)
}

fn spot(limits: NodePoolAutoscaling, policy: LocationPolicy) -> NodePool {
    let limits = limits.set_enabled(true).set_location_policy(policy);
    let config = NodeConfig::new().set_spot(true).set_machine_type("e2-standard-2");
    NodePool::new().set_name("workers").set_config(config).set_autoscaling(limits)
}

fn none_in(zone: &str) -> Stockout {
    Stockout { zone: Some(zone.into()), machine_type: None, spot: None, shortage: Shortage::GceStockout }
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let since = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(since.elapsed() < Duration::from_mins(1), "never: {what}; saw {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for an operation and answers the error inside.
async fn ended(gke: &ClusterManager, operation: &str) -> Option<(i32, String)> {
    let name = format!("{REGION}/operations/{operation}");
    until("the end", async || {
        let operation =
            gke.get_operation().set_name(&name).send().await.map_err(|error| error.to_string())?;
        let is_done = operation.status == google_cloud_container_v1::model::operation::Status::Done;
        let error = operation.error.clone().map(|error| (error.code, error.message));
        if is_done { Ok(error) } else { Err(format!("{operation:?}")) }
    })
    .await
}

async fn create(gke: &ClusterManager, pools: Vec<NodePool>) -> Option<(i32, String)> {
    let cluster = Cluster::new().set_name("wide").set_node_pools(pools);
    let begun = gke.create_cluster().set_parent(REGION).set_cluster(cluster).send().await.expect("begun");
    ended(gke, &begun.name).await
}

async fn cluster_of(gke: &ClusterManager) -> Cluster {
    gke.get_cluster().set_name(CLUSTER).send().await.expect("a cluster")
}

async fn kube_client(local: &Local, gke: &ClusterManager) -> kube::Client {
    kubernetes::client(local, &cluster_of(gke).await).await
}

/// How many nodes there are in each zone.
async fn zones(kube: &kube::Client, pool: &str) -> BTreeMap<String, usize> {
    let nodes: Api<Node> = Api::all(kube.clone());
    let of_pool = ListParams::default().labels(&format!("cloud.google.com/gke-nodepool={pool}"));
    let mut zones = BTreeMap::new();
    for node in nodes.list(&of_pool).await.expect("nodes").items {
        let labels = node.metadata.labels.expect("labels");
        assert_eq!(labels["topology.kubernetes.io/region"], "europe-west4");
        *zones.entry(labels["topology.kubernetes.io/zone"].replace("europe-west4-", "")).or_default() += 1;
    }
    zones
}

async fn has(kube: &kube::Client, pool: &str, wanted: &[(&str, usize)]) {
    let wanted: BTreeMap<String, usize> =
        wanted.iter().map(|(zone, nodes)| ((*zone).to_owned(), *nodes)).collect();
    until("the nodes", async || {
        let there = zones(kube, pool).await;
        if there == wanted { Ok(()) } else { Err(format!("{there:?}, not {wanted:?}")) }
    })
    .await;
}

/// A Job of pods that each fill a node, and go on until the cluster is gone.
async fn fill(kube: &kube::Client, name: &str, pods: u32, zone: Option<&str>) {
    let mut selector = json!({"cloud.google.com/gke-nodepool": "workers"});
    if let Some(zone) = zone {
        selector["topology.kubernetes.io/zone"] = zone.into();
    }
    let job = json!({
        "metadata": {"name": name},
        "spec": {"parallelism": pods, "completions": pods, "template": {"spec": {
            "restartPolicy": "Never", "nodeSelector": selector,
            "containers": [{
                "name": "main", "command": ["sleep", "1000"], "resources": {"requests": {"cpu": "1500m"}},
            }],
        }}},
    });
    let jobs: Api<Job> = Api::default_namespaced(kube.clone());
    let job = serde_json::from_value(job).expect("a job");
    jobs.create(&PostParams::default(), &job).await.expect("a job");
}

async fn is_told(kube: &kube::Client, reason: &str, message: &str) {
    let events: Api<Event> = Api::default_namespaced(kube.clone());
    until(message, async || {
        let events = events.list(&ListParams::default()).await.expect("events").items;
        let told = |event: &Event| {
            event.reason.as_deref() == Some(reason)
                && event.message.as_deref().is_some_and(|told| told.contains(message))
        };
        if events.iter().any(told) {
            return Ok(());
        }
        Err(format!("{:?}", events.iter().map(|event| event.message.clone()).collect::<Vec<_>>()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regional_clusters_numbers_hold_for_each_zone() {
    let local = Local::start().await;
    let gke = client(&local).await;
    let limits = NodePoolAutoscaling::new().set_max_node_count(1);
    assert_eq!(create(&gke, vec![steady(1), spot(limits, LocationPolicy::Balanced)]).await, None);
    let kube = kube_client(&local, &gke).await;
    has(&kube, "steady", &[("a", 1), ("b", 1), ("c", 1)]).await;
    let steady = format!("{CLUSTER}/nodePools/steady");
    let begun = gke.set_node_pool_size().set_name(&steady).set_node_count(2).send().await.expect("begun");
    assert_eq!(ended(&gke, &begun.name).await, None);
    has(&kube, "steady", &[("a", 2), ("b", 2), ("c", 2)]).await;
    let begun = gke.set_node_pool_size().set_name(&steady).set_node_count(0).send().await.expect("begun");
    assert_eq!(ended(&gke, &begun.name).await, None);
    has(&kube, "steady", &[]).await;

    // One node in each zone at most: the fourth pod waits.
    fill(&kube, "four", 4, None).await;
    has(&kube, "workers", &[("a", 1), ("b", 1), ("c", 1)]).await;
    is_told(&kube, "NotTriggerScaleUp", "3 max node group size reached").await;
    // A higher minimum makes no nodes by itself.
    let limits =
        NodePoolAutoscaling::new().set_enabled(true).set_total_min_node_count(6).set_total_max_node_count(6);
    let workers = format!("{CLUSTER}/nodePools/workers");
    let begun = gke.set_node_pool_autoscaling().set_name(workers).set_autoscaling(limits).send().await;
    assert_eq!(ended(&gke, &begun.expect("begun").name).await, None);
    until("the fourth node alone", async || {
        let nodes: usize = zones(&kube, "workers").await.values().sum();
        if nodes == 4 { Ok(()) } else { Err(nodes.to_string()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_pool_without_machines_ends_in_error_and_is_well_when_there_are_some() {
    let local = Local::start().await;
    let gke = client(&local).await;
    let stockout = none_in("europe-west4-b");
    local.cloud.order(&Order::StockOut(stockout.clone())).expect("obeyed");
    let (code, message) = create(&gke, vec![steady(1)]).await.expect("an error");
    assert_eq!(code, 14);
    for part in [
        "Google Compute Engine: Not all instances running in IGM after 36.000000000s. Expected 1, running 0, transitioning 1. Current errors: [GCE_STOCKOUT]: Instance 'gke-wide-steady-",
        "ZONE_RESOURCE_POOL_EXHAUSTED",
        "The zone 'projects/fx-dev/zones/europe-west4-b' does not have enough resources available to fulfill the request.",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let broken = cluster_of(&gke).await;
    assert_eq!(broken.status, cluster::Status::Degraded);
    assert_eq!(broken.node_pools[0].status, node_pool::Status::RunningWithError);
    assert_eq!(broken.node_pools[0].conditions[0].message, message);
    let kube = kube_client(&local, &gke).await;
    has(&kube, "steady", &[("a", 1), ("c", 1)]).await;

    // It is known after a restart, and other zones of other pools are none of its business.
    let local = local.restart().await;
    let gke = client(&local).await;
    let elsewhere = steady(1).set_name("elsewhere").set_locations(["europe-west4-c"]);
    let begun =
        gke.create_node_pool().set_parent(CLUSTER).set_node_pool(elsewhere).send().await.expect("begun");
    assert_eq!(ended(&gke, &begun.name).await, None);
    let there = steady(2).set_name("there").set_locations(["europe-west4-b"]);
    let begun = gke.create_node_pool().set_parent(CLUSTER).set_node_pool(there).send().await.expect("begun");
    assert!(ended(&gke, &begun.name).await.is_some());
    let status = async |pool: usize| cluster_of(&gke).await.node_pools[pool].status.clone();
    assert_eq!((status(1).await, status(2).await), (node_pool::Status::Running, node_pool::Status::Error));

    local.cloud.order(&Order::Restock(stockout)).expect("obeyed");
    let well = cluster_of(&gke).await;
    assert!(well.node_pools.iter().all(|pool| pool.status == node_pool::Status::Running));
    let kube = kube_client(&local, &gke).await;
    has(&kube, "there", &[("b", 2)]).await;
    has(&kube, "steady", &[("a", 1), ("b", 1), ("c", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_reads_as_a_quota() {
    let local = Local::start().await;
    let gke = client(&local).await;
    let quota = Stockout {
        zone: None,
        machine_type: Some("e2-standard-4".into()),
        spot: Some(false),
        shortage: Shortage::QuotaExceeded,
    };
    local.cloud.order(&Order::StockOut(quota)).expect("obeyed");
    let (code, message) = create(&gke, vec![steady(1)]).await.expect("an error");
    assert_eq!(code, 8);
    assert!(
        message.starts_with("Insufficient quota to satisfy the request: Not all instances running"),
        "{message}"
    );
    assert!(message.ends_with("Quota 'CPUS' exceeded.  Limit: 24.0 in region europe-west4."), "{message}");
    assert_eq!(cluster_of(&gke).await.node_pools[0].status, node_pool::Status::Error);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_wait_for_a_zone_without_machines_and_others_take_their_place_elsewhere() {
    let local = Local::start().await;
    let gke = client(&local).await;
    let limits = NodePoolAutoscaling::new().set_total_max_node_count(3);
    assert_eq!(create(&gke, vec![spot(limits, LocationPolicy::Any)]).await, None);
    let kube = kube_client(&local, &gke).await;
    local.cloud.order(&Order::StockOut(none_in("europe-west4-a"))).expect("obeyed");
    fill(&kube, "anywhere", 1, None).await;
    has(&kube, "workers", &[("b", 1)]).await;

    local.cloud.clock().freeze().expect("stopped");
    fill(&kube, "there", 1, Some("europe-west4-a")).await;
    let text = "Node scale up in zones europe-west4-a associated with this pod failed: GCE out of resources. Pod is at risk of not being scheduled.";
    is_told(&kube, "FailedScaleUp", text).await;
    is_told(&kube, "NotTriggerScaleUp", "1 in backoff after failed scale-up").await;
    // Machines alone do not help: the autoscaler looks again when its pause is over.
    local.cloud.order(&Order::RestockAll).expect("obeyed");
    local.cloud.clock().advance(Duration::from_millis(2900)).expect("moved on");
    has(&kube, "workers", &[("b", 1)]).await;
    // It doubles with every failure, up to half an hour on Google's clock.
    local.cloud.clock().advance(Duration::from_secs(18)).expect("moved on");
    has(&kube, "workers", &[("a", 1), ("b", 1)]).await;
    local.cloud.clock().thaw().expect("running");
}
