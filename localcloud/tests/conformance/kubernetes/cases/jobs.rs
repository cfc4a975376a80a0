//! Jobs, step by step. The case plays the kubelet: it patches the status of the pods.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::session::{MERGE, Session};
use super::objects::job;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

fn indexed(count: u32, mut more: Value) -> Value {
    more["completionMode"] = "Indexed".into();
    more["completions"] = count.into();
    more["parallelism"] = count.into();
    job("j", more)
}

async fn create(s: &mut Session, job: Value) -> Value {
    s.quietly(Method::POST, "application/json", "jobs", job).await
}

async fn change(s: &mut Session, patch: Value) {
    s.quietly(Method::PATCH, MERGE, "jobs/j", patch).await;
}

/// The Job's pods that are there, by index and age.
async fn pods(s: &mut Session) -> Vec<Value> {
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
async fn live(s: &mut Session, index: Option<u32>) -> Vec<Value> {
    let mut pods = pods(s).await;
    pods.retain(|pod| {
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let wanted = index.is_none_or(|index| pod["metadata"]["annotations"][INDEX] == index.to_string());
        !ended && wanted && pod["metadata"]["deletionTimestamp"].is_null()
    });
    pods
}

async fn the(s: &mut Session, index: u32) -> String {
    let since = Instant::now();
    loop {
        if let Some(pod) = live(s, Some(index)).await.first() {
            return pod["metadata"]["name"].as_str().expect("a name").to_owned();
        }
        assert!(since.elapsed() < Duration::from_secs(40), "no pod of index {index} in {}", s.namespace);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn status(s: &mut Session, pod: &str, status: Value) {
    s.quietly(Method::PATCH, MERGE, &format!("pods/{pod}/status"), json!({"status": status})).await;
}

async fn runs(s: &mut Session, pod: &str) {
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "main", "ready": true, "restartCount": 0, "image": "img:1", "imageID": "", "state": {"running": {}}}]});
    status(s, pod, ready).await;
}

async fn ends(s: &mut Session, pod: &str, code: i32) {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ended = json!({"phase": if code == 0 { "Succeeded" } else { "Failed" }, "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"name": "main", "ready": false, "restartCount": 0, "image": "img:1", "imageID": "",
            "state": {"terminated": {"exitCode": code, "startedAt": now, "finishedAt": now}}}]});
    status(s, pod, ended).await;
}

/// A node takes a pod, so that it has time to end.
async fn bind(s: &mut Session, pod: &str) {
    let binding = json!({"metadata": {"name": pod}, "target": {"kind": "Node", "name": "nowhere"}});
    s.quietly(Method::POST, "application/json", &format!("pods/{pod}/binding"), binding).await;
}

async fn delete_pod(s: &mut Session, pod: &str, grace: u32) {
    s.quietly(
        Method::DELETE,
        "application/json",
        &format!("pods/{pod}?gracePeriodSeconds={grace}"),
        Value::Null,
    )
    .await;
}

/// Waits for a status of the Job with nothing left to count, and writes it and the pods down.
async fn look(s: &mut Session, what: &str, wanted: impl Fn(&Value) -> bool) {
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

fn shown(pod: &Value) -> Value {
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
async fn events(s: &mut Session, reasons: &[&str]) {
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
        let bare = word.trim_end_matches([',', '.']);
        match bare.rsplit_once('-') {
            Some((base, suffix)) if suffix.len() == 5 && (base.contains("j") && !base.contains(' ')) => {
                format!("{base}-<x>{}", &word[bare.len()..])
            }
            _ => word.to_owned(),
        }
    };
    message.split(' ').map(hide).collect::<Vec<_>>().join(" ")
}

fn has(status: &Value, condition: &str) -> bool {
    status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == condition && one["status"] == "True")
}

pub(super) async fn indexed_runs(s: &mut Session) {
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

pub(super) async fn fixed_count(s: &mut Session) {
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

pub(super) async fn work_queue(s: &mut Session) {
    create(s, job("j", json!({"parallelism": 2}))).await;
    look(s, "two at once", |status| status["active"] == 2).await;
    let pods = live(s, None).await;
    ends(s, pods[0]["metadata"]["name"].as_str().expect("a name"), 0).await;
    look(s, "one has ended", |status| status["succeeded"] == 1 && status["active"] == 1).await;
    ends(s, pods[1]["metadata"]["name"].as_str().expect("a name"), 1).await;
    look(s, "done", |status| has(status, "Complete")).await;
    events(s, &["Completed"]).await;
}

pub(super) async fn backoff_limit(s: &mut Session) {
    create(s, job("j", json!({"backoffLimit": 0, "completions": 2, "parallelism": 2}))).await;
    look(s, "two at once", |status| status["active"] == 2).await;
    let pods = live(s, None).await;
    ends(s, pods[0]["metadata"]["name"].as_str().expect("a name"), 1).await;
    look(s, "failed", |status| has(status, "Failed")).await;
    events(s, &["BackoffLimitExceeded", "SuccessfulDelete"]).await;
}

pub(super) async fn restart_on_failure(s: &mut Session) {
    let mut one = job("j", json!({"backoffLimit": 1}));
    one["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure".into();
    create(s, one).await;
    look(s, "starts", |status| status["active"] == 1).await;
    let pod = live(s, None).await[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let restarted = |count: u32| json!({"phase": "Running", "containerStatuses": [{"name": "main", "ready": false, "restartCount": count, "image": "img:1", "imageID": "", "state": {"running": {}}}]});
    status(s, &pod, restarted(2)).await;
    look(s, "failed", |status| has(status, "Failed")).await;
    events(s, &["BackoffLimitExceeded"]).await;
}

pub(super) async fn per_index(s: &mut Session) {
    create(s, indexed(2, json!({"backoffLimitPerIndex": 1}))).await;
    look(s, "both wait", |status| status["active"] == 2).await;
    let first = the(s, 0).await;
    ends(s, &first, 1).await;
    let since = Instant::now();
    let second = the(s, 0).await;
    s.tell_delay("the index is tried again", since.elapsed());
    look(s, "tried again, and only now has one failed", |status| {
        status["active"] == 2 && status["failed"] == 1
    })
    .await;
    ends(s, &second, 1).await;
    look(s, "the index has failed", |status| status["failedIndexes"] == "0" && status["active"] == 1).await;
    let other = the(s, 1).await;
    ends(s, &other, 0).await;
    look(s, "failed", |status| has(status, "Failed")).await;
    events(s, &["FailedIndexes"]).await;
}

pub(super) async fn max_failed_indexes(s: &mut Session) {
    create(s, indexed(3, json!({"backoffLimitPerIndex": 0, "maxFailedIndexes": 1}))).await;
    look(s, "all wait", |status| status["active"] == 3).await;
    for index in [0, 2] {
        let pod = the(s, index).await;
        ends(s, &pod, 1).await;
        if index == 0 {
            look(s, "one has failed", |status| status["failed"] == 1).await;
        }
    }
    look(s, "failed", |status| has(status, "Failed")).await;
    events(s, &["MaxFailedIndexesExceeded"]).await;
}

fn policy(rules: Value) -> Value {
    json!({"backoffLimitPerIndex": 3, "podFailurePolicy": {"rules": rules}})
}

pub(super) async fn policy_ignores(s: &mut Session) {
    create(
        s,
        indexed(1, policy(json!([{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [143]}}]))),
    )
    .await;
    look(s, "waits", |status| status["active"] == 1).await;
    let first = the(s, 0).await;
    ends(s, &first, 143).await;
    let since = Instant::now();
    let second = the(s, 0).await;
    s.tell_delay("an ignored failure is tried again", since.elapsed());
    look(s, "ignored", |status| status["active"] == 1).await;
    ends(s, &second, 0).await;
    look(s, "done", |status| has(status, "Complete")).await;
}

pub(super) async fn policy_fails_the_job(s: &mut Session) {
    create(
        s,
        indexed(
            2,
            policy(json!([{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [78]}}])),
        ),
    )
    .await;
    look(s, "both wait", |status| status["active"] == 2).await;
    let pod = the(s, 1).await;
    ends(s, &pod, 78).await;
    look(s, "failed", |status| has(status, "Failed")).await;
    events(s, &["PodFailurePolicy"]).await;
}

pub(super) async fn policy_fails_the_index(s: &mut Session) {
    create(s, indexed(2, policy(json!([{"action": "FailIndex", "onExitCodes": {"containerName": "main", "operator": "NotIn", "values": [1, 2]}},
        {"action": "Count", "onExitCodes": {"operator": "In", "values": [1]}}])))).await;
    look(s, "both wait", |status| status["active"] == 2).await;
    let pod = the(s, 1).await;
    ends(s, &pod, 42).await;
    look(s, "the index has failed", |status| status["failedIndexes"] == "1").await;
    let pod = the(s, 0).await;
    ends(s, &pod, 0).await;
    look(s, "failed", |status| has(status, "Failed")).await;
    events(s, &["FailedIndexes"]).await;
}

pub(super) async fn policy_by_condition(s: &mut Session) {
    create(
        s,
        indexed(1, policy(json!([{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]}]))),
    )
    .await;
    look(s, "waits", |status| status["active"] == 1).await;
    let pod = the(s, 0).await;
    status(s, &pod, json!({"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]})).await;
    look(s, "failed", |status| has(status, "Failed")).await;
    events(s, &["PodFailurePolicy"]).await;
}

pub(super) async fn replaced_when_failed(s: &mut Session) {
    create(s, indexed(1, json!({"backoffLimitPerIndex": 1000, "podReplacementPolicy": "Failed", "podFailurePolicy": {"rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}}))).await;
    look(s, "waits", |status| status["active"] == 1).await;
    let pod = the(s, 0).await;
    bind(s, &pod).await;
    runs(s, &pod).await;
    look(s, "runs", |status| status["ready"] == 1).await;
    delete_pod(s, &pod, 30).await;
    look(s, "ends", |status| status["terminating"] == 1).await;
    status(s, &pod, json!({"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}, {"type": "Ready", "status": "False"}]})).await;
    the(s, 0).await;
    look(s, "replaced", |status| status["active"] == 1).await;
    delete_pod(s, &pod, 0).await;
    s.until_gone(&format!("pods/{pod}")).await;
}

pub(super) async fn replaced_when_terminating(s: &mut Session) {
    create(s, indexed(1, json!({"backoffLimitPerIndex": 1000}))).await;
    look(s, "waits", |status| status["active"] == 1).await;
    let pod = the(s, 0).await;
    bind(s, &pod).await;
    runs(s, &pod).await;
    look(s, "runs", |status| status["ready"] == 1).await;
    delete_pod(s, &pod, 30).await;
    the(s, 0).await;
    look(s, "replaced", |status| {
        status["terminating"] == 1 && status["active"] == 1 && status["failed"] == 1
    })
    .await;
    delete_pod(s, &pod, 0).await;
    s.until_gone(&format!("pods/{pod}")).await;
    look(s, "gone", |status| status["terminating"] == 0).await;
}

pub(super) async fn suspends(s: &mut Session) {
    create(s, indexed(2, json!({"suspend": true}))).await;
    look(s, "suspended from the start", |status| has(status, "Suspended")).await;
    change(s, json!({"spec": {"suspend": false, "template": {"spec": {"nodeSelector": {"a": "b"}}}}})).await;
    look(s, "resumed", |status| status["active"] == 2).await;
    let pod = the(s, 0).await;
    ends(s, &pod, 0).await;
    look(s, "one has ended", |status| status["succeeded"] == 1).await;
    change(s, json!({"spec": {"suspend": true}})).await;
    look(s, "suspended", |status| {
        has(status, "Suspended") && status["active"].is_null() && status["terminating"] == 0
    })
    .await;
    change(s, json!({"spec": {"suspend": false}})).await;
    look(s, "resumed again", |status| status["active"] == 1).await;
    events(s, &["Suspended", "Resumed"]).await;
}

pub(super) async fn elastic(s: &mut Session) {
    create(s, indexed(3, json!({"backoffLimitPerIndex": 5}))).await;
    look(s, "three", |status| status["active"] == 3).await;
    let pod = the(s, 0).await;
    ends(s, &pod, 0).await;
    look(s, "one has ended", |status| status["succeeded"] == 1).await;
    let pod = the(s, 2).await;
    ends(s, &pod, 0).await;
    look(s, "two have ended", |status| status["succeeded"] == 2).await;
    s.patch(MERGE, "jobs/j?dryRun=All", json!({"spec": {"completions": 2}})).await;
    change(s, json!({"spec": {"completions": 2, "parallelism": 2}})).await;
    look(s, "two", |status| status["completedIndexes"] == "0").await;
    change(s, json!({"spec": {"completions": 5, "parallelism": 5}})).await;
    look(s, "five", |status| status["active"] == 4).await;
    change(s, json!({"spec": {"completions": 1, "parallelism": 1}})).await;
    look(s, "one", |status| has(status, "Complete")).await;
    events(s, &["Completed", "SuccessfulDelete"]).await;
}

pub(super) async fn parallelism(s: &mut Session) {
    create(s, job("j", json!({"completions": 5, "parallelism": 3}))).await;
    look(s, "three", |status| status["active"] == 3).await;
    change(s, json!({"spec": {"parallelism": 1}})).await;
    look(s, "one", |status| status["active"] == 1 && status["terminating"] == 0).await;
    change(s, json!({"spec": {"parallelism": 0}})).await;
    look(s, "none", |status| status["active"].is_null() && status["terminating"] == 0).await;
    change(s, json!({"spec": {"parallelism": 2}})).await;
    look(s, "two", |status| status["active"] == 2).await;
}

pub(super) async fn deadline_and_ttl(s: &mut Session) {
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

pub(super) async fn success_policy(s: &mut Session) {
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

pub(super) async fn nothing_to_do(s: &mut Session) {
    create(s, job("j", json!({"completions": 0, "parallelism": 0}))).await;
    look(s, "done", |status| has(status, "Complete")).await;
    events(s, &["Completed"]).await;
}

pub(super) async fn deletion(s: &mut Session) {
    create(s, indexed(2, json!({}))).await;
    look(s, "two", |status| status["active"] == 2).await;
    let (zero, one) = (the(s, 0).await, the(s, 1).await);
    bind(s, &zero).await;
    s.quietly(Method::DELETE, "application/json", "jobs/j?propagationPolicy=Foreground", Value::Null).await;
    s.until_gone(&format!("pods/{one}")).await;
    s.wait(&format!("pods/{zero}"), |pod| pod["metadata"]["deletionTimestamp"].is_string()).await;
    let job = s.wait("jobs/j", |job| job["metadata"]["deletionTimestamp"].is_string()).await;
    s.tell(
        &json!({"finalizers": job["metadata"]["finalizers"], "generation": job["metadata"]["generation"]}),
    );
    delete_pod(s, &zero, 0).await;
    s.until_gone("jobs/j").await;
}

pub(super) async fn orphaned(s: &mut Session) {
    create(s, indexed(1, json!({}))).await;
    look(s, "one", |status| status["active"] == 1).await;
    let pod = the(s, 0).await;
    s.delete("jobs/j", Some(json!({"propagationPolicy": "Orphan"}))).await;
    s.until_gone("jobs/j").await;
    let pod = s
        .wait(&format!("pods/{pod}"), |pod| {
            pod["metadata"]["finalizers"].is_null() && pod["metadata"]["ownerReferences"].is_null()
        })
        .await;
    s.note("the pod stays");
    s.tell(&shown(&pod));
}

pub(super) async fn manual_selector(s: &mut Session) {
    let mut one = job("j", json!({"manualSelector": true, "selector": {"matchLabels": {"my": "own"}}}));
    one["spec"]["template"]["metadata"] = json!({"labels": {"my": "own"}});
    create(s, one).await;
    s.until("jobs/j", |job| job["status"]["active"] == 1).await;
}
