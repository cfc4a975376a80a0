//! Cron jobs. Schedules are yearly, and what they last did is written into their status, so that no case waits for a
//! minute to begin.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::session::{MERGE, Session};
use super::objects::{cron_job, job};

async fn create(s: &mut Session, more: Value) -> Value {
    s.quietly(Method::POST, "application/json", "cronjobs", cron_job("c", more)).await
}

/// Something was due since.
async fn last_scheduled(s: &mut Session, at: &str) {
    s.quietly(Method::PATCH, MERGE, "cronjobs/c/status", json!({"status": {"lastScheduleTime": at}})).await;
}

async fn jobs(s: &mut Session, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let list = s.wait("jobs", |list| list["items"].as_array().is_some_and(|jobs| wanted(jobs))).await;
    let jobs = list["items"].as_array().cloned().unwrap_or_default();
    s.note(what);
    let shown: Vec<Value> = jobs.iter().map(|job| json!({"metadata": {"name": job["metadata"]["name"], "annotations": job["metadata"]["annotations"],
        "labels": job["metadata"]["labels"], "ownerReferences": job["metadata"]["ownerReferences"]}, "suspend": job["spec"]["suspend"]})).collect();
    s.tell(&shown.into());
    jobs
}

async fn events(s: &mut Session, reasons: &[&str]) {
    let has = |list: &Value, reason: &str| {
        list["items"].as_array().into_iter().flatten().any(|event| event["reason"] == reason)
    };
    let list = s
        .wait("events?fieldSelector=involvedObject.kind%3DCronJob", |list| {
            reasons.iter().all(|reason| has(list, reason))
        })
        .await;
    let mut lines: Vec<String> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| {
            format!(
                "{} {}: {} from {}",
                event["type"], event["reason"], event["message"], event["source"]["component"]
            )
            .replace('"', "")
        })
        .collect();
    lines.sort();
    s.note("events");
    s.tell(&lines.into());
}

pub(super) async fn template(s: &mut Session) {
    let cron = create(s, json!({})).await;
    s.patch(
        MERGE,
        "cronjobs/c",
        json!({"spec": {"jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"parallelism": 2}}}}),
    )
    .await;
    let mut made = job("made", json!({"suspend": true}));
    made["metadata"]["annotations"] = json!({"cronjob.kubernetes.io/instantiate": "manual"});
    made["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "c", "uid": cron["metadata"]["uid"], "controller": true}]);
    s.quietly(Method::POST, "application/json", "jobs", made).await;
    events(s, &["UnexpectedJob"]).await;
    s.get("cronjobs/c").await;
    s.delete("cronjobs/c?propagationPolicy=Background", None).await;
    s.until_gone("jobs/made").await;
}

pub(super) async fn fires(s: &mut Session) {
    create(s, json!({"suspend": false, "jobTemplate": {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": {"suspend": true}}})).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    last_scheduled(s, "2025-06-01T00:00:00Z").await;
    jobs(s, "one was missed", |jobs| jobs.len() == 1).await;
    s.until("cronjobs/c", |cron| cron["status"]["active"].is_array()).await;
    events(s, &["SuccessfulCreate"]).await;
}

async fn twice(s: &mut Session, policy: &str) {
    create(
        s,
        json!({"suspend": false, "concurrencyPolicy": policy, "jobTemplate": {"spec": {"suspend": true}}}),
    )
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    last_scheduled(s, "2025-06-01T00:00:00Z").await;
    s.wait("cronjobs/c", |cron| cron["status"]["active"].is_array()).await;
    // Another schedule is looked at when it is due; any other change at once. Suspended in between, it has nothing to
    // write that the second change could get in the way of.
    let next = json!({"spec": {"schedule": "0 0 2 1 *", "suspend": true}});
    s.quietly(Method::PATCH, MERGE, "cronjobs/c", next).await;
    let go = json!({"metadata": {"annotations": {"changed": "yes"}}, "spec": {"suspend": false}});
    s.quietly(Method::PATCH, MERGE, "cronjobs/c", go).await;
}

pub(super) async fn allows(s: &mut Session) {
    twice(s, "Allow").await;
    jobs(s, "both", |jobs| jobs.len() == 2).await;
    s.until("cronjobs/c", |cron| cron["status"]["active"].as_array().is_some_and(|active| active.len() == 2))
        .await;
}

pub(super) async fn forbids(s: &mut Session) {
    twice(s, "Forbid").await;
    events(s, &["JobAlreadyActive"]).await;
    jobs(s, "the first", |jobs| jobs.len() == 1).await;
    s.until("cronjobs/c", |cron| cron["status"]["active"].is_array()).await;
}

pub(super) async fn replaces(s: &mut Session) {
    twice(s, "Replace").await;
    s.wait("events?fieldSelector=involvedObject.kind%3DCronJob", |list| {
        let made = |event: &&Value| event["reason"] == "SuccessfulCreate";
        list["items"].as_array().is_some_and(|events| events.iter().filter(made).count() == 2)
    })
    .await;
    events(s, &["SuccessfulDelete"]).await;
    s.wait("cronjobs/c", |cron| {
        cron["status"]["lastScheduleTime"].as_str().is_some_and(|at| at.starts_with("2026-01-02"))
    })
    .await;
    jobs(s, "the second", |jobs| jobs.len() == 1).await;
    s.until("cronjobs/c", |cron| cron["status"]["active"].as_array().is_some_and(|active| active.len() == 1))
        .await;
}

pub(super) async fn deadline(s: &mut Session) {
    create(
        s,
        json!({"suspend": false, "startingDeadlineSeconds": 30, "jobTemplate": {"spec": {"suspend": true}}}),
    )
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    last_scheduled(s, "2025-06-01T00:00:00Z").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    jobs(s, "too late", |_| true).await;
    s.get("cronjobs/c").await;
    events(s, &[]).await;
}

pub(super) async fn history(s: &mut Session) {
    let cron = create(s, json!({"successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 0})).await;
    for name in ["one", "two", "three"] {
        let mut made = job(name, json!({"completions": 0, "parallelism": 0}));
        made["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "c", "uid": cron["metadata"]["uid"], "controller": true}]);
        s.quietly(Method::POST, "application/json", "jobs", made).await;
        // Each starts in a second of its own, also where the controller is slow.
        s.wait(&format!("jobs/{name}"), |job| job["status"]["startTime"].is_string()).await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }
    jobs(s, "the latest stays", |jobs| jobs.len() == 1).await;
    s.until("cronjobs/c", |cron| cron["status"]["lastSuccessfulTime"].is_string()).await;
    events(s, &["SuccessfulDelete"]).await;
}

pub(super) async fn too_many_missed(s: &mut Session) {
    create(s, json!({"suspend": false, "schedule": "0 0 * * *", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": {"suspend": true}}})).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    last_scheduled(s, "2025-06-01T00:00:00Z").await;
    jobs(s, "one of many", |jobs| jobs.len() == 1).await;
    events(s, &["TooManyMissedTimes", "SuccessfulCreate"]).await;
}
