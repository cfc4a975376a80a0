//! Deletion: finalizers, propagation, owners, preconditions, collections, namespaces.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::session::{JSON, MERGE, Session};
use super::objects::{job, map, pod};

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().expect("a uid").to_owned()
}

fn owned(name: &str, owners: &[(&Value, bool, bool)]) -> Value {
    let mut one = map(name, json!({}));
    let references: Vec<Value> = owners
        .iter()
        .map(|(owner, controller, blocks)| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": uid(owner),
                "controller": controller, "blockOwnerDeletion": blocks})
        })
        .collect();
    one["metadata"]["ownerReferences"] = references.into();
    one
}

async fn make(s: &mut Session, body: Value) -> Value {
    s.quietly(Method::POST, "application/json", "configmaps", body).await
}

pub(super) async fn finalizers(s: &mut Session) {
    let mut held = map("a", json!({"x": "1"}));
    held["metadata"]["finalizers"] = json!(["example.com/a", "example.com/b"]);
    make(s, held.clone()).await;
    s.delete("configmaps/a", None).await;
    s.delete("configmaps/a", None).await;
    s.post("configmaps", held).await;
    s.patch(MERGE, "configmaps/a", json!({"data": {"x": "2"}})).await;
    s.patch(MERGE, "configmaps/a", json!({"metadata": {"finalizers": ["example.com/a", "example.com/c"]}}))
        .await;
    s.patch(JSON, "configmaps/a", json!([{"op": "remove", "path": "/metadata/finalizers/0"}])).await;
    s.patch(MERGE, "configmaps/a", json!({"metadata": {"finalizers": null}})).await;
    s.get("configmaps/a").await;
    s.delete("configmaps/a", None).await;
    let mut wrong = map("b", json!({}));
    wrong["metadata"]["finalizers"] = json!(["nonsense"]);
    s.post("configmaps", wrong.clone()).await;
    wrong["metadata"]["finalizers"] = json!(["UP per/x"]);
    s.post("configmaps", wrong).await;
    make(s, map("c", json!({}))).await;
    s.delete("configmaps/c", None).await;
    s.quietly(Method::POST, "application/json", "jobs", job("j", json!({"suspend": true}))).await;
    s.wait("jobs/j", |job| job["status"]["conditions"].is_array()).await;
    s.delete("jobs/j?propagationPolicy=Background", None).await;
    s.quietly(Method::POST, "application/json", "jobs", job("k", json!({"suspend": true}))).await;
    s.wait("jobs/k", |job| job["status"]["conditions"].is_array()).await;
    s.delete("jobs/k", None).await;
}

pub(super) async fn options(s: &mut Session) {
    let one = make(s, map("a", json!({}))).await;
    s.delete("configmaps/a", Some(json!({"preconditions": {"uid": "11111111-1111-1111-1111-111111111111"}})))
        .await;
    s.delete("configmaps/a", Some(json!({"preconditions": {"resourceVersion": "1"}}))).await.as_object();
    s.delete("configmaps/a", Some(json!({"propagationPolicy": "Nonsense"}))).await;
    s.delete("configmaps/a", Some(json!({"propagationPolicy": "Background", "orphanDependents": true})))
        .await;
    s.delete("configmaps/a", Some(json!({"dryRun": ["Nonsense"]}))).await;
    s.delete("configmaps/a", Some(json!({"kind": "Nonsense", "apiVersion": "v1"}))).await;
    s.delete("configmaps/a?dryRun=All", None).await;
    s.delete("configmaps/a", Some(json!({"dryRun": ["All"]}))).await;
    s.delete("configmaps/a?gracePeriodSeconds=x", None).await;
    s.delete("configmaps/a?propagationPolicy=Nonsense", None).await;
    s.get("configmaps/a").await;
    s.delete(
        "configmaps/a",
        Some(json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid(&one)}})),
    )
    .await;
    for name in ["x", "y", "z"] {
        let mut one = map(name, json!({}));
        one["metadata"]["labels"] = json!({"group": if name == "z" { "other" } else { "one" }});
        make(s, one).await;
    }
    s.delete("configmaps?labelSelector=group%3Done&dryRun=All", None).await;
    s.delete("configmaps?labelSelector=group%3Done", None).await;
    s.delete("configmaps?fieldSelector=metadata.name%3Dz", None).await;
    s.delete("configmaps?labelSelector=group%3Dnone", None).await;
    s.delete("configmaps?labelSelector=a%20b", None).await;
}

pub(super) async fn pods(s: &mut Session) {
    s.quietly(Method::POST, "application/json", "pods", pod("a")).await;
    s.delete("pods/a", None).await;
    s.get("pods/a").await;
    let mut bound = pod("b");
    bound["spec"]["nodeName"] = "nowhere".into();
    s.quietly(Method::POST, "application/json", "pods", bound.clone()).await;
    s.delete("pods/b", None).await;
    s.delete("pods/b?gracePeriodSeconds=60", None).await;
    s.delete("pods/b?gracePeriodSeconds=5", None).await;
    s.delete("pods/b", Some(json!({"gracePeriodSeconds": -5}))).await;
    s.delete("pods/b?gracePeriodSeconds=0", None).await;
    s.get("pods/b").await;
    bound["metadata"]["name"] = "c".into();
    s.quietly(Method::POST, "application/json", "pods", bound.clone()).await;
    s.quietly(Method::PATCH, MERGE, "pods/c/status", json!({"status": {"phase": "Succeeded"}})).await;
    s.delete("pods/c", None).await;
    s.get("pods/c").await;
    bound["metadata"]["name"] = "d".into();
    bound["metadata"]["finalizers"] = json!(["example.com/a"]);
    s.quietly(Method::POST, "application/json", "pods", bound).await;
    s.delete("pods/d?gracePeriodSeconds=0", None).await;
    s.patch(MERGE, "pods/d", json!({"metadata": {"finalizers": null}})).await;
    s.get("pods/d").await;
    s.quietly(Method::POST, "application/json", "pods", pod("e")).await;
    s.post(
        "pods/e/eviction",
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "e"}}),
    )
    .await;
    s.get("pods/e").await;
    s.post(
        "pods/e/eviction",
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "e"}}),
    )
    .await;
    s.quietly(Method::POST, "application/json", "pods", pod("f")).await;
    s.post("pods/f/binding", json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "f"}, "target": {"kind": "Node", "name": "nowhere"}})).await;
    s.get("pods/f").await;
    s.post(
        "pods/f/binding",
        json!({"metadata": {"name": "f"}, "target": {"kind": "Node", "name": "elsewhere"}}),
    )
    .await;
    s.delete("pods/f?gracePeriodSeconds=0", None).await;
}

pub(super) async fn background(s: &mut Session) {
    let owner = make(s, map("owner", json!({}))).await;
    let other = make(s, map("other", json!({}))).await;
    make(s, owned("mine", &[(&owner, true, true)])).await;
    make(s, owned("shared", &[(&owner, false, false), (&other, false, false)])).await;
    s.delete("configmaps/owner?propagationPolicy=Background", None).await;
    s.until_gone("configmaps/mine").await;
    s.until("configmaps/shared", |found| {
        found["metadata"]["ownerReferences"].as_array().is_none_or(|owners| owners.len() == 1)
    })
    .await;
    s.delete("configmaps/other", None).await;
    s.until_gone("configmaps/shared").await;
}

pub(super) async fn foreground(s: &mut Session) {
    let owner = make(s, map("owner", json!({}))).await;
    let mut held = owned("blocks", &[(&owner, true, true)]);
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    make(s, held).await;
    let mut free = owned("free", &[(&owner, false, false)]);
    free["metadata"]["finalizers"] = json!(["example.com/hold"]);
    make(s, free).await;
    // The collector has seen them once it has seen what came after.
    s.wait("configmaps/blocks", |found| found["metadata"].is_object()).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    s.delete("configmaps/owner?propagationPolicy=Foreground", None).await;
    s.until("configmaps/blocks", |found| found["metadata"]["deletionTimestamp"].is_string()).await;
    s.get("configmaps/owner").await;
    s.quietly(Method::PATCH, MERGE, "configmaps/blocks", json!({"metadata": {"finalizers": null}})).await;
    s.until_gone("configmaps/owner").await;
    s.until("configmaps/free", |found| found["metadata"]["deletionTimestamp"].is_string()).await;
    s.patch(MERGE, "configmaps/free", json!({"metadata": {"finalizers": null}})).await;
}

pub(super) async fn orphans(s: &mut Session) {
    let owner = make(s, map("owner", json!({}))).await;
    make(s, owned("mine", &[(&owner, true, true)])).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    s.delete("configmaps/owner", Some(json!({"propagationPolicy": "Orphan"}))).await;
    s.until_gone("configmaps/owner").await;
    s.until("configmaps/mine", |found| found["metadata"]["ownerReferences"].is_null()).await;
    s.post("configmaps", json!({"metadata": {"name": "dangling", "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "never",
        "uid": "11111111-1111-1111-1111-111111111111"}]}})).await;
    s.until_gone("configmaps/dangling").await;
    s.post("configmaps", json!({"metadata": {"name": "twice", "ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1", "controller": true}, {"apiVersion": "v1", "kind": "ConfigMap", "name": "b", "uid": "2", "controller": true}]}})).await;
    s.post("configmaps", json!({"metadata": {"name": "bad", "ownerReferences": [{"apiVersion": "v1", "kind": "", "name": "", "uid": ""}]}})).await;
    s.post("configmaps", json!({"metadata": {"name": "bad", "ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "x", "uid": "1"}]}})).await;
}

pub(super) async fn namespaces(s: &mut Session) {
    let space = "delete-namespaces-inner";
    s.post("/api/v1/namespaces", json!({"metadata": {"name": space}})).await;
    let mut held = map("held", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    s.quietly(Method::POST, "application/json", &format!("/api/v1/namespaces/{space}/configmaps"), held)
        .await;
    s.quietly(
        Method::POST,
        "application/json",
        &format!("/api/v1/namespaces/{space}/secrets"),
        json!({"metadata": {"name": "goes"}}),
    )
    .await;
    s.delete(&format!("/api/v1/namespaces/{space}"), None).await;
    s.until(&format!("/api/v1/namespaces/{space}"), |found| {
        found["status"]["conditions"].as_array().is_some_and(|conditions| {
            conditions
                .iter()
                .any(|one| one["type"] == "NamespaceFinalizersRemaining" && one["status"] == "True")
        })
    })
    .await;
    s.post(&format!("/api/v1/namespaces/{space}/configmaps"), map("new", json!({}))).await;
    s.delete(&format!("/api/v1/namespaces/{space}"), None).await;
    s.quietly(
        Method::PATCH,
        MERGE,
        &format!("/api/v1/namespaces/{space}/configmaps/held"),
        json!({"metadata": {"finalizers": null}}),
    )
    .await;
    s.until_gone(&format!("/api/v1/namespaces/{space}")).await;
    s.delete("/api/v1/namespaces/default", None).await;
    s.delete("/api/v1/namespaces/kube-system", None).await;
}
