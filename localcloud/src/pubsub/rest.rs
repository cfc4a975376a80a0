//! The REST wire: `/v1/projects/*/topics/*` and `/v1/projects/*/subscriptions/*`.
//!
//! Google's paths carry verbs behind a colon, which no router matches: every path is taken apart
//! here, and one table says what answers it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::backlog::Delivery;
use super::delivery::Taken;
use super::message::{Content, LARGEST_PUBLISH};
use super::names::Kind;
use super::page::{Page, PageRequest};
use super::state::Pubsub;
use super::subscription::Subscription;
use super::topic::Topic;
use crate::error::ApiError;
use crate::iam::Policy;

/// A publish in JSON: base64 adds a third.
const LARGEST_REQUEST: usize = LARGEST_PUBLISH / 3 * 4 + (1 << 20);

/// Fields of Google's resources that the local cloud does not support.
const UNSUPPORTED: &[&str] = &[
    "bigqueryConfig",
    "bigtableConfig",
    "cloudStorageConfig",
    "ingestionDataSourceSettings",
    "messageTransforms",
    "schemaSettings",
    "tags",
];

type Parameters = HashMap<String, String>;
type Answer = Result<Value, ApiError>;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Update<T> {
    topic: Option<T>,
    subscription: Option<T>,
    #[serde(rename = "updateMask")]
    mask: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Delivered {
    ack_ids: Vec<String>,
    ack_deadline_seconds: i32,
    max_messages: i32,
    return_immediately: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Publish {
    messages: Vec<Content>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Policies {
    policy: Policy,
    permissions: Vec<String>,
}

impl Pubsub {
    /// The routes of this wire.
    pub(crate) fn rest(self: &Arc<Self>) -> axum::Router {
        axum::Router::new()
            .route("/v1/projects/{project}/topics", any(list))
            .route("/v1/projects/{project}/subscriptions", any(list))
            .route("/v1/projects/{project}/topics/{topic}", any(topic))
            .route("/v1/projects/{project}/topics/{topic}/{collection}", any(of_topic))
            .route("/v1/projects/{project}/subscriptions/{subscription}", any(subscription))
            .route("/v1/projects/{project}/snapshots", any(unsupported))
            .route("/v1/projects/{project}/snapshots/{snapshot}", any(unsupported))
            .route("/v1/projects/{project}/schemas", any(unsupported))
            .route("/v1/projects/{project}/schemas/{schema}", any(unsupported))
            .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
            .with_state(self.clone())
    }
}

async fn list(
    State(pubsub): State<Arc<Pubsub>>,
    Path(project): Path<String>,
    Query(parameters): Query<Parameters>,
    method: Method,
    uri: http::Uri,
) -> Response {
    let page = page_of(&parameters);
    let project = format!("projects/{project}");
    answer(match (&method, uri.path().ends_with("/topics")) {
        (&Method::GET, true) => pubsub.list_topics(&project, &page).map(|page| paged("topics", page)),
        (&Method::GET, false) => pubsub
            .list_subscriptions(&project, &page)
            .map(|page| paged_values("subscriptions", page.items.iter().map(shown).collect(), page.next)),
        _ => Err(unknown(&method, &uri)),
    })
}

async fn topic(
    State(pubsub): State<Arc<Pubsub>>,
    Path((project, last)): Path<(String, String)>,
    method: Method,
    uri: http::Uri,
    body: Bytes,
) -> Response {
    let (id, verb) = split(&last);
    let name = Kind::Topic.name(&project, id);
    answer(match (&method, verb) {
        (&Method::PUT, "") => read::<Topic>(&body).and_then(|topic| {
            let topic = Topic { name, ..topic };
            pubsub.create_topic(topic).map(|topic| json!(topic))
        }),
        (&Method::GET, "") => pubsub.get_topic(&name).map(|topic| json!(topic)),
        (&Method::PATCH, "") => read::<Update<Topic>>(&body).and_then(|update| {
            let topic = Topic { name, ..update.topic.unwrap_or_default() };
            pubsub.update_topic(&topic, &mask(&update.mask)).map(|topic| json!(topic))
        }),
        (&Method::DELETE, "") => pubsub.delete_topic(&name).map(|()| json!({})),
        (&Method::POST, "publish") => read::<Publish>(&body).and_then(|publish| {
            pubsub.publish(&name, publish.messages).map(|ids| json!({"messageIds": ids}))
        }),
        _ => policies(&pubsub, &name, &method, verb, &body).unwrap_or_else(|| Err(unknown(&method, &uri))),
    })
}

async fn of_topic(
    State(pubsub): State<Arc<Pubsub>>,
    Path((project, topic, collection)): Path<(String, String, String)>,
    Query(parameters): Query<Parameters>,
    method: Method,
    uri: http::Uri,
) -> Response {
    let name = Kind::Topic.name(&project, &topic);
    answer(match (&method, collection.as_str()) {
        (&Method::GET, "subscriptions") => {
            pubsub.topic_subscriptions(&name, &page_of(&parameters)).map(|page| paged("subscriptions", page))
        }
        (&Method::GET, "snapshots") => Err(not_here(&method, &uri)),
        _ => Err(unknown(&method, &uri)),
    })
}

async fn subscription(
    State(pubsub): State<Arc<Pubsub>>,
    Path((project, last)): Path<(String, String)>,
    method: Method,
    uri: http::Uri,
    body: Bytes,
) -> Response {
    let (id, verb) = split(&last);
    let name = Kind::Subscription.name(&project, id);
    let read_delivered = || read::<Delivered>(&body);
    answer(match (&method, verb) {
        (&Method::PUT, "") => read::<Subscription>(&body).and_then(|subscription| {
            pubsub
                .create_subscription(Subscription { name, detached: false, ..subscription })
                .map(|s| shown(&s))
        }),
        (&Method::GET, "") => pubsub.get_subscription(&name).map(|s| shown(&s)),
        (&Method::PATCH, "") => read::<Update<Subscription>>(&body).and_then(|update| {
            let subscription = Subscription { name, ..update.subscription.unwrap_or_default() };
            pubsub.update_subscription(&subscription, &mask(&update.mask)).map(|s| shown(&s))
        }),
        (&Method::DELETE, "") => pubsub.delete_subscription(&name).map(|()| json!({})),
        (&Method::POST, "pull") => match read_delivered() {
            Ok(asked) => pubsub
                .pull(&name, asked.max_messages, !asked.return_immediately)
                .await
                .map(|taken| pulled(&taken)),
            Err(error) => Err(error),
        },
        (&Method::POST, "acknowledge") => {
            read_delivered().and_then(|asked| pubsub.acknowledge(&name, &asked.ack_ids)).map(|_| json!({}))
        }
        (&Method::POST, "modifyAckDeadline") => read_delivered()
            .and_then(|asked| pubsub.modify_deadline(&name, &asked.ack_ids, asked.ack_deadline_seconds))
            .map(|_| json!({})),
        (&Method::POST, "detach") => pubsub.detach_subscription(&name).map(|()| json!({})),
        (&Method::POST, "seek" | "modifyPushConfig") => Err(not_here(&method, &uri)),
        _ => policies(&pubsub, &name, &method, verb, &body).unwrap_or_else(|| Err(unknown(&method, &uri))),
    })
}

async fn unsupported(method: Method, uri: http::Uri) -> Response {
    not_here(&method, &uri).into_response()
}

/// What every resource with a policy answers.
fn policies(pubsub: &Pubsub, name: &str, method: &Method, verb: &str, body: &[u8]) -> Option<Answer> {
    Some(match (method, verb) {
        (&Method::GET | &Method::POST, "getIamPolicy") => pubsub.policy(name).map(|policy| json!(policy)),
        (&Method::POST, "setIamPolicy") => read::<Policies>(body)
            .and_then(|asked| pubsub.set_policy(name, asked.policy))
            .map(|policy| json!(policy)),
        (&Method::POST, "testIamPermissions") => read::<Policies>(body)
            .and_then(|asked| pubsub.permissions(name, asked.permissions))
            .map(|permissions| json!({"permissions": permissions})),
        _ => return None,
    })
}

fn answer(answer: Answer) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(error) => error.into_response(),
    }
}

/// A subscription with what every one has.
fn shown(subscription: &Subscription) -> Value {
    let mut value = json!(subscription);
    value["pushConfig"] = json!({});
    value["state"] = json!("ACTIVE");
    value
}

fn pulled(taken: &Taken) -> Value {
    let received = |delivery: &Delivery| {
        let message = &delivery.message;
        let mut content = json!(message.content);
        content["messageId"] = json!(message.id.to_string());
        content["publishTime"] = json!(message.published);
        let mut received = json!({"ackId": delivery.ack_id.to_string(), "message": content});
        if taken.counted {
            received["deliveryAttempt"] = json!(delivery.attempt);
        }
        received
    };
    if taken.deliveries.is_empty() {
        return json!({});
    }
    json!({"receivedMessages": taken.deliveries.iter().map(received).collect::<Vec<_>>()})
}

fn paged<T: serde::Serialize>(of: &str, page: Page<T>) -> Value {
    paged_values(of, page.items.into_iter().map(|item| json!(item)).collect(), page.next)
}

fn paged_values(of: &str, items: Vec<Value>, next: String) -> Value {
    let mut value = json!({});
    if !items.is_empty() {
        value[of] = items.into();
    }
    if !next.is_empty() {
        value["nextPageToken"] = next.into();
    }
    value
}

fn page_of(parameters: &Parameters) -> PageRequest {
    let get = |key| parameters.get(key).cloned().unwrap_or_default();
    PageRequest { size: get("pageSize").parse().unwrap_or_default(), token: get("pageToken") }
}

/// A mask's paths in the spelling of protocol buffers; JSON spells them in camel case.
fn mask(mask: &str) -> Vec<String> {
    mask.split(',').filter(|path| !path.is_empty()).map(snake_case).collect()
}

fn snake_case(path: &str) -> String {
    let mut snake = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// `id:verb`; a name can't hold a colon.
fn split(last: &str) -> (&str, &str) {
    last.rsplit_once(':').unwrap_or((last, ""))
}

fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, ApiError> {
    if body.is_empty() {
        return Ok(T::default());
    }
    let wrong = |error| ApiError::invalid_argument(format!("Invalid JSON payload received. {error}"));
    let value: Value = serde_json::from_slice(body).map_err(wrong)?;
    let resources = [&value, &value["topic"], &value["subscription"]];
    if let Some(field) = UNSUPPORTED.iter().find(|field| resources.iter().any(|r| r.get(**field).is_some())) {
        return Err(ApiError::unsupported(format!("`{field}`")));
    }
    if resources.iter().any(|resource| !resource["pushConfig"]["pushEndpoint"].is_null()) {
        return Err(ApiError::unsupported("`pushConfig`"));
    }
    serde_json::from_value(value).map_err(wrong)
}

fn not_here(method: &Method, uri: &http::Uri) -> ApiError {
    ApiError::unsupported(format!("{method} {}", uri.path()))
}

fn unknown(method: &Method, uri: &http::Uri) -> ApiError {
    ApiError::not_found(format!("there is no {method} {}", uri.path()))
}
