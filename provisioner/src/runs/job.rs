//! The Kubernetes Job of a run, made from its job's template.

use std::time::Duration;

use anyhow::{Context as _, Result};
use contract::RunRecord;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Resource as _, ResourceExt as _};

use crate::cloud::{Kubernetes, errors, evidence, limited};

/// How long a finished Job and its logs stay.
const KEPT_SECONDS: i32 = 24 * 3600;
/// Longest pauses between tries to create a Job.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(10)];

/// Creates the run's Job, once.
pub(crate) async fn ensure(kubernetes: &Kubernetes, namespace: &str, record: &RunRecord) -> Result<Job> {
    let jobs: Api<Job> = Api::namespaced(kubernetes.0.clone(), namespace);
    let name = record.run.0.as_str();
    if let Some(job) = kubernetes.get(&jobs, name).await? {
        return Ok(job);
    }
    let templates: Api<CronJob> = Api::namespaced(kubernetes.0.clone(), namespace);
    let template = kubernetes.get(&templates, &record.job).await?;
    let template = template
        .with_context(|| format!("the cluster has no template of job.{}: apply the stack", record.job))?;
    let job = of(&template, record)?;
    let mut pauses = PAUSES.iter();
    loop {
        match limited("create the Job", jobs.create(&PostParams::default(), &job)).await {
            // A try whose answer was lost may have made it.
            Err(error) if errors::is_already_there(&error) => {
                return kubernetes.get(&jobs, name).await?.context("the Job is there and is not");
            }
            Err(error)
                if evidence::is_worth_another_try(&error)
                    && let Some(pause) = pauses.next() =>
            {
                tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            }
            created => {
                return created.context(
                    "cannot create the run's Job; the run is recorded: the same command again goes on with it",
                );
            }
        }
    }
}

fn of(template: &CronJob, record: &RunRecord) -> Result<Job> {
    let from = template.spec.as_ref().context("the template is empty")?.job_template.clone();
    let mut spec = from.spec.context("the template has no spec")?;
    let workers = i32::try_from(record.workers).unwrap_or(i32::MAX);
    spec.completions = Some(workers);
    spec.parallelism = Some(workers);
    spec.active_deadline_seconds = i64::try_from(record.max_run_time_seconds).ok();
    spec.ttl_seconds_after_finished = Some(KEPT_SECONDS);
    let labels = from.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
    let mut annotations = from.metadata.and_then(|metadata| metadata.annotations).unwrap_or_default();
    // As `kubectl create job --from=cronjob/…` says it.
    annotations.insert("cronjob.kubernetes.io/instantiate".into(), "manual".into());
    Ok(Job {
        metadata: ObjectMeta {
            name: Some(record.run.0.clone()),
            namespace: template.namespace(),
            labels,
            annotations: Some(annotations),
            // The run dies with its job.
            owner_references: template.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(spec),
        status: None,
    })
}
