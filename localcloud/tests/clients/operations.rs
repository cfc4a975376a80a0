//! Operations that wait, fail, stand in each other's way, and are given up.

use google_cloud_container_v1::client::ClusterManager;
use google_cloud_container_v1::model::operation::{Status, Type};
use google_cloud_container_v1::model::{NodePool, Operation, cluster, node_pool};
use google_cloud_gax::error::Error;
use localcloud::gke::{OperationFailure, Operations, Order};

use crate::gke::{LOCATION, MAIN, client, create, done, get, main_cluster, workers};
use crate::{Local, refusal};

fn of_type(kind: &str) -> Operations {
    Operations { kind: Some(kind.into()), cluster: None }
}

fn order(local: &Local, order: &Order) {
    local.cloud.order(order).expect("obeyed");
}

fn pool(name: &str) -> String {
    format!("{MAIN}/nodePools/{name}")
}

async fn create_pool(gke: &ClusterManager, name: &str) -> Result<Operation, Error> {
    let pool = NodePool::new().set_name(name).set_initial_node_count(1);
    gke.create_node_pool().set_parent(MAIN).set_node_pool(pool).send().await
}

async fn resize(gke: &ClusterManager, name: &str, nodes: i32) -> Result<Operation, Error> {
    gke.set_node_pool_size().set_name(pool(name)).set_node_count(nodes).send().await
}

async fn status(gke: &ClusterManager, operation: &Operation) -> Status {
    let name = format!("{LOCATION}/operations/{}", operation.name);
    gke.get_operation().set_name(name).send().await.expect("an operation").status
}

async fn pool_status(gke: &ClusterManager, name: &str) -> node_pool::Status {
    gke.get_node_pool().set_name(pool(name)).send().await.expect("a pool").status
}

#[tokio::test]
async fn a_held_operation_stays_as_it_is_over_hours_and_restarts_until_it_is_released() {
    let local = Local::start().await;
    order(&local, &Order::Hold(of_type("CREATE_CLUSTER")));
    let begun = create(&client(&local).await).await.expect("begun");
    local.cloud.clock().advance(std::time::Duration::from_hours(3)).expect("moved on");
    assert_eq!(status(&client(&local).await, &begun).await, Status::Running);

    let local = local.restart().await;
    let gke = client(&local).await;
    let name = format!("{LOCATION}/operations/{}", begun.name);
    let held = gke.get_operation().set_name(name).send().await.expect("an operation");
    assert_eq!(held.status, Status::Running);
    let progress: Vec<_> = held.progress.expect("progress").metrics;
    let of = |name: &str| {
        progress.iter().find(|metric| metric.name == name).and_then(|metric| metric.int_value().copied())
    };
    assert_eq!((of("CLUSTER_DEPLOYING"), of("CLUSTER_DEPLOYING_TOTAL")), (Some(10), Some(11)));
    assert_eq!(get(&gke).await.status, cluster::Status::Provisioning);
    let creating = format!(
        "Operation {} is currently creating cluster fx-main. Please wait and try again once it is done.",
        begun.name
    );
    assert_eq!(refusal(gke.delete_cluster().set_name(MAIN).send().await), (400, creating));

    order(&local, &Order::Release(of_type("CREATE_CLUSTER")));
    assert!(done(&gke, Ok(begun)).await.error.is_none());
    assert_eq!(get(&gke).await.status, cluster::Status::Running);
}

#[tokio::test]
async fn pools_come_five_at_a_time_and_change_one_at_a_time() {
    let local = Local::start().await;
    let gke = client(&local).await;
    done(&gke, create(&gke).await).await;
    order(&local, &Order::Hold(Operations::default()));
    let resizing = resize(&gke, "steady", 2).await.expect("begun");
    let changing = format!(
        "Operation {} is currently upgrading cluster fx-main. Please wait and try again once it is done.",
        resizing.name
    );
    assert_eq!(refusal(resize(&gke, "workers", 1).await), (400, changing));
    let mut begun = vec![resizing];
    for name in ["a", "b", "c", "d"] {
        begun.push(create_pool(&gke, name).await.expect("begun"));
    }
    let text = "Too many operations: cluster \"fx-main\" hits the concurrent operations quota 5, please try again later.";
    assert_eq!(refusal(create_pool(&gke, "e").await), (429, text.into()));
    // A change of the whole cluster waits for all of them.
    assert_eq!(refusal(gke.delete_cluster().set_name(MAIN).send().await).0, 400);

    order(&local, &Order::ReleaseAll);
    for operation in begun {
        assert!(done(&gke, Ok(operation)).await.error.is_none());
    }
    assert_eq!(get(&gke).await.node_pools.len(), 6);
    done(&gke, create_pool(&gke, "e").await).await;
}

#[tokio::test]
async fn an_operation_that_is_to_fail_is_done_with_an_error_and_leaves_its_mark() {
    let local = Local::start().await;
    let gke = client(&local).await;
    let fail = |kind: &str| {
        let failure = OperationFailure {
            operations: of_type(kind),
            code: 13,
            message: "Internal error.".into(),
            times: 1,
        };
        order(&local, &Order::Fail(failure));
    };
    fail("CREATE_CLUSTER");
    let failed = done(&gke, create(&gke).await).await;
    let error = failed.error.expect("an error");
    assert_eq!((failed.status, error.code, error.message.as_str()), (Status::Done, 13, "Internal error."));
    let broken = get(&gke).await;
    assert_eq!(broken.status, cluster::Status::Error);
    assert_eq!(broken.conditions[0].message, "Internal error.");
    let text = "Cluster is currently being created, deleted, updated or repaired and cannot be updated.";
    assert_eq!(refusal(create_pool(&gke, "a").await), (400, text.into()));
    done(&gke, gke.delete_cluster().set_name(MAIN).send().await).await;

    done(&gke, create(&gke).await).await;
    fail("CREATE_NODE_POOL");
    assert!(done(&gke, create_pool(&gke, "a").await).await.error.is_some());
    assert_eq!(pool_status(&gke, "a").await, node_pool::Status::Error);
    assert_eq!(get(&gke).await.status, cluster::Status::Running);
    fail("SET_NODE_POOL_SIZE");
    assert!(done(&gke, resize(&gke, "steady", 3).await).await.error.is_some());
    assert_eq!(pool_status(&gke, "steady").await, node_pool::Status::RunningWithError);
    // Once is once: the same call again makes it whole.
    assert!(done(&gke, resize(&gke, "steady", 3).await).await.error.is_none());
    assert_eq!(pool_status(&gke, "steady").await, node_pool::Status::Running);
    done(&gke, gke.delete_node_pool().set_name(pool("a")).send().await).await;
}

#[tokio::test]
async fn an_upgrade_that_is_cancelled_is_aborted_and_changes_nothing() {
    let local = Local::start().await;
    let gke = client(&local).await;
    done(&gke, create(&gke).await).await;
    order(&local, &Order::Hold(of_type("UPGRADE_NODES")));
    let begun =
        gke.update_node_pool().set_name(pool("workers")).set_machine_type("e2-standard-8").send().await;
    let begun = begun.expect("begun");
    assert_eq!(begun.operation_type, Type::UpgradeNodes);
    let name = format!("{LOCATION}/operations/{}", begun.name);
    local.cloud.clock().freeze().expect("stopped");
    gke.cancel_operation().set_name(&name).send().await.expect("cancelled");
    assert_eq!(status(&gke, &begun).await, Status::Aborting);
    local.cloud.clock().thaw().expect("running");
    let ended = done(&gke, Ok(begun)).await;
    assert_eq!(ended.error.expect("an error").code, 1);
    let pool = gke.get_node_pool().set_name(pool("workers")).send().await.expect("a pool");
    let machine = pool.config.expect("a config").machine_type;
    assert_eq!((machine.as_str(), pool.status), ("e2-medium", node_pool::Status::Running));
    let again = refusal(gke.cancel_operation().set_name(&name).send().await);
    assert_eq!(again.0, 400);
}

#[tokio::test]
async fn limits_are_per_zone_or_totals_but_not_both() {
    let local = Local::start().await;
    let gke = client(&local).await;
    let refused = async |set: fn(NodePool) -> NodePool| {
        let cluster = main_cluster().set_node_pools([set(workers(4))]);
        refusal(gke.create_cluster().set_parent(LOCATION).set_cluster(cluster).send().await)
    };
    let both = refused(|mut pool| {
        pool.autoscaling.as_mut().expect("limits").max_node_count = 2;
        pool
    });
    let text = "Node_pool_autoscaling.max_node_count and node_pool_autoscaling.total_max_node_count cannot be both greater than zero.";
    assert_eq!(both.await, (400, text.into()));
    let none = refused(|mut pool| {
        pool.autoscaling.as_mut().expect("limits").total_max_node_count = 0;
        pool
    });
    let text = "Node_pool_autoscaling.max_node_count and node_pool_autoscaling.total_max_node_count cannot be both set to zero.";
    assert_eq!(none.await, (400, text.into()));
}
