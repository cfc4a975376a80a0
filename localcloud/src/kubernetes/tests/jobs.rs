//! Jobs: run to the end, fail by rule, replaced when they are disturbed.

use k8s_openapi::api::batch::v1::CronJob;
use kube::Api;
use kube::api::{ListParams, LogParams, Patch, PatchParams};
use serde_json::json;

use super::cluster::{Scene, apply, fixed, until};

#[tokio::test]
async fn an_indexed_job_runs_each_index_once_and_completes() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 2)]).await;
    let spec = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 1000,
        "podReplacementPolicy": "Failed"});
    scene.job("three", "echo index $JOB_COMPLETION_INDEX; echo $PUBSUB_EMULATOR_HOST >&2", spec).await;
    let job = scene.job_is("three", "Complete").await;
    let status = job.status.expect("a status");
    assert_eq!((status.succeeded, status.failed), (Some(3), None));
    assert_eq!(status.completed_indexes.as_deref(), Some("0-2"));
    let pods = scene.pods_of("three").await;
    assert_eq!(pods.len(), 3, "finished pods are kept");
    for pod in pods {
        let index =
            pod.metadata.labels.as_ref().expect("labels")["batch.kubernetes.io/job-completion-index"].clone();
        let log = scene
            .pods()
            .logs(pod.metadata.name.as_deref().expect("a name"), &LogParams::default())
            .await
            .expect("a log");
        let mut lines: Vec<&str> = log.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["127.0.0.1:1", &format!("index {index}")]);
    }
}

#[tokio::test]
async fn a_worker_container_runs_the_worker_and_sees_only_its_own_environment() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let worker = json!({"template": {"spec": {"containers": [{"name": "main", "image": "any", "command": ["worker", "run"], "args": ["$(A)"],
        "env": [{"name": "A", "value": "x"}]}]}}});
    scene.job("worker", "", worker).await;
    scene.job("env", "env | cut -d= -f1 | sort | tr '\\n' ' '", json!({})).await;
    for (job, printed) in
        [("worker", "run x\n"), ("env", "HOME PATH PROVISION_LOCAL_ROOT PUBSUB_EMULATOR_HOST PWD TMPDIR ")]
    {
        scene.job_is(job, "Complete").await;
        let pods = scene.pods_of(job).await;
        let log = scene
            .pods()
            .logs(pods[0].metadata.name.as_deref().expect("a name"), &LogParams::default())
            .await
            .expect("a log");
        assert!(log == printed || log.replace("_ ", "") == printed, "{log:?}");
    }
}

#[tokio::test]
async fn a_bad_configuration_fails_the_job_at_once() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let spec = json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1000,
        "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [78]}}]}});
    scene.job("bad", "[ $JOB_COMPLETION_INDEX = 0 ] && exit 78; sleep 1000", spec).await;
    let job = scene.job_is("bad", "Failed").await;
    let conditions = job.status.expect("a status").conditions.expect("conditions");
    let failed = conditions.iter().find(|condition| condition.type_ == "Failed").expect("failed");
    assert_eq!(failed.reason.as_deref(), Some("PodFailurePolicy"));
    let message = failed.message.as_deref().unwrap_or_default();
    assert!(message.starts_with("Container main for pod default/bad-0-"), "{message}");
    assert!(message.ends_with(" failed with exit code 78 matching FailJob rule at index 0"), "{message}");
    assert!(scene.events().await.iter().any(|event| event.starts_with("PodFailurePolicy: ")));
}

#[tokio::test]
async fn an_ignored_exit_does_not_count_and_its_index_is_run_again() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let spec = json!({"completionMode": "Indexed", "completions": 1, "parallelism": 1, "backoffLimitPerIndex": 0,
        "podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [143]}}]}});
    // Kubernetes makes one dollar of two.
    scene.job("again", "[ -e again ] && exit 0; touch again; kill -TERM $$$$", spec).await;
    let status = scene.job_is("again", "Complete").await.status.expect("a status");
    assert_eq!((status.succeeded, status.failed), (Some(1), None));
    let codes: Vec<i32> = scene.pods_of("again").await.iter().map(exit_code).collect();
    assert_eq!(
        {
            let mut codes = codes;
            codes.sort_unstable();
            codes
        },
        [0, 143]
    );
}

#[tokio::test]
async fn a_job_gives_up_after_its_limit_and_an_index_after_its_own() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    scene.job("limit", "exit 1", json!({"backoffLimit": 1})).await;
    let per_index =
        json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1});
    scene.job("index", "exit $JOB_COMPLETION_INDEX", per_index).await;
    let limit = scene.job_is("limit", "Failed").await.status.expect("a status");
    assert_eq!(limit.failed, Some(2));
    let index = scene.job_is("index", "Failed").await.status.expect("a status");
    assert_eq!(index.completed_indexes.as_deref(), Some("0"));
    assert_eq!(index.failed_indexes.as_deref(), Some("1"));
    assert_eq!(index.failed, Some(2));
}

#[tokio::test]
async fn a_suspended_job_ends_its_pods_and_goes_on_when_it_is_resumed() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    scene.job("pause", "[ -e go ] || sleep 1000", json!({})).await;
    until("a pod runs", async || running(&scene, "pause").await).await;
    let suspend = |on: bool| kube::api::Patch::Merge(json!({"spec": {"suspend": on}}));
    scene.jobs().patch("pause", &kube::api::PatchParams::default(), &suspend(true)).await.expect("patched");
    scene.job_is("pause", "Suspended").await;
    until("no pods", async || if scene.pods_of("pause").await.is_empty() { Ok(()) } else { Err(()) }).await;
    std::fs::write(scene.folder.path().join("go"), "").expect("a file");
    scene.jobs().patch("pause", &kube::api::PatchParams::default(), &suspend(false)).await.expect("patched");
    let status = scene.job_is("pause", "Complete").await.status.expect("a status");
    assert_eq!(status.failed, None);
}

#[tokio::test]
async fn a_program_that_is_missing_is_told_in_the_pods_status_and_events() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let missing =
        json!({"template": {"spec": {"containers": [{"name": "main", "command": ["no-such-program"]}]}}});
    scene.job("missing", "", missing).await;
    until("the reason", async || {
        let pods = scene.pods_of("missing").await;
        let told = serde_json::to_string(&pods).unwrap_or_default();
        if told.contains("CreateContainerError") && told.contains("executable file not found in $PATH") {
            Ok(())
        } else {
            Err(told)
        }
    })
    .await;
    assert!(
        scene
            .events()
            .await
            .iter()
            .any(|event| event.starts_with("Failed: Error: exec: \"no-such-program\""))
    );
}

#[tokio::test]
async fn a_followed_log_gives_lines_as_they_come_and_ends_with_the_container() {
    use futures::{AsyncBufReadExt as _, StreamExt as _};
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    scene.job("talk", "echo one; until [ -e go ]; do sleep 0.05; done; echo two", json!({})).await;
    let pod = until("a pod runs", async || running(&scene, "talk").await).await;
    let follow = LogParams { follow: true, ..LogParams::default() };
    let name = pod.metadata.name.expect("a name");
    let log = scene.pods().log_stream(&name, &follow).await.expect("a log");
    let mut lines = Box::pin(log.lines());
    assert_eq!(lines.next().await.expect("a line").expect("text"), "one");
    std::fs::write(scene.folder.path().join("go"), "").expect("a file");
    assert_eq!(lines.next().await.expect("a line").expect("text"), "two");
    assert!(lines.next().await.is_none());
}

#[tokio::test]
async fn a_cron_job_that_is_due_makes_a_job_and_a_suspended_one_does_not() {
    let scene = Scene::start().await;
    let crons: Api<CronJob> = Api::default_namespaced(scene.client.clone());
    for (name, suspend) in [("due", false), ("template", true)] {
        let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": {
            "schedule": "* * * * *", "suspend": suspend, "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "main", "command": ["true"]}]}}}}}});
        apply(&crons, name, "test", cron).await.expect("a cron job");
        // It was last run in the past, so it is due now.
        let last = Patch::Merge(json!({"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}}));
        crons.patch_status(name, &PatchParams::default(), &last).await.expect("a status");
    }
    let made = until("a job", async || {
        let jobs = scene.jobs().list(&ListParams::default()).await.expect("jobs").items;
        if jobs.is_empty() { Err(()) } else { Ok(jobs) }
    })
    .await;
    let owners: Vec<_> = made.iter().flat_map(|job| job.metadata.owner_references.iter().flatten()).collect();
    assert!(owners.iter().all(|owner| owner.name == "due" && owner.controller == Some(true)), "{owners:?}");
    assert_eq!(owners.len(), made.len());
}

fn exit_code(pod: &k8s_openapi::api::core::v1::Pod) -> i32 {
    let statuses =
        pod.status.as_ref().and_then(|status| status.container_statuses.as_ref()).expect("statuses");
    let state = statuses[0].state.as_ref().and_then(|state| state.terminated.as_ref());
    state.expect("an end").exit_code
}

pub(super) async fn running(scene: &Scene, job: &str) -> Result<k8s_openapi::api::core::v1::Pod, String> {
    let pods = scene.pods_of(job).await;
    let seen = format!("{pods:?}");
    let is_running = |pod: &k8s_openapi::api::core::v1::Pod| {
        pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
    };
    pods.into_iter().find(is_running).ok_or(seen)
}

#[tokio::test]
async fn what_an_init_container_leaves_in_a_volume_is_there_for_those_after_it() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let mount = json!([{"name": "shared", "mountPath": "/shared"}]);
    let shell = |script: &str| json!(["/bin/sh", "-c", script, "/shared/program"]);
    let script = "test -e $0 && exit 3; printf '#!/bin/sh\necho \"ran with $1 as $HOME\"' > $0; chmod +x $0";
    let spec = json!({"backoffLimit": 0, "template": {"spec": {
        "volumes": [{"name": "shared", "emptyDir": {}}],
        "initContainers": [{"name": "install", "command": shell(script), "volumeMounts": mount}],
        "containers": [{"name": "main", "command": ["/shared/program"], "args": ["/shared/x"], "volumeMounts": mount,
            "env": [{"name": "HOME", "value": "/shared/home"}]}]}}});
    scene.job("carried", "", spec).await;
    scene.job_is("carried", "Complete").await;
    let pod = scene.pods_of("carried").await.remove(0);
    let (name, uid) = (pod.metadata.name.expect("a name"), pod.metadata.uid.expect("a uid"));
    let log = scene.pods().logs(&name, &kube::api::LogParams::default()).await.expect("a log");
    let volume = scene.folder.path().join("clusters/main/pods").join(uid).join("volumes/shared");
    let place = volume.display();
    assert_eq!(log, format!("ran with {place}/x as {place}/home\n"));
}

#[tokio::test]
async fn a_container_takes_along_what_left_its_process_group() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let script = "setsid sh -c 'echo $$ > stray; exec sleep 1000' & until test -s stray; do sleep 0.01; done";
    scene.job("leaves", script, json!({})).await;
    scene.job_is("leaves", "Complete").await;
    let stray = std::fs::read_to_string(scene.folder.path().join("stray")).expect("a process");
    until("it is gone", async || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", stray.trim())).unwrap_or_default();
        let is_gone = stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['Z', 'X']));
        if is_gone { Ok(()) } else { Err(stat) }
    })
    .await;
}
