//! Get, list and watch: selectors, pages, revisions, tables, discovery, and what is refused.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::session::{Ask, MERGE, Session};
use super::objects::{map, pod};

async fn make_maps(s: &mut Session, names: &[&str]) {
    for name in names {
        let mut one = map(name, json!({"n": name}));
        one["metadata"]["labels"] = json!({"app": name, "tier": if *name == "a" { "x" } else { "y" }});
        s.quietly(Method::POST, "application/json", "configmaps", one).await;
    }
}

/// The names in a list.
fn names(list: &Value) -> Value {
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["metadata"]["name"].clone()).collect()
}

pub(super) async fn selectors(s: &mut Session) {
    make_maps(s, &["a", "b", "c"]).await;
    for selector in [
        "app=a",
        "app==a",
        "app!=a",
        "app in (a,b)",
        "app notin (a)",
        "app",
        "!app",
        "app=a,tier=x",
        "tier,app!=b",
        "app in (a",
        "app=",
        "app in ()",
        "=x",
        "a b",
        "app===x",
        "app=a b",
        "app>1",
        "UP/x=1",
        "app=-x",
        ",app=a",
        "app=a,",
        "app in (a,)",
    ] {
        let path = format!(
            "configmaps?labelSelector={}",
            selector.replace(' ', "%20").replace('=', "%3D").replace('>', "%3E")
        );
        let answer = s.exchange(&Ask::new(Method::GET, &path)).await;
        s.note(&format!("labelSelector {selector}: {}", answer.code));
        let body = answer.body();
        s.tell(&if answer.code == 200 { names(&body) } else { body });
    }
    s.quietly(Method::POST, "application/json", "pods", pod("p")).await;
    for (what, selector) in [
        ("configmaps", "metadata.name=a"),
        ("configmaps", "metadata.name!=a"),
        ("configmaps", "data.n=a"),
        ("configmaps", "metadata.name"),
        ("configmaps", "metadata.namespace=x"),
        ("configmaps", "metadata.labels.app=a"),
        ("pods", "status.phase=Pending"),
        ("pods", "status.phase!=Pending"),
        ("pods", "spec.nodeName="),
        ("pods", "spec.restartPolicy=Always,metadata.name=p"),
        ("pods", "spec.serviceAccountName=default"),
        ("pods", "spec.priority=0"),
        ("pods", "status.podIP="),
        ("pods", "nonsense=1"),
        ("jobs", "status.successful=0"),
        ("jobs", "status.failed=0"),
        ("jobs", "metadata.name=x"),
        ("events", "involvedObject.kind=Pod"),
        ("events", "involvedObject.name=none"),
        ("events", "reason=x"),
        ("events", "type=Normal,source=x"),
        ("secrets", "type=Opaque"),
        ("secrets", "data=x"),
        ("configmaps", "metadata.name in (a)"),
        ("configmaps", "=a"),
    ] {
        let path = format!("{what}?fieldSelector={}", selector.replace(' ', "%20").replace('=', "%3D"));
        let answer = s.exchange(&Ask::new(Method::GET, &path)).await;
        s.note(&format!("{what} fieldSelector {selector}: {}", answer.code));
        let body = answer.body();
        s.tell(&if answer.code == 200 { names(&body) } else { body });
    }
    for selector in ["metadata.name=default", "status.phase=Active,metadata.name=default"] {
        let body = s
            .exchange(&Ask::new(
                Method::GET,
                &format!("/api/v1/namespaces?fieldSelector={}", selector.replace('=', "%3D")),
            ))
            .await
            .body();
        s.tell(&names(&body));
    }
}

pub(super) async fn pages(s: &mut Session) {
    make_maps(s, &["a", "b", "c", "d", "e"]).await;
    let first = s.get("configmaps?limit=2").await;
    let token = first["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
    s.quietly(Method::POST, "application/json", "configmaps", map("bb", json!({}))).await;
    let second =
        s.exchange(&Ask::new(Method::GET, &format!("configmaps?limit=2&continue={token}"))).await.body();
    s.tell(&second);
    let token = second["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
    let third =
        s.exchange(&Ask::new(Method::GET, &format!("configmaps?limit=9&continue={token}"))).await.body();
    s.tell(&third);
    s.get("configmaps?limit=2&labelSelector=tier%3Dy").await;
    s.get("configmaps?limit=1&continue=nonsense").await;
    s.get("configmaps?limit=x").await;
    s.get("configmaps?limit=-1&labelSelector=app%3Da").await;
    let seen = third["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let exact = s
        .exchange(&Ask::new(
            Method::GET,
            &format!("configmaps?limit=1&resourceVersion={seen}&resourceVersionMatch=Exact"),
        ))
        .await;
    s.note(&format!("exact {}", exact.code));
    s.tell(&exact.body());
    s.get("configmaps?resourceVersion=0&labelSelector=app%3Da").await;
    s.get("configmaps?resourceVersion=nonsense").await;
    s.get("configmaps?resourceVersionMatch=Exact").await;
    s.get("configmaps?resourceVersion=1&resourceVersionMatch=Nonsense").await;
    s.get("configmaps?limit=1&continue=x&resourceVersion=5").await;
    s.get("configmaps/a?resourceVersion=nonsense").await;
    s.get("configmaps?resourceVersion=0&resourceVersionMatch=Exact").await;
    let future =
        s.exchange(&Ask::new(Method::GET, "configmaps?resourceVersion=999999999&timeoutSeconds=1")).await;
    let message = future.body()["message"].as_str().unwrap_or_default().to_owned();
    s.note(&format!(
        "from the future: {} {}",
        future.code,
        message.split(", current").next().unwrap_or_default()
    ));
}

pub(super) async fn watches(s: &mut Session) {
    let began = s.exchange(&Ask::new(Method::GET, "configmaps?labelSelector=app")).await.body();
    let from = began["metadata"]["resourceVersion"].as_str().expect("a revision").to_owned();
    make_maps(s, &["a", "b"]).await;
    s.quietly(Method::PATCH, MERGE, "configmaps/a", json!({"metadata": {"labels": {"tier": "z"}}})).await;
    let middle = s.quietly(Method::PATCH, MERGE, "configmaps/a", json!({"data": {"n": "2"}})).await;
    s.quietly(Method::PATCH, MERGE, "configmaps/b", json!({"metadata": {"labels": {"app": null}}})).await;
    s.quietly(Method::DELETE, "application/json", "configmaps/a", Value::Null).await;
    s.quietly(Method::DELETE, "application/json", "configmaps/b", Value::Null).await;
    let after = middle["metadata"]["resourceVersion"].as_str().expect("a revision").to_owned();
    for (note, path) in [
        ("all", format!("configmaps?watch=true&timeoutSeconds=1&labelSelector=app&resourceVersion={from}")),
        (
            "resumed",
            format!("configmaps?watch=true&timeoutSeconds=1&labelSelector=app&resourceVersion={after}"),
        ),
        (
            "by tier",
            format!("configmaps?watch=true&timeoutSeconds=1&labelSelector=tier%3Dx&resourceVersion={from}"),
        ),
        (
            "by name",
            format!(
                "configmaps?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Db&resourceVersion={after}"
            ),
        ),
        ("too old", "configmaps?watch=true&timeoutSeconds=1&resourceVersion=1".to_owned()),
        ("nonsense", "configmaps?watch=true&timeoutSeconds=1&resourceVersion=nonsense".to_owned()),
        (
            "initial events without match",
            "configmaps?watch=true&timeoutSeconds=1&sendInitialEvents=true".to_owned(),
        ),
        ("no seconds", "configmaps?watch=true&timeoutSeconds=x".to_owned()),
        ("one", "configmaps/kube-root-ca.crt?watch=true&timeoutSeconds=1".to_owned()),
    ] {
        let answer = s.exchange(&Ask::new(Method::GET, &path)).await;
        s.note(&format!("watch {note}: {} {:?}", answer.code, answer.headers.get("content-type")));
        let lines: Vec<Value> =
            answer.text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        for mut line in lines {
            if let Some(message) = line["object"]["message"].as_str() {
                line["object"]["message"] = message.split(" (").next().into();
            }
            if line["object"]["metadata"]["name"] == "kube-root-ca.crt" {
                line["object"]["data"] = "<the certificate>".into();
                line["object"]["metadata"]["managedFields"] = Value::Null;
            }
            s.tell(&line);
        }
    }
}

pub(super) async fn a_watch_follows(s: &mut Session) {
    let began = s.exchange(&Ask::new(Method::GET, "secrets")).await.body();
    let from = began["metadata"]["resourceVersion"].as_str().expect("a revision").to_owned();
    let path = format!("secrets?watch=true&timeoutSeconds=2&resourceVersion={from}");
    let ask = Ask::new(Method::GET, &path);
    let writes = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let secret = json!({"metadata": {"name": "late"}, "stringData": {"a": "b"}});
        s.exchange(&Ask::new(Method::POST, "secrets").json(&secret)).await
    };
    let (seen, _) = tokio::join!(s.exchange(&ask), writes);
    for line in seen.text.lines() {
        s.tell(&serde_json::from_str(line).unwrap_or_default());
    }
}

pub(super) async fn refusals(s: &mut Session) {
    for (method, path) in [
        (Method::GET, "/api/v1/namespaces/default/nonsense"),
        (Method::GET, "/apis/nonsense.io/v1/things"),
        (Method::GET, "/apis/batch/v9/jobs"),
        (Method::GET, "/nonsense"),
        (Method::GET, "configmaps/none"),
        (Method::GET, "jobs/none"),
        (Method::GET, "pods/none/log"),
        (Method::GET, "pods/none/status"),
        (Method::GET, "configmaps/none/status"),
        (Method::DELETE, "configmaps/none"),
        (Method::DELETE, "/api/v1/namespaces"),
        (Method::POST, "configmaps/none"),
        (Method::PUT, "configmaps"),
        (Method::PATCH, "configmaps"),
        (Method::DELETE, "/api/v1/configmaps"),
        (Method::POST, "/api/v1/configmaps"),
        (Method::OPTIONS, "configmaps"),
        (Method::DELETE, "/version"),
        (Method::GET, "/api/v1/nodes/none"),
        (Method::GET, "/api/v1/pods/none"),
        (Method::GET, "/api/v1/namespaces/none"),
    ] {
        let ask = Ask::new(method.clone(), path);
        let ask = if method == Method::GET || method == Method::DELETE || method == Method::OPTIONS {
            ask
        } else {
            ask.json(&json!({"metadata": {"name": "x"}})).typed(if method == Method::PATCH {
                MERGE
            } else {
                "application/json"
            })
        };
        s.send(ask).await;
    }
    for accept in ["text/html", "application/vnd.nonsense", "*/*", "text/html, application/json"] {
        let ask = Ask::new(Method::GET, "configmaps/none").accept(accept);
        s.send(ask).await;
    }
}

/// A table without the descriptions of its columns, and without ages.
fn without_prose(mut table: Value) -> Value {
    let columns = table["columnDefinitions"].as_array().cloned().unwrap_or_default();
    let told = columns
        .iter()
        .map(|column| ["name", "format", "type", "priority"].map(|field| column[field].clone()));
    let told: Vec<Value> = told.map(|column| column.to_vec().into()).collect();
    if !told.is_empty() {
        table["columnDefinitions"] = told.into();
    }
    for row in table["rows"].as_array_mut().into_iter().flatten() {
        for (cell, column) in row["cells"].as_array_mut().into_iter().flatten().zip(&columns) {
            if column["name"] == "Age" || column["name"] == "Duration" {
                *cell = "<age>".into();
            }
        }
        // What is known of the object itself is another case's subject.
        row["object"] = json!({"kind": row["object"]["kind"], "apiVersion": row["object"]["apiVersion"], "name": row["object"]["metadata"]["name"]});
    }
    table
}

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

pub(super) async fn tables(s: &mut Session) {
    let mut terminated = pod("done");
    terminated["metadata"]["labels"] = json!({"a": "b"});
    s.quietly(Method::POST, "application/json", "pods", terminated).await;
    s.quietly(Method::PATCH, MERGE, "pods/done/status", json!({"status": {"phase": "Failed", "containerStatuses": [{"name": "main", "ready": false,
        "restartCount": 2, "image": "img:1", "imageID": "", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled",
        "startedAt": "2020-01-01T00:00:00Z", "finishedAt": "2020-01-01T00:00:05Z"}}}]}})).await;
    s.quietly(Method::POST, "application/json", "pods", pod("waits")).await;
    s.quietly(
        Method::POST,
        "application/json",
        "jobs",
        super::objects::job("j", json!({"suspend": true, "completions": 3, "parallelism": 2})),
    )
    .await;
    s.quietly(Method::POST, "application/json", "cronjobs", super::objects::cron_job("c", json!({}))).await;
    s.quietly(
        Method::POST,
        "application/json",
        "secrets",
        json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}}),
    )
    .await;
    s.quietly(Method::POST, "application/json", "services", json!({"metadata": {"name": "v"}, "spec": {"clusterIP": "None", "ports": [{"port": 80, "name": "http"}, {"port": 81, "name": "other", "protocol": "UDP"}]}})).await;
    s.wait("jobs/j", |job| job["status"]["conditions"].is_array()).await;
    for path in [
        "pods",
        "pods/done",
        "jobs",
        "cronjobs",
        "secrets",
        "services",
        "serviceaccounts",
        "configmaps?fieldSelector=metadata.name%3Dnone",
        "events?fieldSelector=involvedObject.kind%3DPod",
        "leases",
        "/api/v1/namespaces/default",
        "/api/v1/nodes",
        "pods?includeObject=None&fieldSelector=metadata.name%3Ddone",
        "pods?includeObject=Object&fieldSelector=metadata.name%3Ddone",
        "pods/none",
    ] {
        let answer = s.exchange(&Ask::new(Method::GET, path).accept(TABLE)).await;
        s.note(&format!("table of {path}: {}", answer.code));
        s.tell(&without_prose(answer.body()));
    }
}

pub(super) async fn discovery(s: &mut Session) {
    for path in ["/api", "/apis/batch", "/version", "/healthz", "/readyz", "/livez"] {
        let answer = s.exchange(&Ask::new(Method::GET, path)).await;
        s.note(&format!("{path}: {}", answer.code));
        let mut body = answer.body();
        if path == "/version" {
            body = body
                .as_object()
                .map(|map| map.keys().cloned().collect::<Vec<_>>().into())
                .unwrap_or_default();
        }
        if path == "/api" {
            body["serverAddressByClientCIDRs"][0]["serverAddress"] = "<address>".into();
        }
        s.tell(&if body.is_null() { answer.text.into() } else { body });
    }
    for (path, ours) in [
        (
            "/api/v1",
            &[
                "namespaces",
                "nodes",
                "pods",
                "serviceaccounts",
                "configmaps",
                "secrets",
                "services",
                "events",
            ][..],
        ),
        ("/apis/batch/v1", &["jobs", "cronjobs"]),
        ("/apis/coordination.k8s.io/v1", &["leases"]),
    ] {
        let list = s.exchange(&Ask::new(Method::GET, path)).await.body();
        let known = |resource: &&Value| {
            let (name, sub) = resource["name"]
                .as_str()
                .map(|name| name.split_once('/').unwrap_or((name, "")))
                .unwrap_or_default();
            ours.contains(&name) && matches!(sub, "" | "status" | "log" | "eviction" | "binding" | "finalize")
        };
        let mut resources: Vec<Value> =
            list["resources"].as_array().into_iter().flatten().filter(known).cloned().collect();
        resources.sort_by_key(|resource| resource["name"].to_string());
        for resource in &mut resources {
            resource.as_object_mut().expect("an object").remove("storageVersionHash");
        }
        s.note(path);
        s.tell(&json!({"kind": list["kind"], "apiVersion": list["apiVersion"], "groupVersion": list["groupVersion"], "resources": resources}));
    }
}
