//! Clusters, node pools and operations.

use std::time::{Duration, Instant};

use google_cloud_container_v1::client::ClusterManager;
use google_cloud_container_v1::model::operation::{Status, Type};
use google_cloud_container_v1::model::{
    Cluster, NodeConfig, NodePool, NodePoolAutoscaling, Operation, WorkloadIdentityConfig, cluster,
    node_pool, workload_metadata_config,
};
use google_cloud_gax::error::Error;

use crate::{Local, PROJECT, nobody, refusal};

pub(crate) const LOCATION: &str = "projects/fx-dev/locations/europe-west1-b";
pub(crate) const MAIN: &str = "projects/fx-dev/locations/europe-west1-b/clusters/fx-main";

pub(crate) async fn client(local: &Local) -> ClusterManager {
    ClusterManager::builder()
        .with_endpoint(local.url())
        .with_credentials(nobody())
        .build()
        .await
        .expect("a client")
}

pub(crate) fn workers(max: i32) -> NodePool {
    let autoscaling = NodePoolAutoscaling::new().set_enabled(true).set_total_max_node_count(max);
    NodePool::new()
        .set_name("workers")
        .set_config(NodeConfig::new().set_spot(true))
        .set_autoscaling(autoscaling)
}

pub(crate) fn main_cluster() -> Cluster {
    let steady = NodePool::new().set_name("steady").set_initial_node_count(1);
    Cluster::new().set_name("fx-main").set_node_pools([steady, workers(4)]).set_workload_identity_config(
        WorkloadIdentityConfig::new().set_workload_pool(format!("{PROJECT}.svc.id.goog")),
    )
}

pub(crate) async fn create(gke: &ClusterManager) -> Result<Operation, Error> {
    gke.create_cluster().set_parent(LOCATION).set_cluster(main_cluster()).send().await
}

pub(crate) async fn get(gke: &ClusterManager) -> Cluster {
    gke.get_cluster().set_name(MAIN).send().await.expect("a cluster")
}

/// Polls an operation to its end, as any client does.
pub(crate) async fn done(gke: &ClusterManager, begun: Result<Operation, Error>) -> Operation {
    let begun = begun.expect("an operation");
    let name = format!("{LOCATION}/operations/{}", begun.name);
    let since = Instant::now();
    loop {
        let operation = gke.get_operation().set_name(&name).send().await.expect("an operation");
        if operation.status == Status::Done {
            return operation;
        }
        assert!(since.elapsed() < Duration::from_mins(1), "{operation:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The main cluster, once it runs.
pub(crate) async fn running(local: &Local) -> Cluster {
    let gke = client(local).await;
    done(&gke, create(&gke).await).await;
    get(&gke).await
}

/// The main cluster that was there before.
pub(crate) async fn running_again(local: &Local) -> Cluster {
    get(&client(local).await).await
}

/// How many nodes GKE counts.
pub(crate) async fn nodes(local: &Local) -> i32 {
    #[allow(deprecated, reason = "the only place where GKE counts nodes")]
    get(&client(local).await).await.current_node_count
}

#[tokio::test]
async fn a_cluster_with_its_pools_is_made_by_one_call_that_takes_its_time() {
    let local = Local::start().await;
    let gke = client(&local).await;
    let begun = create(&gke).await.expect("begun");
    assert_eq!((begun.operation_type.clone(), begun.status != Status::Done), (Type::CreateCluster, true));
    assert_eq!(get(&gke).await.status, cluster::Status::Provisioning);
    let again = refusal(create(&gke).await);
    assert_eq!(again, (409, "Already exists: projects/fx-dev/zones/europe-west1-b/clusters/fx-main.".into()));
    let busy = refusal(gke.create_node_pool().set_parent(MAIN).set_node_pool(workers(1)).send().await);
    let text = "Cluster is currently being created, deleted, updated or repaired and cannot be updated.";
    assert_eq!(busy, (400, text.into()));

    let ended = done(&gke, Ok(begun)).await;
    assert!(ended.error.is_none() && !ended.end_time.is_empty(), "{ended:?}");
    let cluster = get(&gke).await;
    assert_eq!(cluster.status, cluster::Status::Running);
    assert!(cluster.endpoint.starts_with("127.0.0.1:"), "{}", cluster.endpoint);
    assert!(local.state().join("kubeconfig").exists());
}

#[tokio::test]
async fn what_nobody_said_is_filled_in_as_google_does() {
    let local = Local::start().await;
    let gke = client(&local).await;
    create(&gke).await.expect("begun");
    let cluster = get(&gke).await;
    assert_eq!(cluster.locations, ["europe-west1-b"]);
    assert_eq!((cluster.network.as_str(), cluster.release_channel.is_some()), ("default", true));
    let [steady, workers] = &cluster.node_pools[..] else { panic!("{:?}", cluster.node_pools) };
    let config = steady.config.as_ref().expect("a config");
    assert_eq!((config.machine_type.as_str(), config.disk_size_gb), ("e2-medium", 100));
    assert_eq!((config.image_type.as_str(), config.service_account.as_str()), ("COS_CONTAINERD", "default"));
    let metadata = config.workload_metadata_config.as_ref().expect("metadata").mode.clone();
    assert_eq!(metadata, workload_metadata_config::Mode::GkeMetadata);
    assert!(steady.management.as_ref().is_some_and(|m| m.auto_upgrade && m.auto_repair));
    let limits = workers.autoscaling.as_ref().expect("limits");
    assert_eq!((limits.total_max_node_count, limits.location_policy.name()), (4, Some("ANY")));
    assert!(workers.config.as_ref().is_some_and(|config| config.spot));
}

#[tokio::test]
async fn a_pool_is_resized_in_place_while_nothing_else_changes() {
    let local = Local::start().await;
    let gke = client(&local).await;
    done(&gke, create(&gke).await).await;
    let before = get(&gke).await;
    let limits = NodePoolAutoscaling::new().set_enabled(true).set_total_max_node_count(9);
    let pool = format!("{MAIN}/nodePools/workers");
    let begun = gke.set_node_pool_autoscaling().set_name(&pool).set_autoscaling(limits).send().await;
    assert_eq!(get(&gke).await.status, cluster::Status::Reconciling);
    let running = begun.as_ref().expect("begun").name.clone();
    let in_the_way = refusal(gke.delete_cluster().set_name(MAIN).send().await);
    let text = format!(
        "Operation {running} is currently upgrading cluster fx-main. Please wait and try again once it is done."
    );
    assert_eq!(in_the_way, (400, text));
    done(&gke, begun).await;

    let mut expected = before;
    let workers = &mut expected.node_pools[1];
    workers.autoscaling.as_mut().expect("limits").total_max_node_count = 9;
    let after = get(&gke).await;
    workers.etag = after.node_pools[1].etag.clone();
    expected.etag = after.etag.clone();
    assert_eq!(after, expected);
}

#[tokio::test]
async fn labels_need_the_fingerprint_that_was_read() {
    let local = Local::start().await;
    let gke = client(&local).await;
    done(&gke, create(&gke).await).await;
    let fingerprint = get(&gke).await.label_fingerprint;
    let set = async |fingerprint: &str| {
        let labels = [("managed-by", "provision")];
        gke.set_labels()
            .set_name(MAIN)
            .set_resource_labels(labels)
            .set_label_fingerprint(fingerprint)
            .send()
            .await
    };
    done(&gke, set(&fingerprint).await).await;
    let labelled = get(&gke).await;
    assert_eq!(labelled.resource_labels.get("managed-by").map(String::as_str), Some("provision"));
    assert_eq!(labelled.node_pools.len(), 2);
    assert_eq!(refusal(set(&fingerprint).await).0, 400);
}

#[tokio::test]
async fn pools_come_and_go_and_take_changes() {
    let local = Local::start().await;
    let gke = client(&local).await;
    done(&gke, create(&gke).await).await;
    let name = format!("{MAIN}/nodePools/extra");
    let extra = workers(3).set_name("extra");
    let begun = gke.create_node_pool().set_parent(MAIN).set_node_pool(extra).send().await;
    let provisioning = gke.get_node_pool().set_name(&name).send().await.expect("a pool");
    assert_eq!(provisioning.status, node_pool::Status::Provisioning);
    done(&gke, begun).await;
    let begun = gke.update_node_pool().set_name(&name).set_machine_type("e2-standard-4").send().await;
    assert_eq!(begun.as_ref().expect("begun").operation_type, Type::UpgradeNodes);
    done(&gke, begun).await;
    let pool = gke.get_node_pool().set_name(&name).send().await.expect("a pool");
    let config = pool.config.expect("a config");
    assert_eq!(
        (config.machine_type.as_str(), config.spot, pool.status),
        ("e2-standard-4", true, node_pool::Status::Running)
    );
    done(&gke, gke.delete_node_pool().set_name(&name).send().await).await;
    let gone = refusal(gke.get_node_pool().set_name(&name).send().await);
    assert_eq!(gone.0, 404);
}

#[tokio::test]
async fn impossible_pools_are_refused() {
    let local = Local::start().await;
    let gke = client(&local).await;
    let limits = |set: fn(NodePoolAutoscaling) -> NodePoolAutoscaling| {
        workers(0).set_autoscaling(set(NodePoolAutoscaling::new().set_enabled(true)))
    };
    let wrong = [
        limits(|limits| limits),
        limits(|limits| limits.set_min_node_count(3).set_max_node_count(2)),
        limits(|limits| limits.set_max_node_count(2).set_total_max_node_count(4)),
        workers(1).set_name("Upper"),
        workers(1).set_config(NodeConfig::new().set_spot(true).set_preemptible(true)),
        workers(1).set_config(NodeConfig::new().set_service_account("no@fx-dev.iam.gserviceaccount.com")),
        workers(1).set_locations(["us-central1-a"]),
    ];
    for pool in wrong {
        let cluster = main_cluster().set_node_pools([pool.clone()]);
        let refused = refusal(gke.create_cluster().set_parent(LOCATION).set_cluster(cluster).send().await);
        assert_eq!(refused.0, 400, "{pool:?}");
    }
    let elsewhere = main_cluster()
        .set_workload_identity_config(WorkloadIdentityConfig::new().set_workload_pool("x.svc.id.goog"));
    assert_eq!(refusal(gke.create_cluster().set_parent(LOCATION).set_cluster(elsewhere).send().await).0, 400);
}

#[tokio::test]
async fn a_restart_goes_on_with_what_was_under_way() {
    let local = Local::start().await;
    let begun = create(&client(&local).await).await.expect("begun");
    let local = local.restart().await;
    let gke = client(&local).await;
    done(&gke, Ok(begun)).await;
    let running = get(&gke).await;
    assert_eq!(running.status, cluster::Status::Running);
    let local = local.restart().await;
    let gke = client(&local).await;
    assert_eq!(get(&gke).await.status, cluster::Status::Running);

    done(&gke, gke.delete_cluster().set_name(MAIN).send().await).await;
    let gone = refusal(gke.get_cluster().set_name(MAIN).send().await);
    assert_eq!(gone, (404, "Not found: projects/fx-dev/zones/europe-west1-b/clusters/fx-main.".into()));
    let everywhere =
        gke.list_clusters().set_parent("projects/fx-dev/locations/-").send().await.expect("a list");
    assert!(everywhere.clusters.is_empty());
    let operations =
        gke.list_operations().set_parent("projects/fx-dev/locations/-").send().await.expect("a list");
    assert_eq!(operations.operations.len(), 2);
}
