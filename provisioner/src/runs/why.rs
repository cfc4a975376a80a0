//! Why nothing moves, told from what Kubernetes says of a run's Job, pods and events.

use std::collections::HashSet;

use anyhow::Result;
use contract::{RunId, exit};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{Api, ListParams, LogParams};

use crate::cloud::{Cloud, Kubernetes, limited};
use crate::kinds::JOB;
use crate::report::plain;

/// The label of a pod that names its Job, which is the run.
pub(super) const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Lines of a dead worker's log that are shown.
const LOG_LINES: i64 = 5;
/// Lines of a worker's log that are searched for a complaint.
const COMPLAINT_LINES: i64 = 20;
/// Workers whose logs are read: what stops one stops all.
const PODS_ASKED: usize = 3;

/// The namespace of a stack in one of its clusters.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub kubernetes: Kubernetes,
    pub namespace: String,
}

impl Cluster {
    /// A cluster, if it is there.
    pub(crate) async fn found(cloud: &Cloud, cluster: &str) -> Result<Option<Self>> {
        let kubernetes = cloud.kubernetes(cluster).await?;
        Ok(kubernetes.map(|kubernetes| Self { kubernetes, namespace: cloud.owner.clone() }))
    }

    /// The run's Job.
    pub(crate) async fn job(&self, run: &RunId) -> Result<Option<Job>> {
        self.kubernetes.get(&Api::namespaced(self.kubernetes.0.clone(), &self.namespace), &run.0).await
    }

    /// The pods of a run's Job.
    pub(crate) async fn pods(&self, run: &RunId) -> Result<Vec<Pod>> {
        let of_job = ListParams::default().labels(&format!("{JOB_NAME}={run}"));
        Ok(limited("list the run's pods", self.pod_api().list(&of_job)).await?.items)
    }

    /// The pods of every run's Job.
    pub(crate) async fn workers(&self) -> Result<Vec<Pod>> {
        let of_jobs = ListParams::default().labels(JOB);
        Ok(limited("list the workers", self.pod_api().list(&of_jobs)).await?.items)
    }

    /// Deletes the run's Job and its pods; one that is not there is deleted already.
    pub(crate) async fn delete_job(&self, run: &RunId) -> Result<()> {
        let jobs: Api<Job> = Api::namespaced(self.kubernetes.0.clone(), &self.namespace);
        self.kubernetes.delete(&jobs, &run.0).await
    }

    /// The names of the cluster's nodes.
    pub(crate) async fn nodes(&self) -> Result<Vec<String>> {
        let nodes: Api<Node> = Api::all(self.kubernetes.0.clone());
        let nodes = limited("list the nodes", nodes.list(&ListParams::default())).await?.items;
        Ok(nodes.into_iter().filter_map(|node| node.metadata.name).collect())
    }

    /// The names of the run's pods that are running.
    pub(crate) async fn alive(&self, run: &RunId) -> Result<HashSet<String>> {
        let pods = self.pods(run).await?.into_iter();
        Ok(pods.filter(|pod| phase(pod) == "Running").filter_map(|pod| pod.metadata.name).collect())
    }

    /// The API of pods in the stack's namespace.
    pub(crate) fn pod_api(&self) -> Api<Pod> {
        Api::namespaced(self.kubernetes.0.clone(), &self.namespace)
    }

    /// Why nobody will work on the run any more, if its Job has ended.
    pub(crate) async fn job_ended(&self, run: &RunId) -> Result<Option<String>> {
        let Some(job) = self.job(run).await? else { return Ok(None) };
        let conditions = job.status.and_then(|status| status.conditions).unwrap_or_default();
        let is = |kind: &str| conditions.iter().find(|c| c.type_ == kind && c.status == "True").cloned();
        if is("Complete").is_some() {
            let reason = "the workers have left: republishing what is open twice brought nothing; `provision logs` tells more";
            return Ok(Some(reason.to_owned()));
        }
        let Some(failed) = is("Failed") else { return Ok(None) };
        let mut reason = format!(
            "the run's Job failed: {}: {}",
            failed.reason.unwrap_or_default(),
            failed.message.unwrap_or_default()
        );
        if let Some(log) = self.log_of_bad_configuration(run).await? {
            reason.push_str("\nthe worker said:\n");
            reason.push_str(&log);
        }
        Ok(Some(reason))
    }

    async fn log_of_bad_configuration(&self, run: &RunId) -> Result<Option<String>> {
        let said = |pod: &Pod| exit_code(pod) == Some(i32::from(exit::BAD_CONFIGURATION));
        let Some(pod) = self.pods(run).await?.into_iter().find(said) else { return Ok(None) };
        let name = pod.metadata.name.unwrap_or_default();
        let tail = LogParams { tail_lines: Some(LOG_LINES), ..LogParams::default() };
        let log = limited("read the worker's log", self.pod_api().logs(&name, &tail)).await.ok();
        Ok(log.map(|log| log.lines().map(message).collect::<Vec<_>>().join("\n")))
    }
}

/// What a run's workers complain of since an instant: that they cannot start, or the last warning or
/// error of each.
pub(crate) async fn complaints(cluster: &Cluster, run: &RunId, since: Timestamp) -> Result<Vec<String>> {
    let pods = cluster.pods(run).await?;
    let mut said: Vec<String> = pods.iter().filter_map(cannot_start).collect();
    let asked = pods.into_iter().filter(|pod| matches!(phase(pod), "Running" | "Failed")).take(PODS_ASKED);
    let tail = LogParams { tail_lines: Some(COMPLAINT_LINES), ..LogParams::default() };
    for pod in asked {
        let name = pod.metadata.name.unwrap_or_default();
        // A pod that has just begun has no log yet.
        if let Ok(log) = limited("read a worker's log", cluster.pod_api().logs(&name, &tail)).await {
            said.extend(log.lines().rev().find_map(|line| complaint(line, since)));
        }
    }
    said.sort();
    said.dedup();
    Ok(said)
}

/// The message of a line of a worker's log; a line that is no record stays as it is.
fn message(line: &str) -> String {
    let record = serde_json::from_str::<serde_json::Value>(line).ok();
    let message = record.as_ref().and_then(|record| record["message"].as_str());
    plain(message.unwrap_or(line)).into_owned()
}

/// The message of a line of a worker's log, if it is a warning or an error.
fn complaint(line: &str, since: Timestamp) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_one = matches!(line["severity"].as_str(), Some("WARNING" | "ERROR"));
    let at: Timestamp = line["time"].as_str()?.parse().ok()?;
    let message = line["message"].as_str().filter(|_| is_one && at >= since)?;
    Some(format!("a worker says: {}", plain(message)))
}

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
fn cannot_start(pod: &Pod) -> Option<String> {
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

/// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Unknown")
}

fn exit_code(pod: &Pod) -> Option<i32> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find_map(|status| Some(status.state.as_ref()?.terminated.as_ref()?.exit_code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workers_say_is_shown_as_text_that_no_terminal_obeys() {
        let line = r#"{"message":"no \"x\" \u001b[2J","severity":"ERROR","time":"2026-01-31T12:00:00Z"}"#;
        let shown = "no \"x\" \\u{1b}[2J";
        assert_eq!(message(line), shown);
        assert_eq!(message("no record"), "no record");
        assert_eq!(complaint(line, Timestamp::UNIX_EPOCH), Some(format!("a worker says: {shown}")));
    }
}
