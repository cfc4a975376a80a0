//! Server-side apply, and what the other writes refuse.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy};
use serde_json::{Value, json};

use super::cluster::{Scene, apply, fixed, job, until};

fn refusal<T: std::fmt::Debug>(result: kube::Result<T>) -> (u16, String, String) {
    match result.expect_err("a refusal") {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("not a refusal of the API: {other}"),
    }
}

fn cron_job(image: &str, suspend: Option<bool>) -> Value {
    let mut cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "fx", "labels": {"a": "b"}},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "worker", "image": image, "env": [{"name": "A", "value": "1"}]}]}}}}}});
    if let Some(suspend) = suspend {
        cron["spec"]["suspend"] = suspend.into();
    }
    cron
}

#[tokio::test]
async fn applying_twice_changes_nothing_and_what_is_given_up_is_removed() {
    let scene = Scene::start().await;
    let crons: Api<CronJob> = Api::default_namespaced(scene.client.clone());
    let first = apply(&crons, "fx", "provision", cron_job("i:1", Some(true))).await.expect("created");
    assert_eq!(first.spec.as_ref().and_then(|spec| spec.suspend), Some(true));
    assert_eq!(first.metadata.generation, Some(1));
    let second = apply(&crons, "fx", "provision", cron_job("i:1", Some(true))).await.expect("applied");
    assert_eq!(first.metadata.resource_version, second.metadata.resource_version);

    let third = apply(&crons, "fx", "provision", cron_job("i:2", None)).await.expect("applied");
    assert_eq!(third.metadata.generation, Some(2));
    assert_eq!(
        third.spec.as_ref().and_then(|spec| spec.suspend),
        Some(false),
        "left out, so back to the default"
    );
    let managers = third.metadata.managed_fields.expect("owners");
    assert_eq!(managers.len(), 1);
    assert_eq!(managers[0].operation.as_deref(), Some("Apply"));
}

#[tokio::test]
async fn a_field_of_another_manager_is_a_conflict_that_names_both() {
    let scene = Scene::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(scene.client.clone());
    let map = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": value}});
    apply(&maps, "m", "first", map("1")).await.expect("created");
    let (code, reason, message) = refusal(apply(&maps, "m", "second", map("2")).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert_eq!(message, "Apply failed with 1 conflict: conflict with \"first\": .data.k");

    let forced = maps
        .patch("m", &PatchParams::apply("second").force(), &Patch::Apply(map("2")))
        .await
        .expect("forced");
    assert_eq!(forced.data.expect("data")["k"], "2");
    // An ordinary write takes a field too, and then is the owner that an apply runs into.
    let patch = Patch::Merge(json!({"data": {"k": "3"}}));
    maps.patch("m", &PatchParams { field_manager: Some("editor".into()), ..PatchParams::default() }, &patch)
        .await
        .expect("patched");
    let (_, _, message) = refusal(apply(&maps, "m", "second", map("2")).await);
    assert!(
        message.starts_with("Apply failed with 1 conflict: conflict with \"editor\" using v1: "),
        "{message}"
    );
}

#[tokio::test]
async fn a_jobs_template_is_immutable_and_a_wrong_manifest_is_told_field_by_field() {
    let scene = Scene::start().await;
    scene.job("fixed", "true", json!({"suspend": true})).await;
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "new"}]}}}});
    let patched = scene.jobs().patch("fixed", &PatchParams::default(), &Patch::Strategic(patch)).await;
    let (code, reason, message) = refusal(patched);
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    assert!(
        message.starts_with("Job.batch \"fixed\" is invalid: spec.template: Invalid value: "),
        "{message}"
    );
    assert!(message.ends_with(": field is immutable"), "{message}");

    let mut wrong = job("Wrong_Name", "true", json!({}));
    wrong.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()).expect("a spec").restart_policy = None;
    let (code, _, message) = refusal(scene.jobs().create(&PostParams::default(), &wrong).await);
    assert_eq!(code, 422);
    assert!(
        message.contains("metadata.name: Invalid value: \"Wrong_Name\": a lowercase RFC 1123 subdomain"),
        "{message}"
    );
    assert!(
        message.contains(
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""
        ),
        "{message}"
    );

    let unknown = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": {"template": {}, "foo": 1}});
    let strict = PatchParams::apply("test").validation_strict();
    let (code, _, message) = refusal(scene.jobs().patch("x", &strict, &Patch::Apply(unknown)).await);
    assert_eq!(code, 500);
    assert!(message.contains(".spec.foo: field not declared in schema"), "{message}");
}

#[tokio::test]
async fn a_stale_update_is_a_conflict_and_a_second_create_already_exists() {
    let scene = Scene::start().await;
    let made = scene.job("one", "true", json!({"suspend": true})).await;
    let (code, reason, message) =
        refusal(scene.jobs().create(&PostParams::default(), &job("one", "true", json!({}))).await);
    assert_eq!(
        (code, reason.as_str(), message.as_str()),
        (409, "AlreadyExists", "jobs.batch \"one\" already exists")
    );

    let mut newer = scene.jobs().get("one").await.expect("the job");
    newer.spec.as_mut().expect("a spec").parallelism = Some(2);
    scene.jobs().replace("one", &PostParams::default(), &newer).await.expect("replaced");
    let (code, reason, _) = refusal(scene.jobs().replace("one", &PostParams::default(), &made).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    scene.jobs().create(&dry, &job("dry", "true", json!({}))).await.expect("a dry run");
    assert_eq!(refusal(scene.jobs().get("dry").await).0, 404);
}

#[tokio::test]
async fn a_deleted_namespace_takes_its_content_with_it() {
    let scene = Scene::start().await;
    scene.cluster.set_pools(vec![fixed("steady", 1)]).await;
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fx"}});
    apply(&namespaces, "fx", "test", namespace).await.expect("a namespace");
    let accounts: Api<ServiceAccount> = Api::namespaced(scene.client.clone(), "fx");
    until("the default account", async || accounts.get("default").await).await;
    let jobs: Api<Job> = Api::namespaced(scene.client.clone(), "fx");
    jobs.create(&PostParams::default(), &job("long", "sleep 1000", json!({}))).await.expect("a job");
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), "fx");
    until("the pod runs", async || {
        let pods = pods.list(&ListParams::default()).await.expect("pods").items;
        if pods
            .iter()
            .any(|pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running"))
        {
            Ok(())
        } else {
            Err(pods)
        }
    })
    .await;
    namespaces.delete("fx", &DeleteParams::default()).await.expect("deleted");
    until("the namespace is gone", async || match namespaces.get_opt("fx").await.expect("an answer") {
        None => Ok(()),
        Some(left) => Err(left),
    })
    .await;
    assert!(pods.list(&ListParams::default()).await.expect("pods").items.is_empty());
}

#[tokio::test]
async fn a_deleted_jobs_pods_go_or_stay_as_the_policy_says() {
    let scene = Scene::start().await;
    for name in ["gone", "kept", "waits"] {
        scene.job(name, "sleep 1000", json!({})).await;
        until("a pod", async || if scene.pods_of(name).await.is_empty() { Err(()) } else { Ok(()) }).await;
    }
    let background =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
    scene.jobs().delete("gone", &background).await.expect("deleted");
    scene.jobs().delete("kept", &DeleteParams::default()).await.expect("deleted");
    let foreground =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    scene.jobs().delete("waits", &foreground).await.expect("deleted");
    for name in ["gone", "waits"] {
        until(
            "its pods are gone",
            async || if scene.pods_of(name).await.is_empty() { Ok(()) } else { Err(name) },
        )
        .await;
    }
    until("its owner is gone", async || match scene.jobs().get_opt("waits").await.expect("an answer") {
        None => Ok(()),
        Some(job) => Err(job),
    })
    .await;
    let kept = scene.pods_of("kept").await;
    assert_eq!(kept.len(), 1, "a Job's pods are orphaned by default");
    until("the pod is nobody's", async || {
        let pods = scene.pods_of("kept").await;
        if pods[0].metadata.owner_references.iter().flatten().next().is_none()
            && pods[0].metadata.finalizers.iter().flatten().next().is_none()
        {
            Ok(())
        } else {
            Err(pods)
        }
    })
    .await;
}
