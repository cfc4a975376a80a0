//! Errors, delays, stalls and cut connections.

use std::io::{Read, Write};
use std::net::TcpStream;

use clients::Target;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_storage::client::StorageControl;
use google_cloud_storage::model;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use localcloud::calls::{Fault, Latency, Point, What, When};
use serde_json::json;

use super::*;
use crate::{gke, kubernetes, refusal};

async fn storage(local: &Local) -> StorageControl {
    Target::anonymous(local.url()).storage().await.expect("clients").1
}

async fn create_bucket(control: &StorageControl) -> Result<model::Bucket, google_cloud_storage::Error> {
    let create = control.create_bucket().set_parent("projects/_").set_bucket_id("fx-dev-data");
    create.set_bucket(model::Bucket::new().set_project(crate::project())).send().await
}

async fn is_there(local: &Local, id: &str) -> bool {
    topics(local).await.get_topic().set_topic(topic(id)).send().await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_fails_as_its_wire_writes_errors() {
    let local = Local::start().await;
    let calls = local.cloud.calls();

    // REST, with a text that clients read.
    calls.fault(Fault::next(
        1,
        Point::before("pubsub.topics.create").on("*/topics/items"),
        fail("pubsub-retry"),
    ));
    let create = async |id: &str| topics(&local).await.create_topic().set_name(topic(id)).send().await;
    create("other").await.expect("another topic");
    let (code, message) = refusal(create("items").await);
    assert_eq!((code, message.contains("retry this operation")), (400, true), "{message}");
    create("items").await.expect("once is enough");

    // gRPC, from a client that tries again.
    let control = storage(&local).await;
    calls.fault(Fault::next(2, Point::before("storage.buckets.insert"), fail("unavailable")));
    create_bucket(&control).await.expect("the third try");
    assert_eq!(told(&calls.since(0), "storage.buckets.insert"), ["- Faulted", "- Faulted", "OK Answered"]);
    calls.fault(Fault::always(Point::before("storage.buckets.get"), fail("permission-denied")));
    let get = control.get_bucket().set_name("projects/_/buckets/fx-dev-data").send().await;
    let error = get.expect_err("refused");
    assert_eq!(error.status().map(|status| status.code), Some(Code::PermissionDenied));

    // Cloud Storage's JSON.
    calls.fault(Fault::always(Point::before("storage.objects.get"), fail("404")));
    let get = ask(&local, "GET", "/storage/v1/b/fx-dev-data/o/x");
    assert!(get.starts_with("HTTP/1.1 404") && get.contains(r#""reason":"notFound""#), "{get}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_answers_faults_as_kubernetes_does_and_its_connections_are_cut_too() {
    let local = Local::start().await;
    let cluster = gke::running(&local).await;
    let kube = kubernetes::client(&local, &cluster).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(kube);
    let calls = local.cloud.calls();

    calls.fault(Fault::next(1, Point::before("kubernetes.configmaps.list"), fail("409")));
    let refused = maps.list(&ListParams::default()).await.expect_err("refused");
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists"));

    let map = |name: &str| serde_json::from_value(json!({"metadata": {"name": name}})).expect("a map");
    for (point, id) in [
        (Point::before("kubernetes.configmaps.create"), "undone"),
        (Point::after("kubernetes.configmaps.create"), "done"),
    ] {
        calls.fault(Fault::next(
            1,
            point.on(&format!("clusters/*/namespaces/default/configmaps/{id}")),
            What::Drop,
        ));
        let cut = maps.create(&PostParams::default(), &map(id)).await.expect_err("cut");
        assert!(!matches!(cut, kube::Error::Api(_)), "{cut}");
        assert_eq!(maps.get_opt(id).await.expect("an answer").is_some(), id == "done");
    }
    let told = told(&calls.since(0), "kubernetes.configmaps.create");
    assert_eq!(told, ["- Faulted", "201 Faulted"]);
}

/// What a raw HTTP/1.1 request gets; nothing if the connection is cut.
fn ask(local: &Local, method: &str, path: &str) -> String {
    let authority = local.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(authority).expect("connected");
    stream.set_read_timeout(Some(SOON)).expect("a deadline");
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 0\r\n");
    write!(stream, "{head}Connection: close\r\n\r\n").expect("written");
    let mut answer = String::new();
    // A reset is as good as an end.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_cut_before_or_after_the_effect() {
    let local = Local::start().await;
    let calls = local.cloud.calls();
    for (point, id) in
        [(Point::before("pubsub.topics.create"), "undone"), (Point::after("pubsub.topics.create"), "done")]
    {
        calls.fault(Fault::next(1, point, What::Drop));
        assert_eq!(ask(&local, "PUT", &format!("/v1/{}", topic(id))), "");
        assert_eq!(is_there(&local, id).await, id == "done");
    }

    // HTTP/2: the whole connection goes, and the client makes another for its next try.
    let control = storage(&local).await;
    let cut = calls.fault(Fault::next(1, Point::after("storage.buckets.insert"), What::Drop));
    create_bucket(&control).await.expect_err("its second try finds it there, or it gives up");
    assert_eq!(calls.faults().iter().find(|fault| fault.id == cut).map(|fault| fault.struck), Some(1));
    let mut buckets = control.list_buckets().set_parent(crate::project()).by_item();
    let first = buckets.next().await.expect("a bucket").expect("an answer");
    assert_eq!(first.bucket_id, "fx-dev-data");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_is_of_the_clock_that_tests_steer() {
    let local = Local::start().await;
    let (calls, clock) = (local.cloud.calls(), local.cloud.clock());
    let hour = Duration::from_hours(1);
    let delay =
        calls.fault(Fault::next(1, Point::before("pubsub.topics.create"), What::Delay(Latency::Fixed(hour))));
    let created = tokio::spawn(topics(&local).await.create_topic().set_name(topic("late")).send());
    let entry = soon(calls.struck(delay, 0)).await;
    assert_eq!((entry.status, is_there(&local, "late").await), (None, false));
    clock.advance(hour).expect("advanced");
    soon(created).await.expect("no panic").expect("a topic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_at_a_point_until_it_is_released() {
    let local = Local::start().await;
    let calls = local.cloud.calls();
    let stall = calls.fault(Fault::always(Point::after("pubsub.topics.create"), What::Stall));
    let created = tokio::spawn(topics(&local).await.create_topic().set_name(topic("held")).send());
    let entry = soon(calls.struck(stall, 0)).await;
    assert_eq!((entry.resource, entry.fate), (topic("held"), localcloud::calls::Fate::Held));
    assert!(is_there(&local, "held").await && !created.is_finished());
    assert!(calls.release(stall));
    soon(created).await.expect("no panic").expect("a topic");
    assert_eq!(calls.clear(None), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_strikes_the_same_calls() {
    let when = When::Probability { p: 0.3, seed: 7 };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let local = Local::start().await;
        let point = Point::before("pubsub.topics.list");
        local.cloud.calls().fault(Fault { point, when, what: fail("internal") });
        let path = format!("/v1/{}/topics", crate::project());
        let answers = (0..20).map(|_| ask(&local, "GET", &path).starts_with("HTTP/1.1 500"));
        runs.push(answers.collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&true) && runs[0].contains(&false), "{:?}", runs[0]);
}
