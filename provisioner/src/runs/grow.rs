//! Gives open runs the workers that the stack has room for by now. A run's Job only ever grows: its
//! completions and its parallelism together, as Kubernetes asks of an Indexed Job. Indexes that were
//! there go on, new ones come for the items that nobody has taken.

use anyhow::{Result, bail};
use contract::RunId;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

use super::cluster::Cluster;
use super::start::workers;
use super::store::{Store, Summary};
use crate::cloud::evidence::patiently;
use crate::cloud::{errors, limited};
use crate::plan::Growth;

/// How often a Job is read again whose status moved while it was changed.
const TRIES: usize = 10;

/// What a job has room for.
pub(crate) struct Room<'a> {
    /// The job's key.
    pub job: &'a str,
    /// Items that a worker takes at a time.
    pub concurrency: u32,
    /// Workers that may run.
    pub workers: u32,
}

/// The open runs that have fewer workers than there are work and room for.
pub(crate) async fn growths(store: &Store, cluster: &Cluster, room: &Room<'_>) -> Result<Vec<Growth>> {
    let mut found = Vec::new();
    for job in cluster.jobs().await?.into_iter().filter(is_going_on) {
        let run = RunId(job.name_any());
        let summary = if run.is_valid() { store.run(&run).await? } else { None };
        let Some(record) = summary.filter(Summary::is_open).map(|run| run.record) else { continue };
        // What a run may cost was worked out for the workers that it had.
        if record.job != room.job || record.max_cost.is_some() {
            continue;
        }
        let concurrency = record.fleet.as_ref().map_or(room.concurrency, |fleet| fleet.concurrency);
        let (from, to) = (size(&job), workers(record.count, concurrency, room.workers));
        if from < to {
            found.push(Growth { run: run.0, from, to });
        }
    }
    Ok(found)
}

/// Gives a run's Job that many workers. False if it has as many, or has ended.
pub(crate) async fn grow(cluster: &Cluster, growth: &Growth) -> Result<bool> {
    let jobs: Api<Job> = Api::namespaced(cluster.kubernetes.0.clone(), &cluster.namespace);
    for _ in 0..TRIES {
        let Some(job) = cluster.kubernetes.get(&jobs, &growth.run).await? else { return Ok(false) };
        if !is_going_on(&job) || size(&job) >= growth.to {
            return Ok(false);
        }
        let grown = json!({
            "metadata": { "resourceVersion": job.resource_version() },
            "spec": { "completions": growth.to, "parallelism": growth.to },
        });
        let (how, grown) = (PatchParams::default(), Patch::Merge(&grown));
        match limited("give the run more workers", jobs.patch(&growth.run, &how, &grown)).await {
            Err(error) if errors::is_race(&error) => {}
            patched => return patched.map(|_| true),
        }
    }
    bail!("its Job is changed by somebody else all the time")
}

impl Cluster {
    /// The Jobs of the namespace.
    async fn jobs(&self) -> Result<Vec<Job>> {
        let jobs: Api<Job> = Api::namespaced(self.kubernetes.0.clone(), &self.namespace);
        let all = ListParams::default();
        Ok(patiently(|| limited("list the runs' Jobs", jobs.list(&all))).await?.items)
    }
}

fn is_going_on(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut ended = { conditions }.into_iter().flatten().filter(|condition| condition.status == "True");
    let has_ended = ended
        .any(|c| matches!(c.type_.as_str(), "Complete" | "Failed" | "FailureTarget" | "SuccessCriteriaMet"));
    job.metadata.deletion_timestamp.is_none() && !has_ended
}

fn size(job: &Job) -> u32 {
    let size = job.spec.as_ref().and_then(|spec| spec.completions).unwrap_or_default();
    u32::try_from(size).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_has_ended_or_is_going_grows_no_more() {
        let job = |status: serde_json::Value, metadata: serde_json::Value| -> Job {
            let job = json!({ "metadata": metadata, "spec": { "completions": 3, "template": {} }, "status": status });
            serde_json::from_value(job).expect("a Job")
        };
        let with = |kind: &str, status: &str| json!({ "conditions": [{ "type": kind, "status": status }] });
        let going = job(with("Suspended", "True"), json!({}));
        assert!(is_going_on(&going) && size(&going) == 3);
        assert!(is_going_on(&job(with("Complete", "False"), json!({}))));
        assert!(!is_going_on(&job(with("SuccessCriteriaMet", "True"), json!({}))));
        assert!(!is_going_on(&job(json!({}), json!({ "deletionTimestamp": "2026-01-31T12:00:00Z" }))));
    }
}
