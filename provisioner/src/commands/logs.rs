//! `provision logs`: what a run's workers print.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, LogParams};
use tokio::task::JoinSet;

use super::session::StackArgs;
use crate::cloud::limited;
use crate::exit::Exit;
use crate::report;
use crate::runs::{Summary, phase};

/// How often new workers are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Prints the logs of a run's workers.
#[derive(Args)]
pub(super) struct Logs {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// The run; the newest without it.
    #[arg(long)]
    run: Option<String>,
    /// The newest of this job; of any without it.
    #[arg(long)]
    job: Option<String>,
    /// Go on until the run's workers are gone.
    #[arg(long)]
    follow: bool,
    /// Lines of each worker to begin with; all without it.
    #[arg(long, value_name = "LINES")]
    tail: Option<i64>,
}

impl Logs {
    pub(super) async fn run(self) -> Result<Exit> {
        let session = self.stack.open().await?;
        let of_job = |run: &Summary| self.job.as_ref().is_none_or(|job| *job == run.record.job);
        let (_, Summary { record, .. }) = session.run(self.run.as_deref(), of_job).await?;
        let Some(cluster) = session.cluster_of(&record).await? else {
            bail!("no cluster has workers of run {} any more", record.run);
        };
        let run = record.run;
        let params = LogParams { follow: self.follow, tail_lines: self.tail, ..LogParams::default() };
        // The owner of every follower: dropped with this function, they end.
        let mut followers: JoinSet<Result<()>> = JoinSet::new();
        let mut followed: HashSet<String> = HashSet::new();
        loop {
            let pods = cluster.pods(&run).await?;
            for pod in pods.iter().filter(|pod| phase(pod) != "Pending") {
                let name = pod.name_any();
                if followed.insert(name.clone()) {
                    followers.spawn(print(cluster.pod_api(), name, params.clone()));
                }
            }
            let left = pods.iter().any(|pod| matches!(phase(pod), "Pending" | "Running"));
            if !self.follow || (!left && cluster.job_ended(&run).await?.is_some()) {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        if followed.is_empty() {
            report::note(&format!("run {run} has no worker whose log is there"));
        }
        while let Some(ended) = followers.join_next().await {
            ended??;
        }
        Ok(Exit::Done)
    }
}

async fn print(pods: Api<Pod>, name: String, params: LogParams) -> Result<()> {
    let lines = limited("read a worker's log", pods.log_stream(&name, &params)).await?.lines();
    let mut lines = std::pin::pin!(lines.into_stream());
    while let Some(line) = lines.next().await {
        report::data(&format!("{name} {}\n", line?));
    }
    Ok(())
}
