//! The REST wire: bodies as they stand on it.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::pubsub::stage::{SOON, Stage};

/// What differs from call to call.
const FLEETING: &[&str] = &["ackId", "messageId", "publishTime", "messageIds"];

/// The body without what differs from call to call, and of an error only what clients read.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let keep = |(key, value): (String, Value)| match key.as_str() {
                "errors" | "details" => None,
                fleeting if FLEETING.contains(&fleeting) => Some((key, json!("…"))),
                _ => Some((key, normal(value))),
            };
            Value::Object(fields.into_iter().filter_map(keep).collect())
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        other => other,
    }
}

pub(super) async fn bodies(stage: &Stage) {
    let http = Client::builder().timeout(SOON).build().expect("a client");
    let call = async |step: &str, method: Method, path: &str, body: Value| {
        let url = format!("{}/v1/projects/{}/{path}", stage.url, stage.project);
        let mut request = http.request(method, url);
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await.expect("a body")).unwrap_or_default();
        stage.note(step, format!("{status} {}", normal(body.clone())));
        body
    };
    call("create a topic", Method::PUT, "topics/items", json!({"labels": {"a": "b"}})).await;
    call("create it again", Method::PUT, "topics/items", json!({})).await;
    let topic = format!("projects/{}/topics/items", stage.project);
    let settings = json!({"topic": topic, "ackDeadlineSeconds": 20, "messageRetentionDuration": "86400s", "expirationPolicy": {}});
    call("create a subscription", Method::PUT, "subscriptions/work", settings).await;
    let change = json!({"subscription": {"ackDeadlineSeconds": 30}, "updateMask": "ackDeadlineSeconds"});
    call("change it", Method::PATCH, "subscriptions/work", change).await;
    let nothing = json!({"subscription": {"ackDeadlineSeconds": 30}, "updateMask": ""});
    call("change it without a mask", Method::PATCH, "subscriptions/work", nothing).await;
    call("get it", Method::GET, "subscriptions/work", Value::Null).await;
    call("list", Method::GET, "subscriptions?pageSize=1", Value::Null).await;
    call("of the topic", Method::GET, "topics/items/subscriptions", Value::Null).await;
    call("no such topic", Method::GET, "topics/absent", Value::Null).await;
    let messages = json!({"messages": [{"data": "aGVsbG8=", "attributes": {"k": "v"}}]});
    call("publish", Method::POST, "topics/items:publish", messages).await;
    call("publish nothing", Method::POST, "topics/items:publish", json!({"messages": []})).await;
    let pulled = call("pull", Method::POST, "subscriptions/work:pull", json!({"maxMessages": 1})).await;
    let ack_id = pulled["receivedMessages"][0]["ackId"].clone();
    let later = json!({"ackIds": [ack_id], "ackDeadlineSeconds": 60});
    call("modify", Method::POST, "subscriptions/work:modifyAckDeadline", later).await;
    call("acknowledge", Method::POST, "subscriptions/work:acknowledge", json!({"ackIds": [ack_id]})).await;
    let now = json!({"maxMessages": 1, "returnImmediately": true});
    call("pull again", Method::POST, "subscriptions/work:pull", now).await;
    call("a mistake in the body", Method::POST, "subscriptions/work:pull", json!({"maxMessages": "many"}))
        .await;
    call("delete the subscription", Method::DELETE, "subscriptions/work", Value::Null).await;
    call("delete it again", Method::DELETE, "subscriptions/work", Value::Null).await;
    call("delete the topic", Method::DELETE, "topics/items", Value::Null).await;
}
