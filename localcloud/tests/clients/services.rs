//! Services that a project has not enabled.

use std::time::{Duration, Instant};

use google_cloud_gax::error::rpc::StatusDetails;
use google_cloud_pubsub::client::{Publisher, TopicAdmin};
use google_cloud_pubsub::model::Message;
use serde_json::{Value, json};

use crate::gke::{LOCATION, client};
use crate::{Local, PROJECT, nobody, refusal};

async fn call(local: &Local, method: reqwest::Method, path: &str, body: Value) -> (u16, Value) {
    let request = reqwest::Client::new().request(method, format!("{}{path}", local.url())).json(&body);
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn get(local: &Local, path: &str) -> (u16, Value) {
    call(local, reqwest::Method::GET, path, Value::Null).await
}

async fn post(local: &Local, path: &str) -> (u16, Value) {
    call(local, reqwest::Method::POST, path, json!({})).await
}

fn service(name: &str) -> String {
    format!("/v1/projects/{PROJECT}/services/{name}.googleapis.com")
}

/// Waits until a begun operation is done.
async fn done(local: &Local, begun: (u16, Value)) -> Value {
    assert_eq!(begun.0, 200, "{}", begun.1);
    let path = format!("/v1/{}", begun.1["name"].as_str().expect("a name"));
    let since = Instant::now();
    loop {
        let (_, operation) = get(local, &path).await;
        if operation["done"] == true {
            return operation;
        }
        assert!(since.elapsed() < Duration::from_mins(1), "{operation}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn disable(local: &Local, name: &str) {
    done(local, post(local, &format!("{}:disable", service(name))).await).await;
}

#[tokio::test]
async fn a_disabled_service_says_so_over_rest_and_grpc_until_it_is_active_again() {
    let local = Local::start().await;
    let topics = TopicAdmin::builder().with_endpoint(local.url()).with_credentials(nobody()).build().await;
    let topics = topics.expect("a client");
    let topic = format!("projects/{PROJECT}/topics/items");
    topics.create_topic().set_name(&topic).send().await.expect("a topic");
    for name in ["container", "pubsub", "storage"] {
        disable(&local, name).await;
    }

    let gke = client(&local).await;
    let error = gke.list_clusters().set_parent(LOCATION).send().await.expect_err("refused");
    let status = error.status().expect("a status");
    let (text, number) = (&status.message, 1);
    assert!(text.starts_with("Kubernetes Engine API has not been used in project "), "{text}");
    assert!(
        text.ends_with("wait a few minutes for the action to propagate to our systems and retry."),
        "{text}"
    );
    let info = status.details.iter().find_map(|details| match details {
        StatusDetails::ErrorInfo(info) => Some(info),
        _ => None,
    });
    let info = info.expect("an ErrorInfo");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("SERVICE_DISABLED", "googleapis.com"));
    assert_eq!(info.metadata["service"], "container.googleapis.com");
    assert_eq!(error.http_status_code(), Some(403), "{number}");

    assert_eq!(refusal(topics.get_topic().set_topic(&topic).send().await).0, 403);
    let publisher =
        Publisher::builder(&topic).with_endpoint(local.url()).with_credentials(nobody()).build().await;
    let refused = publisher.expect("a client").publish(Message::new().set_data("x")).await;
    assert!(format!("{:?}", refused.expect_err("refused")).contains("Cloud Pub/Sub API has not been used"));
    let (code, body) = get(&local, &format!("/storage/v1/b?project={PROJECT}")).await;
    assert_eq!((code, &body["error"]["errors"][0]["reason"]), (403, &json!("accessNotConfigured")));
    // Other services, and other projects, go on.
    assert_eq!(get(&local, &format!("/v1/projects/{PROJECT}/serviceAccounts")).await.0, 200);
    assert_eq!(get(&local, "/storage/v1/b?project=another-one").await.0, 200);

    let local = local.restart().await;
    local.cloud.clock().freeze().expect("stopped");
    let begun = post(&local, &format!("{}:enable", service("container"))).await;
    assert!(
        begun.1["name"].as_str().is_some_and(|name| name.starts_with("operations/acat.p2-")),
        "{}",
        begun.1
    );
    assert_eq!(begun.1.get("done"), None);
    let (code, body) = post(&local, &format!("{}:enable", service("container"))).await;
    let text = body["error"]["message"].as_str().expect("a message");
    assert!(code == 400 && text.starts_with("Another activation or deactivation is in progress"), "{text}");
    let gke = client(&local).await;
    assert_eq!(refusal(gke.list_clusters().set_parent(LOCATION).send().await).0, 403, "not yet active");
    local.cloud.clock().advance(Duration::from_secs(1)).expect("moved on");
    let ended = done(&local, begun).await;
    assert_eq!(ended["response"]["service"]["state"], "ENABLED");
    gke.list_clusters().set_parent(LOCATION).send().await.expect("clusters");
    local.cloud.clock().thaw().expect("running");
}

#[tokio::test]
async fn buckets_are_refused_by_the_project_that_they_are_in() {
    let local = Local::start().await;
    let buckets = format!("/storage/v1/b?project={PROJECT}");
    let made = call(&local, reqwest::Method::POST, &buckets, json!({"name": "fx-data"})).await;
    assert_eq!(made.0, 200);
    disable(&local, "storage").await;
    for path in ["/storage/v1/b/fx-data", "/storage/v1/b/fx-data/o"] {
        assert_eq!(get(&local, path).await.0, 403, "{path}");
    }
}

#[tokio::test]
async fn services_are_enabled_together_and_listed_in_pages() {
    let local = Local::start().await;
    let path = format!("/v1/projects/{PROJECT}/services");
    let ids = json!({"serviceIds": ["bigquery.googleapis.com", "pubsub.googleapis.com"]});
    let begun = call(&local, reqwest::Method::POST, &format!("{path}:batchEnable"), ids.clone()).await;
    let ended = done(&local, begun).await;
    assert_eq!(
        ended["response"]["@type"],
        "type.googleapis.com/google.api.serviceusage.v1.BatchEnableServicesResponse"
    );
    let again = call(&local, reqwest::Method::POST, &format!("{path}:batchEnable"), ids).await.1;
    assert_eq!((&again["name"], &again["done"]), (&json!("operations/noop.DONE_OPERATION"), &json!(true)));

    let (mut names, mut token) = (vec![], String::new());
    loop {
        let page = get(&local, &format!("{path}?filter=state:ENABLED&pageSize=5&pageToken={token}")).await.1;
        let services = page["services"].as_array().expect("services").clone();
        names.extend(
            services.iter().map(|service| service["config"]["name"].as_str().expect("a name").to_owned()),
        );
        match page["nextPageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!(names.len(), 14, "{names:?}");
    assert!(names.is_sorted() && names.contains(&"bigquery.googleapis.com".to_owned()));
}
