//! Server-side apply.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::session::{APPLY, Ask, MERGE, Session};
use super::objects::{map, merge};

fn job(name: &str, spec: Value) -> Value {
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {
        "suspend": true,
        "template": {"spec": {"restartPolicy": "Never", "automountServiceAccountToken": false,
            "containers": [{"name": "main", "image": "img"}]}}}});
    merge(&mut job["spec"], spec);
    job
}

pub(super) async fn ownership(s: &mut Session) {
    s.apply("configmaps/a?fieldManager=one", map("a", json!({"x": "1", "y": "2"}))).await;
    s.apply("configmaps/a?fieldManager=one", map("a", json!({"x": "1", "y": "2"}))).await;
    s.apply("configmaps/a?fieldManager=two", map("a", json!({"z": "3"}))).await;
    s.patch(MERGE, "configmaps/a?fieldManager=three", json!({"data": {"x": "9"}})).await;
    s.patch(MERGE, "configmaps/a", json!({"metadata": {"labels": {"by": "agent"}}})).await;
    s.put("configmaps/a?fieldManager=four", map("a", json!({"x": "9", "w": "0"}))).await;
    s.get("configmaps/a").await;
    s.patch(MERGE, "configmaps/a?fieldManager=five", json!({"metadata": {"managedFields": [{}]}})).await;
    s.apply("configmaps/a?fieldManager=one", map("a", json!({"x": "9"}))).await;
}

pub(super) async fn conflicts(s: &mut Session) {
    s.apply("configmaps/a?fieldManager=one", map("a", json!({"x": "1", "y": "2", "z": "3"}))).await;
    s.apply("configmaps/a?fieldManager=two", map("a", json!({"x": "7"}))).await;
    s.apply("configmaps/a?fieldManager=two", map("a", json!({"x": "7", "y": "8"}))).await;
    s.patch(MERGE, "configmaps/a?fieldManager=three", json!({"data": {"z": "4"}})).await;
    s.apply("configmaps/a?fieldManager=two", map("a", json!({"x": "7", "y": "8", "z": "9"}))).await;
    s.apply("configmaps/a?fieldManager=two&force=true", map("a", json!({"x": "7", "y": "8"}))).await;
    s.apply("configmaps/a?fieldManager=one", map("a", json!({"x": "1", "y": "2", "z": "3"}))).await;
    s.apply("configmaps/a?fieldManager=one&force=true&dryRun=All", map("a", json!({"x": "1"}))).await;
    s.get("configmaps/a").await;
}

pub(super) async fn shared_fields(s: &mut Session) {
    s.apply("configmaps/a?fieldManager=one", map("a", json!({"x": "1", "y": "2"}))).await;
    s.apply("configmaps/a?fieldManager=two", map("a", json!({"x": "1"}))).await;
    s.apply("configmaps/a?fieldManager=one", map("a", json!({"y": "2"}))).await;
    s.apply("configmaps/a?fieldManager=two", map("a", json!({}))).await;
    s.apply(
        "configmaps/a?fieldManager=one",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}),
    )
    .await;
}

pub(super) async fn given_up(s: &mut Session) {
    let mut full =
        job("a", json!({"parallelism": 2, "ttlSecondsAfterFinished": 60, "activeDeadlineSeconds": 9}));
    full["metadata"]["labels"] = json!({"app": "x", "tier": "y"});
    full["metadata"]["annotations"] = json!({"note": "n"});
    full["metadata"]["finalizers"] = json!(["example.com/a"]);
    s.apply("jobs/a?fieldManager=one", full.clone()).await;
    full["metadata"] = json!({"name": "a", "labels": {"app": "x"}});
    full["spec"].as_object_mut().expect("a spec").remove("ttlSecondsAfterFinished");
    full["spec"].as_object_mut().expect("a spec").remove("parallelism");
    s.apply("jobs/a?fieldManager=one", full.clone()).await;
    full["spec"].as_object_mut().expect("a spec").remove("suspend");
    full["spec"]["suspend"] = Value::Null;
    s.apply("jobs/a?fieldManager=one&dryRun=All", full.clone()).await;
}

pub(super) async fn status_subresource(s: &mut Session) {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {
        "schedulerName": "nobody", "automountServiceAccountToken": false, "containers": [{"name": "main", "image": "img:1"}]}});
    s.apply("pods/a?fieldManager=one", pod).await;
    let status = |phase: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "status": {"phase": phase, "message": "m",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": null}]}})
    };
    s.apply("pods/a/status?fieldManager=kubelet", status("Running")).await;
    s.apply("pods/a/status?fieldManager=other", status("Failed")).await;
    s.apply("pods/a/status?fieldManager=other&force=true", status("Failed")).await;
    s.apply("pods/b/status?fieldManager=other", {
        let mut other = status("Failed");
        other["metadata"]["name"] = "b".into();
        other
    })
    .await;
    s.patch(
        MERGE,
        "pods/a/status?fieldManager=kubelet",
        json!({"status": {"reason": "Because"}, "spec": {"x": 1}}),
    )
    .await;
    s.get("pods/a/status").await;
}

pub(super) async fn lists(s: &mut Session) {
    let container = |name: &str, env: Value| json!({"name": name, "image": "img:1", "env": env});
    let pod = |containers: Value, more: Value| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
            "spec": {"schedulerName": "nobody", "automountServiceAccountToken": false, "containers": containers}});
        for (field, value) in more.as_object().into_iter().flatten() {
            pod["spec"][field] = value.clone();
        }
        pod
    };
    let x = json!([{"name": "X", "value": "1"}]);
    let ports = json!({"name": "main", "image": "img:1", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]});
    s.apply("pods/a?fieldManager=one&dryRun=All", pod(json!([container("main", x.clone()), container("side", json!([]))]),
        json!({"tolerations": [{"key": "k", "operator": "Exists"}], "volumes": [{"name": "v", "emptyDir": {}}],
            "nodeSelector": {"a": "b"}, "imagePullSecrets": [{"name": "s"}]}))).await;
    s.apply("pods/a?fieldManager=one&dryRun=All", pod(json!([ports]), json!({}))).await;
    let twice = json!([container("main", json!([{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]))]);
    s.apply("pods/a?fieldManager=one&dryRun=All", pod(twice, json!({}))).await;
    let nameless = json!([{"image": "img:1"}]);
    s.apply("pods/a?fieldManager=one&dryRun=All", pod(nameless, json!({}))).await;

    let cron = |manager: Value| {
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"}, "spec": {
            "schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": {"spec": manager}}}}})
    };
    let base = json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "img:1",
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "args": ["a", "b"]}],
        "tolerations": [{"key": "one", "operator": "Exists"}]});
    s.apply("cronjobs/c?fieldManager=one", cron(base)).await;
    let other = json!({"containers": [{"name": "main", "env": [{"name": "C", "value": "3"}, {"name": "A", "value": "1"}]}]});
    s.apply("cronjobs/c?fieldManager=two", cron(other.clone())).await;
    let mut clash = other;
    clash["containers"][0]["args"] = json!(["c"]);
    clash["tolerations"] = json!([{"key": "two", "operator": "Exists"}]);
    clash["containers"][0]["env"][0]["value"] = "4".into();
    clash["containers"][0]["env"][1]["value"] = "5".into();
    s.apply("cronjobs/c?fieldManager=two", cron(clash)).await;
    let fewer = json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "img:1", "env": [{"name": "B", "value": "2"}]}]});
    s.apply("cronjobs/c?fieldManager=one", cron(fewer)).await;
    let account = |manager: &str, names: &[&str]| {
        let secrets: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        (
            format!("serviceaccounts/s?fieldManager={manager}"),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "s", "finalizers": [format!("example.com/{manager}")]}, "imagePullSecrets": secrets}),
        )
    };
    for (manager, names) in [("one", &["a", "b"][..]), ("two", &["c"])] {
        let (path, body) = account(manager, names);
        s.apply(&path, body).await;
    }
}

pub(super) async fn defaults(s: &mut Session) {
    s.apply("jobs/a?fieldManager=one", job("a", json!({}))).await;
    s.apply(
        "jobs/b?fieldManager=one",
        job(
            "b",
            json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2,
        "backoffLimitPerIndex": 3, "podFailurePolicy": {"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [78]}}]}}),
        ),
    )
    .await;
    s.apply(
        "secrets/s?fieldManager=one",
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"a": "text"}, "data": {"b": "eHl6"}}),
    )
    .await;
    s.apply(
        "services/v?fieldManager=one",
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "v"},
        "spec": {"clusterIP": "None", "ports": [{"port": 80}], "selector": {"a": "b"}}}),
    )
    .await;
    s.apply(
        "serviceaccounts/t?fieldManager=one",
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "t"}}),
    )
    .await;
    s.apply(
        "/api/v1/namespaces/apply-defaults-2?fieldManager=one",
        json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "apply-defaults-2", "labels": {"a": "b"}}}),
    )
    .await;
    s.apply(
        "leases/l?fieldManager=one",
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
        "spec": {"holderIdentity": "me", "leaseDurationSeconds": 3}}),
    )
    .await;
    s.apply("cronjobs/c?fieldManager=one", json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"}, "spec": {
        "schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"completionMode": "Indexed", "completions": 1, "parallelism": 1,
            "template": {"spec": {"restartPolicy": "Never",
                "containers": [{"name": "main", "image": "img", "ports": [{"containerPort": 80}],
                    "env": [{"name": "P", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                    "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": 0.5}}}],
                "volumes": [{"name": "v", "secret": {"secretName": "s"}}, {"name": "w", "emptyDir": {"sizeLimit": "2048Mi"}}]}}}}}})).await;
}

pub(super) async fn errors(s: &mut Session) {
    s.apply("configmaps/a", map("a", json!({}))).await;
    s.apply("configmaps/b?fieldManager=one", map("a", json!({}))).await;
    s.apply("configmaps/a?fieldManager=one", json!({"metadata": {"name": "a"}})).await;
    s.apply(
        "configmaps/a?fieldManager=one",
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
    )
    .await;
    s.apply(
        "configmaps/a?fieldManager=one",
        json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}}),
    )
    .await;
    let mut managed = map("a", json!({}));
    managed["metadata"]["managedFields"] = json!([{"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}]);
    s.apply("configmaps/a?fieldManager=one", managed).await;
    let mut seen = map("a", json!({}));
    seen["metadata"]["resourceVersion"] = "5".into();
    s.apply("configmaps/a?fieldManager=one", seen.clone()).await;
    let mut with_uid = map("a", json!({}));
    with_uid["metadata"]["uid"] = "5".into();
    s.apply("configmaps/a?fieldManager=one", with_uid.clone()).await;
    s.quietly(Method::PATCH, APPLY, "configmaps/a?fieldManager=one", map("a", json!({"x": "1"}))).await;
    seen["data"]["x"] = "2".into();
    s.apply("configmaps/a?fieldManager=one", seen).await;
    s.apply("configmaps/a?fieldManager=one", with_uid).await;
    let mut elsewhere = map("a", json!({}));
    elsewhere["metadata"]["namespace"] = "elsewhere".into();
    s.apply("configmaps/a?fieldManager=one", elsewhere).await;
    s.apply("configmaps/a?fieldManager=one", map("a", json!({"x": 1}))).await;
    let mut unknown = map("a", json!({}));
    unknown["dta"] = json!({"x": "1"});
    s.apply("configmaps/a?fieldManager=one", unknown.clone()).await;
    s.apply("configmaps/a?fieldManager=one&fieldValidation=Strict", unknown.clone()).await;
    s.apply("configmaps/a?fieldManager=one&fieldValidation=Ignore", unknown).await;
    let long = "m".repeat(129);
    s.apply(&format!("configmaps/a?fieldManager={long}"), map("a", json!({}))).await;
    let broken = Ask::new(Method::PATCH, "configmaps/a?fieldManager=one").raw("{".into()).typed(APPLY);
    s.send(broken).await;
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  y: \"1\"\n  y: \"2\"\n";
    let yaml_twice = Ask::new(Method::PATCH, "configmaps/a?fieldManager=one&fieldValidation=Strict")
        .raw(yaml.into())
        .typed(APPLY);
    s.send(yaml_twice).await;
    let plain = Ask::new(Method::PATCH, "configmaps/a?fieldManager=one")
        .json(&map("a", json!({})))
        .typed("application/json");
    s.send(plain).await;
    s.apply("/api/v1/namespaces/nowhere/configmaps/a?fieldManager=one", map("a", json!({}))).await;
}
