//! Nodes: grown for pods, taken away when idle, preempted; and a cluster that is killed.

use kube::api::ListParams;
use serde_json::{Value, json};

use super::cluster::{Scene, fixed, on_spot, spot, until};
use super::jobs::running;

/// What a Job needs to run on Spot nodes, and more of its spec.
fn merged(mut into: Value, more: &Value) -> Value {
    for (field, value) in more.as_object().into_iter().flatten() {
        into[field] = value.clone();
    }
    into
}

#[tokio::test]
async fn a_pool_grows_from_zero_to_its_maximum_for_pending_pods_and_back_when_idle() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1), spot("workers", 2)]).await;
    let spec = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3});
    scene.job("wide", "until [ -e go ]; do sleep 0.1; done", merged(on_spot(), &spec)).await;
    let size = |ready: u32| {
        let pools = scene.cluster.pools();
        if pools[1].ready == ready && pools[1].nodes == ready { Ok(()) } else { Err(pools) }
    };
    until("two nodes", async || size(2)).await;
    let told = until("the third pod is told", async || {
        let events = scene.events().await;
        let pending = events.iter().any(|event| {
            event.starts_with("NotTriggerScaleUp: ") && event.contains("1 max node group size reached")
        });
        if pending { Ok(events) } else { Err(events) }
    })
    .await;
    assert!(
        told.iter()
            .any(|event| event.starts_with("TriggeredScaleUp: pod triggered scale-up: [{gke-main-workers-")),
        "{told:?}"
    );
    until("the third pod is refused by name", async || {
        let events = scene.events().await;
        let refused = events.iter().any(|event| {
            event.starts_with("FailedScheduling: 0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 node(s) didn't match pod anti-affinity rules.")
        });
        if refused { Ok(()) } else { Err(events) }
    })
    .await;
    std::fs::write(scene.folder.path().join("go"), "").expect("a file");
    scene.job_is("wide", "Complete").await;
    until("no nodes", async || size(0)).await;
    assert_eq!(scene.cluster.pools()[0].nodes, 1);
}

#[tokio::test]
async fn a_raised_minimum_adds_no_node_and_a_size_does_even_if_it_was_set_before() {
    let scene = Scene::start().await;
    let pool = |least: u32, size: u32| {
        let mut pool = spot("workers", 5);
        pool.autoscaling.as_mut().expect("autoscaled").min_nodes = least;
        vec![crate::kubernetes::Pool { initial_nodes: size, ..pool }]
    };
    let size = |nodes: u32| {
        let pools = scene.cluster.pools();
        if pools[0].nodes == nodes { Ok(()) } else { Err(pools) }
    };
    scene.cluster.set_pools(pool(0, 3)).await;
    until("the first nodes", async || size(3)).await;
    until("idle nodes go", async || size(0)).await;
    scene.cluster.set_pools(pool(3, 3)).await;
    assert_eq!(scene.cluster.pools()[0].nodes, 0);
    scene.cluster.resize("workers");
    assert_eq!(scene.cluster.pools()[0].nodes, 3);
}

#[tokio::test]
async fn a_preempted_nodes_pod_fails_as_a_disruption_and_its_index_is_replaced() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![spot("workers", 1)]).await;
    let spec = json!({"completionMode": "Indexed", "completions": 1, "parallelism": 1, "backoffLimitPerIndex": 0,
        "podReplacementPolicy": "Failed", "podFailurePolicy": {"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}});
    let command = "trap 'echo asked to stop; exit 143' TERM; [ -e once ] && exit 0; touch once; echo started; while :; do sleep 0.05; done";
    scene.job("spot", command, merged(on_spot(), &spec)).await;
    let pod = until("a pod runs", async || running(&scene, "spot").await).await;
    until("it has begun", async || if scene.folder.path().join("once").exists() { Ok(()) } else { Err(()) })
        .await;
    let nodes = scene.cluster.preempt(None, None).await.expect("preempted");
    assert_eq!(nodes, [pod.spec.expect("a spec").node_name.expect("a node")]);
    let status = scene.job_is("spot", "Complete").await.status.expect("a status");
    assert_eq!((status.succeeded, status.failed), (Some(1), None));
    let name = pod.metadata.name.expect("a name");
    let failed = scene.pods().get(&name).await.expect("the failed pod is kept").status.expect("a status");
    assert_eq!((failed.phase.as_deref(), failed.reason.as_deref()), (Some("Failed"), Some("Terminated")));
    let disrupted = failed
        .conditions
        .expect("conditions")
        .into_iter()
        .find(|condition| condition.type_ == "DisruptionTarget");
    assert_eq!(disrupted.expect("a condition").reason.as_deref(), Some("TerminationByKubelet"));
    let log = scene.pods().logs(&name, &kube::api::LogParams::default()).await.expect("a log");
    assert_eq!(log, "started\nasked to stop\n");
    let left = scene.nodes().list(&ListParams::default()).await.expect("nodes").items;
    assert!(
        left.iter().all(|node| node.metadata.name.as_ref() != Some(&nodes[0])),
        "the node is gone for good"
    );
}

#[tokio::test]
async fn a_pod_that_does_not_stop_is_killed_after_the_grace() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![spot("workers", 1)]).await;
    scene.job("deaf", "trap '' TERM; touch deaf; while :; do sleep 0.05; done", on_spot()).await;
    until("it has begun", async || if scene.folder.path().join("deaf").exists() { Ok(()) } else { Err(()) })
        .await;
    let grace = std::time::Duration::from_millis(200);
    scene.cluster.preempt(None, Some(grace)).await.expect("preempted");
    until("it was killed", async || {
        let pods = scene.pods_of("deaf").await;
        let told = serde_json::to_string(&pods).unwrap_or_default();
        if told.contains("\"exitCode\":137") { Ok(()) } else { Err(told) }
    })
    .await;
}

#[tokio::test]
async fn state_survives_a_restart_and_interrupted_pods_are_replaced() {
    let mut scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let spec = json!({"podFailurePolicy": {"rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}});
    scene.job("long", "[ -e go ] || sleep 1000", spec).await;
    let before = until("a pod runs", async || running(&scene, "long").await).await;
    let (endpoint, uid) = (scene.cluster.endpoint(), before.metadata.uid);
    std::fs::write(scene.folder.path().join("go"), "").expect("a file");
    scene.restart().await;
    assert_eq!(scene.cluster.endpoint(), endpoint);
    scene.job_is("long", "Complete").await;
    assert!(scene.pods_of("long").await.iter().any(|pod| pod.metadata.uid == uid));
    assert_eq!(scene.cluster.pools()[0].nodes, 1);
    scene.cluster.delete().await;
    assert!(!scene.folder.path().join("clusters/main").exists());
}
