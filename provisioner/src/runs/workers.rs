//! What a run's workers last said of themselves, and which of them are still there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::Result;
use clients::Bucket;
use contract::{RunId, WorkerProgress, WorkerState, layout};
use jiff::Timestamp;

use super::cluster::Cluster;

/// How often the cluster is asked which pods are running.
const ASK: Duration = Duration::from_secs(2);

/// Whether a worker is there: it says that it runs, and its pod is among those that do.
pub(super) fn is_running(worker: &WorkerProgress, pods: &HashSet<String>) -> bool {
    worker.state == WorkerState::Running && pods.contains(&worker.pod)
}

/// What the run's workers last said of themselves.
#[derive(Default)]
pub(super) struct Workers {
    generations: HashMap<String, i64>,
    said: BTreeMap<String, WorkerProgress>,
    alive: HashSet<String>,
    seen: Option<Instant>,
}

impl Workers {
    pub(super) async fn refresh(&mut self, bucket: &Bucket, cluster: &Cluster, run: &RunId) -> Result<()> {
        if self.seen.is_none_or(|seen| seen.elapsed() > ASK) {
            (self.alive, self.seen) = (cluster.alive(run).await?, Some(Instant::now()));
        }
        for stored in bucket.list(&layout::workers(run)).await? {
            if self.generations.get(&stored.name) == Some(&stored.generation) {
                continue;
            }
            if let Some((progress, generation)) = bucket.read_json(&stored.name).await? {
                self.said.insert(stored.name.clone(), progress);
                self.generations.insert(stored.name, generation);
            }
        }
        Ok(())
    }

    /// Those that say that they run, and whose pod does.
    fn alive(&self) -> impl Iterator<Item = &WorkerProgress> {
        self.said.values().filter(|worker| is_running(worker, &self.alive))
    }

    pub(super) fn running(&self) -> usize {
        self.alive().count()
    }

    /// Items that they say that they have settled, of any run.
    pub(super) fn settled(&self) -> (u64, u64) {
        let sum = |of: fn(&WorkerProgress) -> u64| self.said.values().map(of).sum();
        (sum(|worker| worker.done), sum(|worker| worker.failed))
    }

    /// What is being worked on, for people who wait.
    pub(super) fn longest(&self) -> Option<String> {
        let items = || self.alive().flat_map(|worker| &worker.in_flight);
        let longest = items().min_by_key(|item| item.since)?;
        let seconds = Timestamp::now().duration_since(longest.since).as_secs();
        let stage = format!("{:?}", longest.stage).to_lowercase();
        let item = longest.item.0.escape_debug();
        Some(format!("{} in work; the longest is {item}, {stage}, for {seconds} s", items().count()))
    }

    /// Nodes that went away under a worker: it did not leave by itself, and its node is not there
    /// any more.
    pub(super) async fn nodes_lost(&self, cluster: &Cluster) -> Result<usize> {
        let there: HashSet<String> = cluster.nodes().await?.into_iter().collect();
        let cut_off = self.said.values().filter(|worker| worker.state != WorkerState::Finished);
        let nodes: HashSet<&str> = cut_off.map(|worker| worker.node.as_str()).collect();
        Ok(nodes.into_iter().filter(|node| !there.contains(*node)).count())
    }
}
