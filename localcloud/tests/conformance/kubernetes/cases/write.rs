//! Create, replace, and the patches without owners; strict field validation; what a write answers.

use reqwest::Method;
use serde_json::json;

use super::super::session::{Ask, JSON, MERGE, STRATEGIC, Session};
use super::objects::{map, pod, suspended_job};

pub(super) async fn create_and_replace(s: &mut Session) {
    s.post("configmaps", map("a", json!({"x": "1"}))).await;
    s.post("configmaps", map("a", json!({"x": "1"}))).await;
    s.post("configmaps?dryRun=All", map("b", json!({"x": "1"}))).await;
    s.post("configmaps?dryRun=Some", map("b", json!({"x": "1"}))).await;
    s.get("configmaps/b").await;
    s.post("configmaps", json!({"metadata": {"generateName": "g-"}})).await;
    s.post("configmaps", json!({"metadata": {}})).await;
    s.post("configmaps", json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})).await;
    s.post("configmaps", json!({"apiVersion": "v7", "kind": "ConfigMap", "metadata": {"name": "s"}})).await;
    s.post("configmaps", json!({"metadata": {"name": "s", "namespace": "other"}})).await;
    s.post(
        "configmaps",
        json!({"metadata": {"name": "s", "uid": "1", "resourceVersion": "5", "generation": 7,
        "creationTimestamp": "2020-01-01T00:00:00Z", "deletionTimestamp": "2020-01-01T00:00:00Z"}}),
    )
    .await;
    s.post(
        "configmaps",
        json!({"metadata": {"name": "s", "uid": "1", "generation": 7,
        "creationTimestamp": "2020-01-01T00:00:00Z", "deletionTimestamp": "2020-01-01T00:00:00Z"}}),
    )
    .await;
    s.post("/api/v1/namespaces/nowhere/configmaps", map("a", json!({}))).await;
    let live = s.put("configmaps/a", map("a", json!({"x": "2"}))).await;
    let mut stale = live.clone();
    stale["data"]["x"] = "3".into();
    s.put("configmaps/a", stale.clone()).await;
    stale["data"]["x"] = "4".into();
    s.put("configmaps/a", stale.clone()).await;
    stale["metadata"]["resourceVersion"] = "nonsense".into();
    s.put("configmaps/a", stale.clone()).await;
    stale["metadata"].as_object_mut().expect("metadata").remove("resourceVersion");
    stale["metadata"]["uid"] = "11111111-1111-1111-1111-111111111111".into();
    s.put("configmaps/a", stale).await;
    s.put("configmaps/a", map("b", json!({}))).await;
    s.put("configmaps/new", map("new", json!({}))).await;
    s.put("configmaps/a", json!({"metadata": {}})).await;
    s.put("configmaps/a?dryRun=All", map("a", json!({"dry": "1"}))).await;
    s.get("configmaps/a").await;
}

pub(super) async fn patches(s: &mut Session) {
    s.quietly(Method::POST, "application/json", "configmaps", map("a", json!({"x": "1", "y": "2"}))).await;
    s.patch(MERGE, "configmaps/a", json!({"data": {"x": null, "z": "3"}})).await;
    s.patch(MERGE, "configmaps/a", json!({"data": {"z": "3"}})).await;
    s.patch(MERGE, "configmaps/a", json!([1])).await;
    s.patch(MERGE, "configmaps/a", json!({"data": {"z": 3}})).await;
    s.patch(MERGE, "configmaps/a", json!({"metadata": {"resourceVersion": "1"}, "data": {"z": "4"}})).await;
    s.patch(MERGE, "configmaps/a", json!({"metadata": {"uid": "1"}})).await;
    s.patch(MERGE, "configmaps/a", json!({"metadata": {"name": "b"}})).await;
    s.patch(MERGE, "configmaps/none", json!({"data": {"z": "3"}})).await;
    s.patch(JSON, "configmaps/a", json!([{"op": "test", "path": "/data/z", "value": "3"}, {"op": "replace", "path": "/data/z", "value": "5"},
        {"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}}, {"op": "remove", "path": "/metadata/labels/a~1b"},
        {"op": "copy", "from": "/data/z", "path": "/data/w"}, {"op": "move", "from": "/data/w", "path": "/data/v"}])).await;
    s.patch(JSON, "configmaps/a", json!([{"op": "test", "path": "/data/z", "value": "nope"}])).await;
    s.patch(JSON, "configmaps/a", json!([{"op": "remove", "path": "/data/none"}])).await;
    s.patch(JSON, "configmaps/a", json!([{"op": "replace", "path": "/data/none", "value": "1"}])).await;
    s.patch(JSON, "configmaps/a", json!([{"op": "add", "path": "/none/none", "value": "1"}])).await;
    s.patch(JSON, "configmaps/a", json!([{"op": "test", "path": "/none", "value": "1"}])).await;
    s.patch(JSON, "configmaps/a", json!([{"op": "nonsense", "path": "/data"}])).await;
    s.patch(JSON, "configmaps/a", json!({"op": "remove"})).await;
    let broken = Ask::new(Method::PATCH, "configmaps/a").raw("{".into()).typed(MERGE);
    s.send(broken).await;
    let unknown = Ask::new(Method::PATCH, "configmaps/a").raw("{}".into()).typed("text/plain");
    s.send(unknown).await;
    s.patch(MERGE, "configmaps/a?fieldValidation=Strict", json!({"dta": {"z": "3"}})).await;
    s.patch(MERGE, "configmaps/a?force=true", json!({"data": {"z": "6"}})).await;
}

pub(super) async fn strategic_patches(s: &mut Session) {
    let mut one = pod("a");
    one["spec"]["containers"] = json!([
        {"name": "main", "image": "img:1", "env": [{"name": "X", "value": "1"}], "args": ["p"], "ports": [{"containerPort": 80}]},
        {"name": "side", "image": "img:2"}]);
    one["spec"]["tolerations"] = json!([{"key": "one", "operator": "Exists"}]);
    one["metadata"]["finalizers"] = json!(["example.com/a"]);
    let cron = json!({"metadata": {"name": "c"}, "spec": {"schedule": "0 0 1 1 *", "suspend": true,
        "jobTemplate": {"spec": {"template": {"metadata": one["metadata"]["labels"], "spec": one["spec"]}}}}});
    let mut cron = cron;
    cron["spec"]["jobTemplate"]["spec"]["template"]["metadata"] = json!({});
    cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = "Never".into();
    s.quietly(Method::POST, "application/json", "cronjobs", cron).await;
    let template =
        |spec: serde_json::Value| json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}});
    for spec in [
        json!({"containers": [{"name": "main", "image": "img:9", "env": [{"name": "Y", "value": "2"}]}]}),
        json!({"containers": [{"name": "main", "env": [{"name": "X", "$patch": "delete"}]}]}),
        json!({"$setElementOrder/containers": [{"name": "side"}, {"name": "main"}], "containers": [{"name": "main", "args": ["q"]}]}),
        json!({"tolerations": [{"key": "two", "operator": "Exists"}]}),
        json!({"containers": [{"name": "side", "$patch": "delete"}]}),
        json!({"containers": [{"name": "new", "image": "img:3"}]}),
        json!({"containers": [{"$patch": "replace"}, {"name": "only", "image": "img:4"}]}),
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}]}),
        json!({"containers": [{"image": "nameless"}]}),
        json!({"securityContext": {"runAsUser": 5}}),
        json!({"securityContext": {"$patch": "replace", "runAsNonRoot": true}}),
        json!({"securityContext": null}),
    ] {
        s.patch(STRATEGIC, "cronjobs/c", template(spec)).await;
    }
    s.patch(STRATEGIC, "cronjobs/c", json!({"metadata": {"finalizers": ["example.com/a"]}})).await;
    s.patch(STRATEGIC, "cronjobs/c", json!({"metadata": {"finalizers": ["example.com/b"]}})).await;
    s.patch(
        STRATEGIC,
        "cronjobs/c",
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a", "example.com/b"]}}),
    )
    .await;
    s.patch(STRATEGIC, "cronjobs/c", json!({"spec": {"suspend": "yes"}})).await;
    s.patch(STRATEGIC, "cronjobs/c", json!({"$patch": "nonsense"})).await;
}

pub(super) async fn field_validation(s: &mut Session) {
    let mut wrong = suspended_job("j");
    wrong["spec"]["paralelism"] = 2.into();
    wrong["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x".into();
    wrong["extra"] = json!({"deep": 1});
    for mode in ["Strict", "Warn", "Ignore", "Nonsense", ""] {
        s.post(&format!("jobs?dryRun=All&fieldValidation={mode}"), wrong.clone()).await;
    }
    s.post("jobs?dryRun=All", wrong.clone()).await;
    let twice = r#"{"metadata":{"name":"a","name":"b"},"data":{"x":"1","x":"2"},"data":{"y":"3"}}"#;
    for mode in ["Strict", "Warn"] {
        let ask = Ask::new(Method::POST, &format!("configmaps?dryRun=All&fieldValidation={mode}"))
            .raw(twice.into());
        s.send(ask).await;
    }
    let yaml = "metadata:\n  name: a\n  nam: b\ndata:\n  x: \"1\"\n";
    let ask = Ask::new(Method::POST, "configmaps?dryRun=All&fieldValidation=Strict")
        .raw(yaml.into())
        .typed("application/yaml");
    s.send(ask).await;
    s.put(
        "configmaps/kube-root-ca.crt?dryRun=All&fieldValidation=Strict",
        json!({"metadata": {"name": "kube-root-ca.crt"}, "dta": {}}),
    )
    .await;
    for body in [
        json!({"metadata": {"name": "j"}, "spec": {"parallelism": "two"}}),
        json!({"metadata": {"name": "j"}, "spec": {"parallelism": 1.5}}),
        json!({"metadata": {"name": "j"}, "spec": {"parallelism": 3_000_000_000_u64}}),
        json!({"metadata": {"name": "j"}, "spec": {"suspend": "true"}}),
        json!({"metadata": {"name": "j"}, "spec": []}),
        json!({"metadata": {"name": 5}}),
        json!({"metadata": {"name": "j", "labels": {"a": 1}}}),
        json!({"metadata": {"name": "j", "labels": ["a"]}}),
        json!({"metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": {"name": "x"}}}}}),
        json!({"metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": [{"name": "x", "resources": {"limits": {"cpu": "lots"}}}]}}}}),
        json!({"metadata": {"name": "j", "creationTimestamp": "yesterday"}}),
        json!([]),
        json!("text"),
    ] {
        s.post("jobs?dryRun=All", body).await;
    }
    for body in ["", "{", "nonsense", "{\"metadata\": }", "{} {}"] {
        let ask = Ask::new(Method::POST, "jobs").raw(body.into());
        s.send(ask).await;
    }
    let ask = Ask::new(Method::POST, "jobs").raw("{}".into()).typed("text/html");
    s.send(ask).await;
    let ask =
        Ask::new(Method::POST, "jobs").raw("\u{0}k8s".into()).typed("application/vnd.kubernetes.protobuf");
    s.send(ask).await;
    let case = r#"{"metadata":{"name":"a"},"Data":{"x":"1"}}"#;
    let ask = Ask::new(Method::POST, "configmaps?dryRun=All&fieldValidation=Strict").raw(case.into());
    s.send(ask).await;
}
