//! What the pods of a run print, those that start later too; and what is left of it of one item.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use contract::{Item, RunId};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::LogParams;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::cluster::{Cluster, JOB_NAME, phase};
use super::history::{Ended, ItemHistory, PodLog, Tried};
use super::pod_log::{PodReader, about, why_not};
use super::store::Store;
use crate::cloud::limited;

/// How often new pods are looked for, and a log that broke off is asked for again.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// How long the last lines about an item may be on their way.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Lines of a pod's log that are searched for those of one attempt.
const SEARCHED: i64 = 20_000;

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Go on until the run's pods are gone, with those that start later.
    pub follow: bool,
    /// Only what was printed since.
    pub since: Option<Timestamp>,
    /// Of each pod only so many lines to begin with.
    pub tail: Option<i64>,
    /// Only what is logged about this item of the run, by whichever pod.
    pub item: Option<Item>,
}

/// Something of a pod's log.
#[derive(Debug)]
pub(crate) struct Heard {
    pub pod: String,
    pub said: Said,
}

/// What was heard.
#[derive(Debug)]
pub(crate) enum Said {
    Line(String),
    /// There is nothing to be read, and why.
    Nothing(String),
}

/// Tells what the pods of a run print, until nothing more will come.
pub(crate) async fn listen(
    store: &Store,
    cluster: &Cluster,
    run: &RunId,
    wanted: &Wanted,
    tell: Sender<Heard>,
) -> Result<()> {
    // The owner of all who listen: they end with it.
    let mut listening = JoinSet::new();
    let mut known = HashSet::new();
    loop {
        // Any run's workers may have the item.
        let mut pods = match &wanted.item {
            Some(_) => cluster.workers().await?,
            None => cluster.pods(run).await?,
        };
        pods.sort_by_key(ResourceExt::name_any);
        for pod in pods.iter().filter(|pod| phase(pod) != "Pending") {
            if known.insert(pod.name_any()) {
                let log = PodReader {
                    cluster: cluster.clone(),
                    pod: pod.name_any(),
                    run: run.clone(),
                    wanted: wanted.clone(),
                    tell: tell.clone(),
                    last: None,
                };
                if wanted.follow {
                    listening.spawn(log.follow());
                } else {
                    log.read().await;
                }
            }
        }
        if !wanted.follow || is_over(store, cluster, run, &pods).await? {
            break;
        }
        sleep(LOOK).await;
    }
    // Another run's worker may go on; of this run it has nothing more to say.
    let of_others =
        async { if wanted.item.is_some() { sleep(LAST_WORDS).await } else { std::future::pending().await } };
    tokio::pin!(of_others);
    loop {
        tokio::select! {
            ended = listening.join_next() => match ended {
                Some(ended) => ended?,
                None => return Ok(()),
            },
            () = &mut of_others => return Ok(()),
        }
    }
}

/// Whether nobody will print anything more for the run: its own pods have ended, and so has its Job.
async fn is_over(store: &Store, cluster: &Cluster, run: &RunId, pods: &[Pod]) -> Result<bool> {
    let is_own = |pod: &Pod| pod.labels().get(JOB_NAME) == Some(&run.0);
    if pods.iter().any(|pod| is_own(pod) && matches!(phase(pod), "Pending" | "Running")) {
        return Ok(false);
    }
    if cluster.job(run).await?.is_some() {
        return Ok(cluster.job_ended(run).await?.is_some());
    }
    Ok(store.run(run).await?.is_none_or(|run| !run.is_open()))
}

/// Adds what the pods of open attempts have logged about them, as far as that is still there.
pub(crate) async fn add_logs(cluster: Option<&Cluster>, history: &mut ItemHistory) {
    let (run, item) = (history.run.clone(), history.item.clone());
    for tried in history.attempts.iter_mut().filter(|tried| tried.state == Ended::Open) {
        let log = match cluster {
            Some(cluster) => log_of(cluster, &run, &item, tried).await,
            None => PodLog::Gone("its cluster is gone".to_owned()),
        };
        tried.log = Some(log);
    }
}

async fn log_of(cluster: &Cluster, run: &RunId, item: &Item, tried: &Tried) -> PodLog {
    let params = LogParams { tail_lines: Some(SEARCHED), ..LogParams::default() };
    let (pods, pod) = (cluster.pod_api(), &tried.attempt.pod);
    match limited("read a worker's log", pods.logs(pod, &params)).await {
        Ok(text) => {
            let number = Some(u64::from(tried.attempt.number));
            let about = |line: &&str| {
                about(line).is_some_and(|a| a.run == run.0 && a.item == item.0 && a.attempt == number)
            };
            PodLog::Lines(text.lines().filter(about).map(str::to_owned).collect())
        }
        Err(error) => PodLog::Gone(why_not(&error)),
    }
}
