//! Pods of a local cloud that is killed.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::{Killable, cluster, kubernetes_client, until};

#[tokio::test(flavor = "multi_thread")]
async fn pods_end_with_a_killed_local_cloud_and_are_failed_at_its_next_start() {
    let mut local = Killable::start().await;
    let kubernetes = cluster(&local.rest(), &local.state()).await;
    let pods: Api<Pod> = Api::default_namespaced(kubernetes);
    let pid_file = local.folder.path().join("pid");
    // It ignores SIGTERM, and has a child of its own.
    let script =
        format!("trap '' TERM; sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", pid_file.display());
    let container = json!({"name": "main", "image": "none", "command": ["sh", "-c", script]});
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"restartPolicy": "Never", "containers": [container]}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod).expect("a pod")).await.expect("a pod");
    let child = until("a child", async || std::fs::read_to_string(&pid_file).ok()).await;
    let child = std::path::Path::new("/proc").join(child.trim());

    local.kill();
    if cfg!(target_os = "linux") {
        until("the end of the pod's child", async || is_gone(&child).then_some(())).await;
    }
    local.restart().await;
    let pods: Api<Pod> = Api::default_namespaced(kubernetes_client(&local.state()).await);
    let status = pods.get("p").await.expect("a pod").status.expect("a status");
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    let why: Vec<_> =
        status.conditions.unwrap_or_default().into_iter().map(|c| (c.type_, c.status)).collect();
    assert!(why.contains(&("DisruptionTarget".into(), "True".into())), "{why:?}");
}

/// Dead, or dead and not yet taken note of.
fn is_gone(process: &std::path::Path) -> bool {
    std::fs::read_to_string(process.join("stat"))
        .map_or(true, |stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}
