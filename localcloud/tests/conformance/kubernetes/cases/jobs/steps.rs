//! What the cases about Jobs are made of: the Job `j`, its pods, and the part of the kubelet.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::kubernetes::cases::objects::job;
use crate::kubernetes::session::{MERGE, Session};

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// A Job of so many indexes, all at once.
pub(super) fn indexed(count: u32, mut more: Value) -> Value {
    more["completionMode"] = "Indexed".into();
    more["completions"] = count.into();
    more["parallelism"] = count.into();
    job("j", more)
}

pub(super) async fn create(s: &mut Session, job: Value) -> Value {
    s.quietly(Method::POST, "application/json", "jobs", job).await
}

pub(super) async fn change(s: &mut Session, patch: Value) {
    s.quietly(Method::PATCH, MERGE, "jobs/j", patch).await;
}

/// The Job's pods that are there, by index and age.
pub(super) async fn pods(s: &mut Session) -> Vec<Value> {
    let list = s
        .wait("pods?labelSelector=batch.kubernetes.io%2Fjob-name%3Dj", |list| list["items"].is_array())
        .await;
    let mut pods = list["items"].as_array().cloned().unwrap_or_default();
    let age =
        |pod: &Value| (pod["status"]["phase"] == "Pending", pod["metadata"]["creationTimestamp"].to_string());
    pods.sort_by_key(|pod| (pod["metadata"]["annotations"][INDEX].to_string(), age(pod)));
    pods
}

/// Those that have not ended and are not about to, of one index or of all.
pub(super) async fn live(s: &mut Session, index: Option<u32>) -> Vec<Value> {
    let index = index.map(|index| index.to_string());
    let mut pods = pods(s).await;
    pods.retain(|pod| {
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let wanted = index.as_ref().is_none_or(|index| pod["metadata"]["annotations"][INDEX] == *index);
        !ended && wanted && pod["metadata"]["deletionTimestamp"].is_null()
    });
    pods
}

/// The name of the live pod of an index, as soon as there is one.
pub(super) async fn the(s: &mut Session, index: u32) -> String {
    let since = Instant::now();
    loop {
        if let Some(pod) = live(s, Some(index)).await.first() {
            return pod["metadata"]["name"].as_str().expect("a name").to_owned();
        }
        assert!(since.elapsed() < Duration::from_secs(40), "no pod of index {index} in {}", s.namespace);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn status(s: &mut Session, pod: &str, status: Value) {
    s.quietly(Method::PATCH, MERGE, &format!("pods/{pod}/status"), json!({"status": status})).await;
}

pub(super) async fn runs(s: &mut Session, pod: &str) {
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "main", "ready": true, "restartCount": 0, "image": "img:1", "imageID": "", "state": {"running": {}}}]});
    status(s, pod, ready).await;
}

pub(super) async fn ends(s: &mut Session, pod: &str, code: i32) {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ended = json!({"phase": if code == 0 { "Succeeded" } else { "Failed" }, "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"name": "main", "ready": false, "restartCount": 0, "image": "img:1", "imageID": "",
            "state": {"terminated": {"exitCode": code, "startedAt": now, "finishedAt": now}}}]});
    status(s, pod, ended).await;
}

/// A node takes a pod, so that it has time to end.
pub(super) async fn bind(s: &mut Session, pod: &str) {
    let binding = json!({"metadata": {"name": pod}, "target": {"kind": "Node", "name": "nowhere"}});
    s.quietly(Method::POST, "application/json", &format!("pods/{pod}/binding"), binding).await;
}

pub(super) async fn delete_pod(s: &mut Session, pod: &str, grace: u32) {
    s.quietly(
        Method::DELETE,
        "application/json",
        &format!("pods/{pod}?gracePeriodSeconds={grace}"),
        Value::Null,
    )
    .await;
}

/// Waits for a status of the Job with nothing left to count, and writes it and the pods down.
pub(super) async fn look(s: &mut Session, what: &str, wanted: impl Fn(&Value) -> bool) {
    let settled = |job: &Value| {
        let uncounted = &job["status"]["uncountedTerminatedPods"];
        uncounted.as_object().is_none_or(serde_json::Map::is_empty) && wanted(&job["status"])
    };
    let job = s.wait("jobs/j", settled).await;
    s.note(what);
    let pods = pods(s).await;
    let shown: Vec<Value> = pods.iter().map(shown).collect();
    s.tell(&json!({"status": job["status"], "pods": shown, "generation": job["metadata"]["generation"]}));
}

/// What of a pod a case writes down.
pub(super) fn shown(pod: &Value) -> Value {
    let metadata = &pod["metadata"];
    let mut annotations = metadata["annotations"].clone();
    let mut shown = json!({"base": metadata["generateName"], "phase": pod["status"]["phase"], "hostname": pod["spec"]["hostname"], "ending": metadata["deletionTimestamp"].is_string()});
    // Those of a pod that has ended go a moment later.
    if !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
        && metadata["deletionTimestamp"].is_null()
    {
        shown["finalizers"] = metadata["finalizers"].clone();
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.retain(|key, _| key.starts_with("batch"));
        shown["annotations"] = annotations.clone().into();
    }
    shown
}

/// Waits for events of the Job with these reasons, and writes down all there are.
pub(super) async fn events(s: &mut Session, reasons: &[&str]) {
    let all = |list: &Value| {
        let has = |reason: &&str| {
            list["items"].as_array().into_iter().flatten().any(|event| event["reason"] == **reason)
        };
        reasons.iter().all(has)
    };
    let list = s.wait("events?fieldSelector=involvedObject.kind%3DJob,involvedObject.name%3Dj", all).await;
    let mut lines: Vec<String> = Vec::new();
    for event in list["items"].as_array().into_iter().flatten() {
        let message = event["message"].as_str().unwrap_or_default();
        lines.push(
            format!(
                "{} {} {} {}: {} from {}",
                event["type"],
                event["count"],
                event["reason"],
                event["involvedObject"]["apiVersion"],
                hide_suffix(message),
                event["source"]["component"]
            )
            .replace('"', ""),
        );
    }
    lines.sort();
    s.note("events");
    s.tell(&lines.into());
}

/// A message without the random end of a pod's name.
fn hide_suffix(message: &str) -> String {
    let hide = |word: &str| {
        let name = word.trim_end_matches([',', '.']);
        match name.rsplit_once('-') {
            Some((base, suffix)) if suffix.len() == 5 && base.contains('j') => {
                format!("{base}-<x>{}", &word[name.len()..])
            }
            _ => word.to_owned(),
        }
    };
    message.split(' ').map(hide).collect::<Vec<_>>().join(" ")
}

pub(super) fn has(status: &Value, condition: &str) -> bool {
    status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == condition && one["status"] == "True")
}
