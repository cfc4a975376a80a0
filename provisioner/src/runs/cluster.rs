//! A run's Job, pods and nodes, as its cluster tells of them.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use contract::{RunId, exit};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams, LogParams};

use super::complaints::message;
use crate::cloud::{Cloud, Kubernetes, limited};
use crate::kinds::{JOB, POOL};

/// The label of a pod that names its Job, which is the run.
pub(super) const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Lines of a dead worker's log that are shown.
const LOG_LINES: i64 = 5;

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
        Ok(kubernetes.map(|kubernetes| Self { kubernetes, namespace: cloud.prefix.clone() }))
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

    /// Workers of other stacks that are running in the cluster, or in one of its pools, by stack.
    pub(crate) async fn running_workers_of_others(
        &self,
        pool: Option<&str>,
    ) -> Result<BTreeMap<String, usize>> {
        let all: Api<Pod> = Api::all(self.kubernetes.0.clone());
        let of_jobs = ListParams::default().labels(JOB);
        let pods = limited("list the workers", all.list(&of_jobs)).await?.items;
        let is_there = |pod: &Pod| {
            let wants = pod.spec.as_ref().and_then(|spec| spec.node_selector.as_ref()?.get(POOL));
            pool.is_none_or(|pool| wants.is_none_or(|wants| wants == pool))
        };
        let mut owners = BTreeMap::new();
        for pod in pods.into_iter().filter(|pod| phase(pod) == "Running" && is_there(pod)) {
            let owner = pod.metadata.namespace.unwrap_or_default();
            if owner != self.namespace {
                *owners.entry(owner).or_default() += 1;
            }
        }
        Ok(owners)
    }

    /// The image that the template of a job names: as apply bound it.
    pub(crate) async fn image_of(&self, job: &str) -> Result<Option<String>> {
        let templates: Api<CronJob> = Api::namespaced(self.kubernetes.0.clone(), &self.namespace);
        let template = self.kubernetes.get(&templates, job).await?;
        let job = template.and_then(|template| template.spec?.job_template.spec);
        let pod = job.and_then(|job| job.template.spec);
        Ok(pod.and_then(|pod| pod.containers.into_iter().next()?.image))
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

/// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
pub(super) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Unknown")
}

fn exit_code(pod: &Pod) -> Option<i32> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find_map(|status| Some(status.state.as_ref()?.terminated.as_ref()?.exit_code))
}
