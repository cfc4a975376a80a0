//! Who brings a token may what policies say, and is refused in each service's own words.

use std::time::Duration;

use clients::{Bucket, Conditional, Metadata, Target, explain};
use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag};
use google_cloud_auth::errors::CredentialsError;
use google_cloud_pubsub::model::Message;
use http::{Extensions, HeaderMap};
use localcloud::Propagation;
use serde_json::{Value, json};

use crate::{Local, PROJECT};

const TOPIC: &str = "/v1/projects/fx-dev/topics/items";
const WORK: &str = "/v1/projects/fx-dev/subscriptions/work";
const BUCKET: &str = "/storage/v1/b/fx-dev-data";
const WORKER: &str = "fx-worker@fx-dev.iam.gserviceaccount.com";
const ACCOUNT: &str = "/v1/projects/fx-dev/serviceAccounts/fx-worker@fx-dev.iam.gserviceaccount.com";
const SOON: Duration = Duration::from_secs(20);

/// A token as the official clients carry it.
#[derive(Debug)]
struct Bearer(String);

impl CredentialsProvider for Bearer {
    async fn headers(&self, _: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let value = format!("Bearer {}", self.0).parse().expect("a header");
        let data = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        Ok(CacheableResource::New { entity_tag: EntityTag::new(), data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

/// Asks over REST; without a token as the owner.
async fn ask(local: &Local, token: Option<&str>, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let client = reqwest::Client::new();
    let method = method.parse().expect("a method");
    let mut request = client.request(method, format!("{}{path}", local.url())).body(body.to_string());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn owner(local: &Local, method: &str, path: &str, body: Value) -> Value {
    let (status, answer) = ask(local, None, method, path, &body).await;
    assert_eq!(status, 200, "{method} {path}: {answer}");
    answer
}

/// A topic, a subscription, a bucket, and an account that may nothing; its token.
async fn set_up(local: &Local) -> String {
    owner(local, "PUT", TOPIC, json!({})).await;
    owner(local, "PUT", WORK, json!({"topic": TOPIC.trim_start_matches("/v1/")})).await;
    owner(local, "POST", "/storage/v1/b?project=fx-dev", json!({"name": "fx-dev-data"})).await;
    owner(local, "POST", "/v1/projects/fx-dev/serviceAccounts", json!({"accountId": "fx-worker"})).await;
    token(local).await
}

async fn token(local: &Local) -> String {
    let answer = owner(local, "POST", &format!("{ACCOUNT}:generateAccessToken"), json!({})).await;
    answer["accessToken"].as_str().expect("a token").into()
}

/// Gives the account these roles on a resource, and no others.
async fn grant(local: &Local, on: &str, roles: &[&str]) {
    let binding = |role| json!({"role": role, "members": [format!("serviceAccount:{WORKER}")]});
    let policy = json!({"bindings": roles.iter().map(binding).collect::<Vec<_>>()});
    match on {
        BUCKET => owner(local, "PUT", &format!("{on}/iam"), policy).await,
        _ => owner(local, "POST", &format!("{on}:setIamPolicy"), json!({"policy": policy})).await,
    };
}

fn advance(local: &Local, time: Duration) {
    local.cloud.clock().advance(time).expect("written down");
}

async fn publish(local: &Local, token: &str) -> (u16, Value) {
    let body = json!({"messages": [{"data": "eA=="}]});
    ask(local, Some(token), "POST", &format!("{TOPIC}:publish"), &body).await
}

fn target(local: &Local, token: &str) -> Target {
    Target { endpoint: Some(local.url().into()), credentials: Credentials::from(Bearer(token.into())) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_on_the_resource_or_its_project_permits_and_its_end_refuses() {
    let local = Local::start().await;
    let token = set_up(&local).await;
    let project = format!("/v3/projects/{PROJECT}");
    for on in [TOPIC, project.as_str()] {
        let (status, refusal) = publish(&local, &token).await;
        assert_eq!(status, 403, "{refusal}");
        assert_eq!(refusal["error"]["message"], "User not authorized to perform this action.");
        let info = &refusal["error"]["details"][0];
        assert_eq!(
            (&info["reason"], &info["metadata"]["permission"]),
            (&json!("IAM_PERMISSION_DENIED"), &json!("pubsub.topics.publish"))
        );
        grant(&local, on, &["roles/pubsub.publisher"]).await;
        assert_eq!(publish(&local, &token).await.0, 200);
        assert_eq!(ask(&local, Some(&token), "GET", TOPIC, &Value::Null).await.0, 403, "it may only publish");
        grant(&local, on, &[]).await;
    }
    let used = local.cloud.uses();
    let on: Vec<_> = used.iter().map(|grant| (grant.on.as_str(), grant.role.as_str())).collect();
    let publisher = "roles/pubsub.publisher";
    assert_eq!(on, [("projects/fx-dev", publisher), ("projects/fx-dev/topics/items", publisher)]);
    assert_eq!(used[0].member, format!("serviceAccount:{WORKER}"));
    assert!(used[0].permissions.iter().eq(["pubsub.topics.publish"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_reach_the_official_clients_with_the_permission() {
    let local = Local::start().await;
    let target = target(&local, &set_up(&local).await);
    let topic = TOPIC.trim_start_matches("/v1/");
    let publisher = target.publisher().await.expect("a client").publisher(topic).build();
    let refused = publisher.publish(Message::new().set_data("x")).await.expect_err("refused");
    let said = explain(&refused);
    assert!(
        said.contains("permission pubsub.topics.publish is missing on projects/fx-dev/topics/items"),
        "{said}"
    );

    let bucket = Bucket::new(target.storage().await.expect("clients"), "fx-dev-data");
    let text = |permission: &str, of: &str| {
        format!(
            "{WORKER} does not have {permission} access to the Google Cloud Storage {of}. Permission '{permission}' denied on resource (or it may not exist)"
        )
    };
    let refused = bucket.create("a", "x".into(), Metadata::new()).await.expect_err("over HTTP");
    assert!(refused.to_string().contains(&text("storage.objects.create", "object")), "{refused}");
    let refused = bucket.stat("a").await.expect_err("over gRPC");
    assert!(refused.is_denied(), "{refused}");
    assert!(refused.to_string().contains(&text("storage.objects.get", "object")), "{refused}");
    let refused = bucket.list("").await.expect_err("over gRPC");
    assert!(refused.to_string().contains(&text("storage.objects.list", "bucket")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_an_object_deletes_it_and_absence_is_told_to_those_who_may_list() {
    let local = Local::start().await;
    let token = set_up(&local).await;
    let bucket = Bucket::new(target(&local, &token).storage().await.expect("clients"), "fx-dev-data");
    grant(&local, BUCKET, &["roles/storage.objectCreator", "roles/storage.legacyObjectReader"]).await;
    bucket.create("a", "1".into(), Metadata::new()).await.expect("created");
    let again = bucket.create("a", "2".into(), Metadata::new()).await.expect("answered");
    assert_eq!(again, Conditional::Conflict, "the condition comes before the permission");
    let refused = bucket.overwrite_json("a", &1).await.expect_err("refused");
    assert!(refused.to_string().contains("storage.objects.delete access"), "{refused}");
    let refused = bucket.stat("missing").await.expect_err("refused");
    assert!(refused.to_string().contains("storage.objects.list access"), "{refused}");
    let copy = format!("{BUCKET}/o/a/rewriteTo/b/fx-dev-data/o/b");
    assert_eq!(ask(&local, Some(&token), "POST", &copy, &json!({})).await.0, 200);
    grant(&local, BUCKET, &["roles/storage.objectCreator"]).await;
    let (status, refusal) = ask(&local, Some(&token), "POST", &copy, &json!({})).await;
    assert_eq!(status, 403, "{refusal}");

    grant(&local, BUCKET, &["roles/storage.objectUser"]).await;
    bucket.overwrite_json("a", &1).await.expect("replaced");
    assert_eq!(bucket.stat("missing").await.expect("told"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_nobody_holds_or_that_has_ended_is_no_token() {
    let local = Local::start().await;
    let token = set_up(&local).await;
    grant(&local, TOPIC, &["roles/pubsub.publisher"]).await;
    assert_eq!(publish(&local, &token).await.0, 200);
    let (status, refusal) = publish(&local, "ya29.wrong").await;
    assert_eq!((status, &refusal["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
    let (status, refusal) = ask(&local, Some("ya29.wrong"), "GET", BUCKET, &Value::Null).await;
    assert_eq!((status, &refusal["error"]["message"]), (401, &json!("Invalid Credentials")));

    advance(&local, Duration::from_secs(3500));
    assert_eq!(publish(&local, &token).await.0, 200);
    advance(&local, Duration::from_secs(100));
    assert_eq!(publish(&local, &token).await.0, 401);
    let token = self::token(&local).await;
    assert_eq!(publish(&local, &token).await.0, 200);
    owner(&local, "POST", &format!("{ACCOUNT}:disable"), json!({})).await;
    assert_eq!(publish(&local, &token).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_of_permissions_tell_what_the_caller_has() {
    let local = Local::start().await;
    let token = set_up(&local).await;
    grant(&local, TOPIC, &["roles/pubsub.viewer"]).await;
    let asked = json!({"permissions": ["pubsub.topics.get", "pubsub.topics.publish"]});
    let test = format!("{TOPIC}:testIamPermissions");
    let (_, held) = ask(&local, Some(&token), "POST", &test, &asked).await;
    assert_eq!(held, json!({"permissions": ["pubsub.topics.get"]}));
    assert_eq!(owner(&local, "POST", &test, asked.clone()).await, asked);
    let buckets = format!("{BUCKET}/iam/testPermissions?permissions=storage.buckets.get");
    let (_, held) = ask(&local, Some(&token), "GET", &buckets, &Value::Null).await;
    assert_eq!(held["permissions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_counts_only_after_a_while_and_policies_show_it_at_once() {
    let local = Local::start().await;
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    local.cloud.set_propagation(Propagation { accounts: minutes(1), grants: minutes(2) }).expect("set");
    owner(&local, "PUT", TOPIC, json!({})).await;
    let accounts = "/v1/projects/fx-dev/serviceAccounts";
    owner(&local, "POST", accounts, json!({"accountId": "fx-worker"})).await;
    let get = async |path: &str| ask(&local, None, "GET", path, &Value::Null).await;
    assert_eq!(get(ACCOUNT).await.0, 404);
    assert_eq!(get(accounts).await.1["accounts"], json!([]));
    let policy = json!({"policy": {"bindings": [{"role": "roles/pubsub.publisher", "members": [format!("serviceAccount:{WORKER}")]}]}});
    let set = format!("{TOPIC}:setIamPolicy");
    let (status, refusal) = ask(&local, None, "POST", &set, &policy).await;
    assert_eq!(
        (status, &refusal["error"]["message"]),
        (400, &json!(format!("Service account {WORKER} does not exist.")))
    );

    advance(&local, minutes(1));
    assert_eq!(get(ACCOUNT).await.0, 200);
    let token = token(&local).await;
    grant(&local, TOPIC, &["roles/pubsub.publisher"]).await;
    let shown = get(&format!("{TOPIC}:getIamPolicy")).await.1;
    assert_eq!(shown["bindings"][0]["role"], "roles/pubsub.publisher");
    assert_eq!(publish(&local, &token).await.0, 403);
    advance(&local, minutes(2));
    assert_eq!(publish(&local, &token).await.0, 200);
    grant(&local, TOPIC, &[]).await;
    assert_eq!(publish(&local, &token).await.0, 200, "a revocation lags as well");
    advance(&local, minutes(2));
    assert_eq!(publish(&local, &token).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_grant_is_taken_away_ends() {
    let local = Local::start().await;
    let token = set_up(&local).await;
    grant(&local, WORK, &["roles/pubsub.subscriber"]).await;
    owner(&local, "POST", &format!("{TOPIC}:publish"), json!({"messages": [{"data": "eA=="}]})).await;
    let subscriber = target(&local, &token).subscriber().await.expect("a client");
    let mut stream = subscriber.subscribe(WORK.trim_start_matches("/v1/")).build();
    let next = tokio::time::timeout(SOON, stream.next()).await.expect("soon");
    next.expect("open").expect("a message").1.ack();
    grant(&local, WORK, &[]).await;
    advance(&local, Duration::from_secs(10));
    let end = tokio::time::timeout(SOON, stream.next()).await.expect("soon").expect("a last word");
    let said = explain(&end.expect_err("refused"));
    assert!(said.contains("pubsub.subscriptions.consume"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policys_writers_that_race_each_lose_or_win_whole() {
    const WRITERS: usize = 8;
    let local = Local::start().await;
    set_up(&local).await;
    for (read, write) in [
        (format!("{TOPIC}:getIamPolicy"), format!("{TOPIC}:setIamPolicy")),
        (format!("{WORK}:getIamPolicy"), format!("{WORK}:setIamPolicy")),
    ] {
        let writers = (0..WRITERS).map(|writer| {
            let (local, read, write) = (&local, &read, &write);
            async move {
                let mut lost = 0;
                loop {
                    let mut policy = owner(local, "GET", read, Value::Null).await;
                    let member = json!(format!("user:writer-{writer}@example.com"));
                    match policy.pointer_mut("/bindings/0/members").and_then(Value::as_array_mut) {
                        Some(members) => members.push(member),
                        None => policy["bindings"] = json!([{"role": "roles/viewer", "members": [member]}]),
                    }
                    match ask(local, None, "POST", write, &json!({ "policy": policy })).await {
                        (200, _) => return lost,
                        (409, refusal) => {
                            lost += 1;
                            assert_eq!(refusal["error"]["status"], "ABORTED");
                            let message = refusal["error"]["message"].as_str().expect("a message");
                            assert!(
                                message.starts_with("There were concurrent policy changes."),
                                "{message}"
                            );
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
        });
        let lost: usize = futures::future::join_all(writers).await.into_iter().sum();
        assert!(lost > 0, "nobody raced");
        let policy = owner(&local, "GET", &read, Value::Null).await;
        assert_eq!(policy["bindings"][0]["members"].as_array().map(Vec::len), Some(WRITERS), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_read_by_those_who_may_access_it_and_by_nobody_else() {
    const SECRET: &str = "/v1/projects/fx-dev/secrets/token";
    let local = Local::start().await;
    let token = set_up(&local).await;
    let secrets = "/v1/projects/fx-dev/secrets?secretId=token";
    owner(&local, "POST", secrets, json!({"replication": {"automatic": {}}})).await;
    owner(&local, "POST", &format!("{SECRET}:addVersion"), json!({"payload": {"data": "YQ=="}})).await;
    let access = async || {
        let latest = format!("{SECRET}/versions/latest:access");
        ask(&local, Some(&token), "GET", &latest, &json!({})).await
    };
    for role in ["roles/secretmanager.viewer", "roles/secretmanager.secretVersionManager"] {
        grant(&local, SECRET, &[role]).await;
        let (status, answer) = access().await;
        assert_eq!(status, 403, "{role}");
        assert_eq!(
            answer["error"]["message"],
            "Permission 'secretmanager.versions.access' denied for resource \
             'projects/fx-dev/secrets/token/versions/latest' (or it may not exist)."
        );
    }
    grant(&local, SECRET, &["roles/secretmanager.secretAccessor"]).await;
    let (status, answer) = access().await;
    assert_eq!((status, &answer["payload"]["data"]), (200, &json!("YQ==")));
    assert_eq!(ask(&local, Some(&token), "GET", SECRET, &json!({})).await.0, 403, "and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_makes_a_cluster_needs_the_right_to_act_as_its_nodes() {
    let local = Local::start().await;
    let token = set_up(&local).await;
    let project = format!("/v3/projects/{PROJECT}");
    let clusters = "/v1/projects/fx-dev/locations/europe-west1-b/clusters";
    let pool = json!({"name": "p", "initialNodeCount": 1, "config": {"serviceAccount": WORKER}});
    let cluster = json!({"cluster": {"name": "main", "nodePools": [pool]}});
    let create = async || ask(&local, Some(&token), "POST", clusters, &cluster).await;
    let (status, refusal) = create().await;
    let text = "Required \"container.clusters.create\" permission(s) for \"projects/fx-dev/locations/europe-west1-b\".";
    assert_eq!((status, refusal["error"]["message"].as_str()), (403, Some(text)));
    grant(&local, &project, &["roles/container.admin"]).await;
    let (status, refusal) = create().await;
    assert_eq!(status, 403, "{refusal}");
    assert!(refusal.to_string().contains("does not have access to service account"), "{refusal}");
    grant(&local, ACCOUNT, &["roles/iam.serviceAccountUser"]).await;
    let (status, answer) = create().await;
    assert_eq!(status, 200, "{answer}");
}
