//! Jobs that are changed while they run: suspended, resumed, made wider and narrower.

use serde_json::json;

use super::steps::{change, create, ends, events, has, indexed, look, the};
use crate::kubernetes::cases::objects::job;
use crate::kubernetes::session::{MERGE, Session};

pub(in crate::kubernetes::cases) async fn suspends(s: &mut Session) {
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

pub(in crate::kubernetes::cases) async fn elastic(s: &mut Session) {
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

pub(in crate::kubernetes::cases) async fn parallelism(s: &mut Session) {
    create(s, job("j", json!({"completions": 5, "parallelism": 3}))).await;
    look(s, "three", |status| status["active"] == 3).await;
    change(s, json!({"spec": {"parallelism": 1}})).await;
    look(s, "one", |status| status["active"] == 1 && status["terminating"] == 0).await;
    change(s, json!({"spec": {"parallelism": 0}})).await;
    look(s, "none", |status| status["active"].is_null() && status["terminating"] == 0).await;
    change(s, json!({"spec": {"parallelism": 2}})).await;
    look(s, "two", |status| status["active"] == 2).await;
}
