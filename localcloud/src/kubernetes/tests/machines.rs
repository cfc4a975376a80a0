//! What only machines do: run out of memory, lose their power, stop.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod, PodStatus};
use kube::api::{ListParams, LogParams, PostParams};
use serde_json::{Value, json};

use super::super::kubelet;
use super::cluster::{Scene, fixed, on_spot, spot, until};
use super::jobs::running;

async fn run(scene: &Scene, pod: Value) {
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    scene.pods().create(&PostParams::default(), &pod).await.expect("a pod");
}

fn pod(name: &str, command: &str, container: &Value) -> Value {
    let mut main = json!({"name": "main", "image": "any", "command": ["/bin/sh", "-c", command]});
    for (field, value) in container.as_object().into_iter().flatten() {
        main[field] = value.clone();
    }
    json!({"metadata": {"name": name}, "spec": {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [main]}})
}

async fn status(scene: &Scene, name: &str) -> PodStatus {
    scene.pods().get(name).await.expect("the pod").status.unwrap_or_default()
}

async fn ended(scene: &Scene, name: &str) -> ContainerStateTerminated {
    until(&format!("{name} has ended"), async || {
        let status = status(scene, name).await;
        let containers = status.container_statuses.clone().unwrap_or_default();
        let state = containers.into_iter().next().and_then(|container| container.state);
        state.and_then(|state| state.terminated).ok_or(status)
    })
    .await
}

async fn waits(scene: &Scene, name: &str, reason: &str) -> String {
    until(&format!("{name} waits: {reason}"), async || {
        let status = status(scene, name).await;
        let containers = status.container_statuses.clone().unwrap_or_default();
        let state = containers.into_iter().next().and_then(|container| container.state);
        let waiting = state.and_then(|state| state.waiting);
        let found = waiting.filter(|waiting| waiting.reason.as_deref() == Some(reason));
        found.map(|waiting| waiting.message.unwrap_or_default()).ok_or(status)
    })
    .await
}

/// The processes that have a text in their environment.
fn processes_with(marker: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let found = entries.filter(|entry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(marker)
    });
    found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

async fn nobody_with(marker: &str) {
    until("its processes are gone", async || {
        let left = processes_with(marker);
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

/// Takes memory without end, from another process group, beside a process that takes none.
const GREEDY: &str = "sleep 1000 & setsid sleep 1000 & echo begun; tail /dev/zero; echo survived";

#[tokio::test]
async fn a_container_that_wants_too_much_memory_dies_whole_as_oom_killed() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let marker = format!("MARKER=oom-{}", std::process::id());
    let limited = json!({
        "resources": {"limits": {"memory": "48Mi"}},
        "env": [{"name": "MARKER", "value": marker.trim_start_matches("MARKER=")}],
    });
    let pods = scene.folder.path().join("clusters/main/pods");
    let groups = kubelet::control_groups(&pods);
    if groups.is_none() {
        eprintln!(
            "SKIPPED: memory limits by control groups (none can be made here); they are watched instead"
        );
    }
    let command = if groups.is_some() { GREEDY } else { "sleep 1000 & echo begun; tail /dev/zero" };
    run(&scene, pod("greedy", command, &limited)).await;
    let end = ended(&scene, "greedy").await;
    assert_eq!((end.exit_code, end.reason.as_deref()), (137, Some("OOMKilled")));
    let log = scene.pods().logs("greedy", &LogParams::default()).await.expect("a log");
    assert_eq!(log, "begun\n", "what it said is kept, and the shell died with its child");
    assert_eq!(status(&scene, "greedy").await.phase.as_deref(), Some("Failed"));
    nobody_with(&marker).await;

    // The same without want, beside it: exit codes and signals are its own.
    run(&scene, pod("modest", "kill -TERM $$$$", &json!({"resources": {"limits": {"memory": "48Mi"}}})))
        .await;
    let end = ended(&scene, "modest").await;
    assert_eq!((end.exit_code, end.reason.as_deref()), (143, Some("Error")));
    assert_eq!(kubelet::control_groups(&pods), groups, "a container's group goes with it");
}

#[tokio::test]
async fn a_container_is_starved_on_demand() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    run(&scene, pod("patient", "sleep 1000", &json!({}))).await;
    until("it runs", async || {
        let status = status(&scene, "patient").await;
        if status.phase.as_deref() == Some("Running") { Ok(()) } else { Err(status) }
    })
    .await;
    until("it is starved", async || {
        if scene.cluster.starve("default", "patient", Some("main")) { Ok(()) } else { Err(()) }
    })
    .await;
    let end = ended(&scene, "patient").await;
    assert_eq!((end.exit_code, end.reason.as_deref()), (137, Some("OOMKilled")));
    until("it is known to have ended", async || {
        if scene.cluster.starve("default", "patient", None) { Err(()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn a_broken_image_is_pulled_again_and_again_until_it_is_mended() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let image = "europe-docker.pkg.dev/fx/worker:nope".to_owned();
    let broken = super::super::BrokenImage { image: image.clone(), error: None };
    scene.cluster.break_images(vec![broken]);
    run(&scene, pod("imageless", "echo hello", &json!({"image": image}))).await;
    waits(&scene, "imageless", "ImagePullBackOff").await;
    let events = scene.events().await;
    for told in [
        format!("Pulling: Pulling image \"{image}\""),
        format!(
            "Failed: Failed to pull image \"{image}\": rpc error: code = NotFound desc = failed to pull and unpack \
             image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"
        ),
        "Failed: Error: ErrImagePull".to_owned(),
        format!("BackOff: Back-off pulling image \"{image}\""),
        "Failed: Error: ImagePullBackOff".to_owned(),
    ] {
        assert!(events.contains(&told), "{told}: {events:?}");
    }
    scene.cluster.break_images(vec![]);
    assert_eq!(ended(&scene, "imageless").await.exit_code, 0);
}

#[tokio::test]
async fn a_missing_secret_keeps_a_container_from_being_made_until_it_is_there() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let needs =
        json!({"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "one"}}}]});
    run(&scene, pod("waiting", "echo $KEY", &needs)).await;
    assert_eq!(waits(&scene, "waiting", "CreateContainerConfigError").await, "secret \"keys\" not found");
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::default_namespaced(scene.client.clone());
    let secret = json!({"metadata": {"name": "keys"}, "stringData": {"one": "secret"}});
    let secret = serde_json::from_value(secret).expect("a secret");
    secrets.create(&PostParams::default(), &secret).await.expect("a secret");
    assert_eq!(ended(&scene, "waiting").await.exit_code, 0);
    let log = scene.pods().logs("waiting", &LogParams::default()).await.expect("a log");
    assert_eq!(log, "secret\n");
}

#[tokio::test]
async fn a_node_without_power_says_nothing_and_is_given_up_with_its_pods() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![spot("workers", 1)]).await;
    let marker = format!("MARKER=power-{}", std::process::id());
    let container = json!({"containers": [{"name": "main", "command": ["/bin/sh", "-c", "trap '' TERM; sleep 1000"],
        "env": [{"name": "MARKER", "value": marker.trim_start_matches("MARKER=")}]}]});
    let mut spec = on_spot();
    spec["template"]["spec"]["containers"] = container["containers"].clone();
    spec["podReplacementPolicy"] = "Failed".into();
    spec["podFailurePolicy"] = json!({"rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]});
    spec["backoffLimit"] = 0.into();
    scene.job("cut", "", spec).await;
    let before = until("a pod runs", async || running(&scene, "cut").await).await;
    let node = before.spec.as_ref().and_then(|spec| spec.node_name.clone()).expect("a node");
    scene.clock.freeze().expect("stopped");
    scene.cluster.cut_power(&node).expect("cut");
    nobody_with(&marker).await;
    let name = before.metadata.name.clone().expect("a name");
    let unaware = status(&scene, &name).await;
    assert_eq!(
        (unaware.phase.as_deref(), unaware.conditions),
        (Some("Running"), before.status.and_then(|s| s.conditions))
    );

    scene.clock.advance(Duration::from_millis(501)).expect("moved on");
    until("the node is unknown", async || {
        let node = scene.nodes().get(&node).await.expect("the node");
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
        let ready = ready.expect("a condition");
        let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        let is_tainted = taints
            .iter()
            .any(|taint| taint.key == "node.kubernetes.io/unreachable" && taint.effect == "NoExecute");
        let told = (ready.status.as_str(), ready.reason.as_deref(), is_tainted);
        if told == ("Unknown", Some("NodeStatusUnknown"), true) { Ok(()) } else { Err(format!("{ready:?}")) }
    })
    .await;
    scene.clock.thaw().expect("running");
    until("the pod has failed", async || {
        let status = status(&scene, &name).await;
        let conditions = status.conditions.clone().unwrap_or_default();
        let is_disrupted = conditions.iter().any(|condition| {
            condition.type_ == "DisruptionTarget" && condition.reason.as_deref() == Some("DeletionByPodGC")
        });
        if is_disrupted && status.phase.as_deref() == Some("Failed") { Ok(()) } else { Err(status) }
    })
    .await;
    let again = until("another pod runs", async || {
        let pod = running(&scene, "cut").await?;
        if pod.metadata.name.as_ref() == Some(&name) { Err(format!("{pod:?}")) } else { Ok(pod) }
    })
    .await;
    assert_ne!(again.spec.and_then(|spec| spec.node_name).as_ref(), Some(&node));
    let gone = scene.nodes().list(&ListParams::default()).await.expect("nodes");
    assert!(gone.items.iter().all(|other| other.metadata.name.as_ref() != Some(&node)));
}

#[tokio::test]
async fn a_node_about_to_be_preempted_is_tainted_and_says_that_it_shuts_down() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![spot("workers", 1)]).await;
    scene.job("slow", "trap 'sleep 1000' TERM; touch slow; while :; do sleep 0.05; done", on_spot()).await;
    until("it has begun", async || if scene.folder.path().join("slow").exists() { Ok(()) } else { Err(()) })
        .await;
    scene.clock.freeze().expect("stopped");
    let nodes = scene.cluster.preempt(None, None).await.expect("preempted");
    let node = scene.nodes().get(&nodes[0]).await.expect("the node");
    let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    let warned = taints.iter().any(|taint| {
        taint.key == "cloud.google.com/impending-node-termination" && taint.effect == "NoSchedule"
    });
    assert!(warned, "{taints:?}");
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready").expect("a condition");
    assert_eq!((ready.status.as_str(), ready.message.as_deref()), ("False", Some("node is shutting down")));
    // The pod asked for five seconds; a Spot node would give fifteen at most.
    scene.clock.advance(Duration::from_millis(4900)).expect("moved on");
    assert!(running(&scene, "slow").await.is_ok());
    scene.clock.advance(Duration::from_millis(200)).expect("moved on");
    until("it was killed", async || {
        let told = serde_json::to_string(&scene.pods_of("slow").await).unwrap_or_default();
        if told.contains("\"exitCode\":137") { Ok(()) } else { Err(told) }
    })
    .await;
    scene.clock.thaw().expect("running");
}

#[tokio::test]
async fn a_node_that_is_tainted_no_execute_loses_the_pods_that_do_not_tolerate_it() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let mut patient = pod("patient", "sleep 1000", &json!({}));
    patient["spec"]["tolerations"] =
        json!([{"key": "broken", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 100}]);
    let hasty = pod("hasty", "sleep 1000", &json!({}));
    for pod in [patient, hasty] {
        run(&scene, pod).await;
    }
    let runs = async |name: &str| {
        until("it runs", async || {
            let status = status(&scene, name).await;
            if status.phase.as_deref() == Some("Running") { Ok(()) } else { Err(status) }
        })
        .await;
    };
    runs("patient").await;
    runs("hasty").await;
    scene.clock.freeze().expect("stopped");
    let node = scene.nodes().list(&ListParams::default()).await.expect("nodes").items.remove(0);
    let taint = json!({"spec": {"taints": [{"key": "broken", "effect": "NoExecute"}]}});
    let name = node.metadata.name.expect("a name");
    scene
        .nodes()
        .patch(&name, &kube::api::PatchParams::default(), &kube::api::Patch::Merge(taint))
        .await
        .expect("tainted");
    let is_going = async |name: &str| {
        until("it is deleted", async || {
            let Ok(pod) = scene.pods().get(name).await else { return Ok(()) };
            let conditions = pod.status.and_then(|status| status.conditions).unwrap_or_default();
            let is_disrupted = conditions
                .iter()
                .any(|condition| condition.reason.as_deref() == Some("DeletionByTaintManager"));
            if pod.metadata.deletion_timestamp.is_some() && is_disrupted { Ok(()) } else { Err(conditions) }
        })
        .await;
    };
    is_going("hasty").await;
    assert_eq!(scene.pods().get("patient").await.expect("the pod").metadata.deletion_timestamp, None);
    scene.clock.advance(Duration::from_millis(1001)).expect("moved on");
    is_going("patient").await;
    scene.clock.thaw().expect("running");
}
