//! Rules of lifecycles, carried out as time goes by.

use std::time::Duration;

use serde_json::{Value, json};

use super::BUCKET;
use super::json::Json;
use super::versions::wait_until;
use crate::testing::Server;

const DAY: Duration = Duration::from_hours(24);

fn rule(action: &str, condition: &Value) -> Value {
    let action = match action {
        "Delete" => json!({"type": "Delete"}),
        class => json!({"type": "SetStorageClass", "storageClass": class}),
    };
    json!({"action": action, "condition": condition})
}

async fn names(json: &Json, query: &str) -> Vec<String> {
    json.list(query).await.into_iter().map(|(name, _)| name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_go_by_age_prefix_and_suffix() {
    let server = Server::start().await;
    let rules = [
        rule("Delete", &json!({"age": 3, "matchesPrefix": ["runs/"], "matchesSuffix": [".tmp", ".log"]})),
        rule("Delete", &json!({"age": 10})),
    ];
    let json = Json::with_bucket(&server, json!({"lifecycle": {"rule": rules}})).await;
    for name in ["runs/a.tmp", "runs/b.csv", "rates/c.tmp", "runs/d.log"] {
        json.write(name, "x").await;
    }
    server.clock.advance(DAY * 2).expect("advance");
    assert_eq!(names(&json, "").await.len(), 4);
    server.clock.advance(DAY * 2).expect("advance");
    wait_until(async || names(&json, "").await == ["rates/c.tmp", "runs/b.csv"]).await;
    assert_eq!(names(&json, "softDeleted=true").await, ["runs/a.tmp", "runs/d.log"]);
    server.clock.advance(DAY * 8).expect("advance");
    wait_until(async || names(&json, "").await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_go_by_their_number_and_by_the_days_since_they_were_live() {
    let server = Server::start().await;
    let rules = [
        rule("Delete", &json!({"numNewerVersions": 2, "isLive": false})),
        rule("Delete", &json!({"daysSinceNoncurrentTime": 5})),
    ];
    let settings = json!({
        "lifecycle": {"rule": rules},
        "versioning": {"enabled": true},
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
    });
    let json = Json::with_bucket(&server, settings).await;
    for content in ["1", "2", "3", "4"] {
        json.write("a", content).await;
    }
    server.clock.advance(DAY).expect("advance");
    wait_until(async || names(&json, "versions=true").await.len() == 2).await;
    server.clock.advance(DAY * 5).expect("advance");
    wait_until(async || names(&json, "versions=true").await.len() == 1).await;
    assert_eq!(json.read("a").await, (200, "4".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_only_get_cheaper_and_a_restart_catches_up() {
    let server = Server::start().await;
    let rules = [
        rule("NEARLINE", &json!({"age": 1, "matchesStorageClass": ["STANDARD"]})),
        rule("ARCHIVE", &json!({"createdBefore": "2000-01-01"})),
        rule("STANDARD", &json!({"age": 0})),
    ];
    let json = Json::with_bucket(&server, json!({"lifecycle": {"rule": rules}})).await;
    json.write("a", "x").await;
    server.clock.freeze().expect("freeze");
    server.clock.advance(Duration::from_hours(23)).expect("advance");
    assert_eq!(json.object("GET", "a").await.1["storageClass"], "STANDARD");
    server.clock.advance(DAY).expect("advance");
    let server = server.restart().await;
    let json = Json::of(&server);
    wait_until(async || json.object("GET", "a").await.1["storageClass"] == "NEARLINE").await;
    let object = json.object("GET", "a").await.1;
    assert_eq!(object["metageneration"], "2");
    assert!(object["timeStorageClassUpdated"].as_str() > object["timeCreated"].as_str(), "{object}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_mean_nothing_are_refused() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    for wrong in [
        rule("Delete", &json!({})),
        rule("CHEAPEST", &json!({"age": 1})),
        json!({"action": {"type": "Move"}, "condition": {"age": 1}}),
        rule("Delete", &json!({"age": -1})),
        rule("Delete", &json!({"createdBefore": "yesterday"})),
        json!({"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"isLive": true}}),
    ] {
        let body = json!({"lifecycle": {"rule": [wrong]}});
        let (status, answer) = json.send("PATCH", &format!("/storage/v1/b/{BUCKET}"), &body).await;
        assert_eq!(status, 400, "{answer}");
    }
}
