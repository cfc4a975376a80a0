//! Pods and Jobs that are deleted: when a pod is replaced, what goes with a Job.

use reqwest::Method;
use serde_json::{Value, json};

use super::steps::{bind, create, delete_pod, indexed, look, runs, shown, status, the};
use crate::kubernetes::session::Session;

pub(in crate::kubernetes::cases) async fn replaced_when_failed(s: &mut Session) {
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

pub(in crate::kubernetes::cases) async fn replaced_when_terminating(s: &mut Session) {
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

pub(in crate::kubernetes::cases) async fn deletion(s: &mut Session) {
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

pub(in crate::kubernetes::cases) async fn orphaned(s: &mut Session) {
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
