//! The port itself: who is let in, and watches.

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use super::cluster::{Scene, kubeconfig};

#[tokio::test]
async fn nobody_is_let_in_without_a_certificate_and_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::start().await;
    let mut config = kubeconfig(&scene.cluster);
    config["users"][0]["user"] = json!({});
    let config: Kubeconfig = serde_json::from_value(config).expect("a kubeconfig");
    let config =
        kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("a config");
    let stranger = kube::Client::try_from(config).expect("a client");
    let maps: Api<ConfigMap> = Api::default_namespaced(stranger);
    match maps.list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) => {
            assert_eq!((status.code, status.reason.as_str()), (401, "Unauthorized"));
        }
        other => panic!("let in: {other:?}"),
    }
    for entry in std::fs::read_dir(scene.folder.path().join("clusters/main")).expect("the folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode() & 0o077;
        assert_eq!(mode, 0, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let scene = Scene::start().await;
    let request = http::Request::get("https://127.0.0.1/api/v1/namespaces")
        .header("Host", "evil.example")
        .body(Vec::new());
    let refused = scene.client.request_text(request.expect("a request")).await;
    assert!(format!("{refused:?}").contains("403"), "{refused:?}");
}

#[tokio::test]
async fn a_watch_tells_every_change_from_where_it_starts_and_too_old_a_start_is_refused() {
    let scene = Scene::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(scene.client.clone());
    let map = |labels: serde_json::Value| -> ConfigMap {
        serde_json::from_value(json!({"metadata": {"name": "m", "labels": labels}})).expect("a map")
    };
    let start = maps
        .list(&ListParams::default())
        .await
        .expect("a list")
        .metadata
        .resource_version
        .expect("a version");
    let chosen = WatchParams::default().labels("a=1");
    let events = maps.watch(&chosen, &start).await.expect("a watch");
    maps.create(&PostParams::default(), &map(json!({}))).await.expect("made");
    maps.replace("m", &PostParams::default(), &map(json!({"a": "1"}))).await.expect("enters");
    maps.replace("m", &PostParams::default(), &map(json!({"a": "1", "b": "2"}))).await.expect("changes");
    maps.replace("m", &PostParams::default(), &map(json!({}))).await.expect("leaves");
    maps.delete("m", &DeleteParams::default()).await.expect("deleted");
    let seen: Vec<WatchEvent<ConfigMap>> = events.take(3).try_collect().await.expect("events");
    let kinds: Vec<&str> = seen
        .iter()
        .map(|event| match event {
            WatchEvent::Added(_) => "added",
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            WatchEvent::Bookmark(_) => "bookmark",
            WatchEvent::Error(_) => "error",
        })
        .collect();
    assert_eq!(kinds, ["added", "modified", "deleted"]);

    // More changes than the history holds: whoever stopped before them must list again.
    for number in 0..8300 {
        let changed =
            json!({"metadata": {"name": "churn", "namespace": "default"}, "data": {"n": number.to_string()}});
        scene.cluster.churn(&changed);
    }
    let late: Vec<_> =
        maps.watch(&WatchParams::default(), &start).await.expect("a watch").take(1).collect().await;
    match &late[0] {
        Ok(WatchEvent::Error(status)) => assert_eq!((status.code, status.reason.as_str()), (410, "Expired")),
        other => panic!("not refused: {other:?}"),
    }
}
