//! When a Job is done: counts, queues, policies of success, deadlines.

use std::time::Duration;

use serde_json::json;

use super::steps::{change, create, ends, events, has, indexed, live, look, runs, the};
use crate::kubernetes::cases::objects::job;
use crate::kubernetes::session::Session;

pub(in crate::kubernetes::cases) async fn indexed_runs(s: &mut Session) {
    create(s, indexed(2, json!({"backoffLimitPerIndex": 1000, "podReplacementPolicy": "Failed"}))).await;
    look(s, "both wait", |status| status["active"] == 2).await;
    let (zero, one) = (the(s, 0).await, the(s, 1).await);
    let pod = s.wait(&format!("pods/{zero}"), |pod| pod["metadata"].is_object()).await;
    s.note("a pod");
    s.tell(&pod);
    runs(s, &zero).await;
    runs(s, &one).await;
    look(s, "both run", |status| status["ready"] == 2).await;
    ends(s, &one, 0).await;
    look(s, "one has ended", |status| status["succeeded"] == 1 && status["ready"] == 1).await;
    ends(s, &zero, 0).await;
    look(s, "both have ended", |status| has(status, "Complete")).await;
    events(s, &["Completed"]).await;
    change(s, json!({"spec": {"completions": 3, "parallelism": 3}})).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    look(s, "it is not revived", |status| has(status, "Complete")).await;
}

pub(in crate::kubernetes::cases) async fn fixed_count(s: &mut Session) {
    create(s, job("j", json!({"completions": 3, "parallelism": 2}))).await;
    look(s, "two at once", |status| status["active"] == 2).await;
    let pod = live(s, None).await[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    ends(s, &pod, 0).await;
    look(s, "the third", |status| status["succeeded"] == 1 && status["active"] == 2).await;
    for pod in live(s, None).await {
        ends(s, pod["metadata"]["name"].as_str().expect("a name"), 0).await;
    }
    look(s, "done", |status| has(status, "Complete")).await;
    events(s, &["Completed"]).await;
}

pub(in crate::kubernetes::cases) async fn work_queue(s: &mut Session) {
    create(s, job("j", json!({"parallelism": 2}))).await;
    look(s, "two at once", |status| status["active"] == 2).await;
    let pods = live(s, None).await;
    ends(s, pods[0]["metadata"]["name"].as_str().expect("a name"), 0).await;
    look(s, "one has ended", |status| status["succeeded"] == 1 && status["active"] == 1).await;
    ends(s, pods[1]["metadata"]["name"].as_str().expect("a name"), 1).await;
    look(s, "done", |status| has(status, "Complete")).await;
    events(s, &["Completed"]).await;
}

pub(in crate::kubernetes::cases) async fn success_policy(s: &mut Session) {
    create(s, indexed(3, json!({"backoffLimitPerIndex": 2, "successPolicy": {"rules": [{"succeededIndexes": "1-2", "succeededCount": 1}]}}))).await;
    look(s, "three", |status| status["active"] == 3).await;
    let pod = the(s, 0).await;
    ends(s, &pod, 0).await;
    look(s, "not the one", |status| status["succeeded"] == 1).await;
    let pod = the(s, 2).await;
    ends(s, &pod, 0).await;
    look(s, "done", |status| has(status, "Complete")).await;
    events(s, &["Completed", "SuccessfulDelete"]).await;
}

pub(in crate::kubernetes::cases) async fn nothing_to_do(s: &mut Session) {
    create(s, job("j", json!({"completions": 0, "parallelism": 0}))).await;
    look(s, "done", |status| has(status, "Complete")).await;
    events(s, &["Completed"]).await;
}

pub(in crate::kubernetes::cases) async fn deadline_and_ttl(s: &mut Session) {
    create(s, indexed(1, json!({"activeDeadlineSeconds": 2, "ttlSecondsAfterFinished": 2}))).await;
    look(s, "waits", |status| status["active"] == 1).await;
    look(s, "failed", |status| has(status, "Failed")).await;
    events(s, &["DeadlineExceeded"]).await;
    s.until_gone("jobs/j").await;
    s.wait("pods?labelSelector=batch.kubernetes.io%2Fjob-name%3Dj", |list| {
        list["items"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
}

pub(in crate::kubernetes::cases) async fn manual_selector(s: &mut Session) {
    let mut one = job("j", json!({"manualSelector": true, "selector": {"matchLabels": {"my": "own"}}}));
    one["spec"]["template"]["metadata"] = json!({"labels": {"my": "own"}});
    create(s, one).await;
    s.until("jobs/j", |job| job["status"]["active"] == 1).await;
}
