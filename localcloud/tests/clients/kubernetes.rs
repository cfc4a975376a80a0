//! A cluster made over the GKE API, used over its Kubernetes API: from the pool's limits to a pod.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use google_cloud_container_v1::model::Cluster;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams, LogParams, PostParams};
use serde_json::json;

use crate::{Local, gke};

/// A client by the kubeconfig that only the folder's owner can read.
pub(crate) async fn client(local: &Local, cluster: &Cluster) -> kube::Client {
    let access = cluster.master_auth.as_ref().expect("access");
    assert!(access.client_key.is_empty(), "the open port gives nobody a key");
    let path = local.state().join("kubeconfig");
    let config = kube::config::Kubeconfig::read_from(path).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default())
        .await
        .expect("a config");
    kube::Client::try_from(config).expect("a client")
}

fn job() -> Job {
    let job = json!({
        "metadata": {"name": "greet"},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never",
            "nodeSelector": {"cloud.google.com/gke-spot": "true"},
            "tolerations": [{"operator": "Exists"}],
            "containers": [{
                "name": "greet", "image": "none", "command": ["sh", "-c", "echo $PUBSUB_EMULATOR_HOST"],
            }],
        }}},
    });
    serde_json::from_value(job).expect("a job")
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        match look().await {
            Some(found) => return found,
            None => assert!(since.elapsed() < Duration::from_mins(1), "never: {what}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_pod_gets_a_spot_node_and_runs_with_the_local_endpoints() {
    let local = Local::start().await;
    let cluster = gke::running(&local).await;
    let kube = client(&local, &cluster).await;
    let nodes: Api<Node> = Api::all(kube.clone());
    until("the steady node", async || {
        (nodes.list(&ListParams::default()).await.ok()?.items.len() == 1).then_some(())
    })
    .await;

    let jobs: Api<Job> = Api::default_namespaced(kube.clone());
    jobs.create(&PostParams::default(), &job()).await.expect("a job");
    until("the job's end", async || jobs.get("greet").await.ok()?.status?.succeeded).await;
    let spot =
        nodes.list(&ListParams::default().labels("cloud.google.com/gke-spot=true")).await.expect("nodes");
    assert_eq!(spot.items.len(), 1);
    let pods: Api<Pod> = Api::default_namespaced(kube);
    let pod = pods.list(&ListParams::default().labels("job-name=greet")).await.expect("pods").items.remove(0);
    let log = pods.logs(&pod.metadata.name.expect("a name"), &LogParams::default()).await.expect("a log");
    assert_eq!(log.trim(), local.url().trim_start_matches("http://"));
    assert_eq!(gke::nodes(&local).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kubeconfig_and_the_cluster_survive_a_restart() {
    let local = Local::start().await;
    gke::running(&local).await;
    let read =
        |local: &Local| std::fs::read_to_string(local.state().join("kubeconfig")).expect("a kubeconfig");
    let before = read(&local);
    let config: BTreeMap<String, serde_json::Value> = serde_json::from_str(&before).expect("JSON");
    assert_eq!(config["current-context"], "gke_fx-dev_europe-west1-b_fx-main");
    let authority =
        config["clusters"][0]["cluster"]["certificate-authority-data"].as_str().expect("a certificate");
    assert!(BASE64_STANDARD.decode(authority).expect("base64").starts_with(b"-----BEGIN CERTIFICATE"));

    let local = local.restart().await;
    assert_eq!(read(&local), before);
    let cluster = gke::running_again(&local).await;
    let nodes: Api<Node> = Api::all(client(&local, &cluster).await);
    until("the steady node", async || {
        (nodes.list(&ListParams::default()).await.ok()?.items.len() == 1).then_some(())
    })
    .await;
}
