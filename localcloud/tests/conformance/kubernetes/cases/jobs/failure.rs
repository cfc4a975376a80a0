//! When pods fail: what is tried again, what fails an index, what the whole Job.

use std::time::Instant;

use serde_json::{Value, json};

use super::steps::{create, ends, events, has, indexed, live, look, status, the};
use crate::kubernetes::cases::objects::job;
use crate::kubernetes::session::Session;

pub(in crate::kubernetes::cases) async fn backoff_limit(s: &mut Session) {
    create(s, job("j", json!({"backoffLimit": 0, "completions": 2, "parallelism": 2}))).await;
    look(s, "two at once", |status| status["active"] == 2).await;
    let pods = live(s, None).await;
    ends(s, pods[0]["metadata"]["name"].as_str().expect("a name"), 1).await;
    look(s, "failed", |status| has(status, "Failed")).await;
    events(s, &["BackoffLimitExceeded", "SuccessfulDelete"]).await;
}

pub(in crate::kubernetes::cases) async fn restart_on_failure(s: &mut Session) {
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

pub(in crate::kubernetes::cases) async fn per_index(s: &mut Session) {
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

pub(in crate::kubernetes::cases) async fn max_failed_indexes(s: &mut Session) {
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
    let mut more = json!({"backoffLimitPerIndex": 3});
    more["podFailurePolicy"]["rules"] = rules;
    more
}

pub(in crate::kubernetes::cases) async fn policy_ignores(s: &mut Session) {
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

pub(in crate::kubernetes::cases) async fn policy_fails_the_job(s: &mut Session) {
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

pub(in crate::kubernetes::cases) async fn policy_fails_the_index(s: &mut Session) {
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

pub(in crate::kubernetes::cases) async fn policy_by_condition(s: &mut Session) {
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
