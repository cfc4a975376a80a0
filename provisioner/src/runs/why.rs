//! Why nothing moves, told from what Kubernetes says of a run's Job, pods and events.

use anyhow::Result;
use contract::RunId;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams};

use super::cluster::{Cluster, phase};
use crate::cloud::limited;

/// What keeps a run from moving, and what to do; nothing if nothing is to be seen.
pub(crate) async fn why_nothing_moves(cluster: &Cluster, run: &RunId) -> Result<Vec<String>> {
    // Whoever follows the run would have closed it.
    if let Some(ended) = cluster.job_ended(run).await? {
        return Ok(vec![format!(
            "{ended}\nnobody works on it any more: `provision runs watch {run}` closes it"
        )]);
    }
    let mut reasons = Vec::new();
    match cluster.job(run).await? {
        None => reasons.push("the run's Job is not there: run the same command again".to_owned()),
        Some(job) if job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true) => {
            reasons.push(
                "the run's Job is suspended: `kubectl patch job … '{\"spec\":{\"suspend\":false}}'`"
                    .to_owned(),
            );
        }
        Some(_) => {}
    }
    let pods = cluster.pods(run).await?;
    reasons.extend(pods.iter().filter_map(reason_of_pod));
    if pods.iter().any(|pod| phase(pod) == "Pending") {
        reasons.extend(scale_up_refusals(cluster).await?);
    }
    reasons.sort();
    reasons.dedup();
    if reasons.is_empty() && !pods.iter().any(|pod| phase(pod) == "Running") {
        reasons.push("no worker is running: they wait for nodes, or for their back-off to end".to_owned());
    }
    Ok(reasons)
}

fn reason_of_pod(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if phase(pod) != "Pending" {
        return None;
    }
    let unschedulable =
        status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled" && c.status == "False");
    if let Some(condition) = unschedulable {
        return Some(format!(
            "workers wait for a node: {}",
            condition.message.as_deref().unwrap_or("unschedulable")
        ));
    }
    cannot_start(pod)
}

/// What keeps the container of a pod that has its node from starting.
pub(super) fn cannot_start(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.iter().flatten();
    let waiting = { statuses }.find_map(|status| status.state.as_ref()?.waiting.as_ref())?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let what_to_do = match reason {
        "ErrImagePull" | "ImagePullBackOff" => ": is job.image right, and may the nodes read it?",
        "CreateContainerError" | "CreateContainerConfigError" => ": see `provision logs`",
        _ => return None,
    };
    Some(format!(
        "a worker cannot start, {reason}: {}{what_to_do}",
        waiting.message.as_deref().unwrap_or_default()
    ))
}

/// What the autoscaler says of nodes that it cannot add: stock-outs and quota.
async fn scale_up_refusals(cluster: &Cluster) -> Result<Vec<String>> {
    let events: Api<Event> = Api::namespaced(cluster.kubernetes.0.clone(), &cluster.namespace);
    let events = limited("list events", events.list(&ListParams::default())).await?.items;
    let refusals = events
        .into_iter()
        .filter(|event| matches!(event.reason.as_deref(), Some("FailedScaleUp" | "NotTriggerScaleUp")));
    Ok(refusals
        .filter_map(|event| Some(format!("the autoscaler adds no node: {}", event.message?)))
        .collect())
}
