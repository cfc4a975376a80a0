//! What the folder's owner sees and does beside the API: what runs, and preempted nodes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use rand::seq::SliceRandom;

use super::Container;
use super::state::Record;
use crate::admin::{ClusterStatus, PoolStatus};
use crate::kubernetes;

impl Container {
    pub(crate) fn status(&self) -> Vec<ClusterStatus> {
        let records: Vec<Record> = self.state().records().cloned().collect();
        records.iter().map(|record| self.cluster_status(record)).collect()
    }

    fn cluster_status(&self, record: &Record) -> ClusterStatus {
        let live = self.live().get(&record.name).cloned();
        let nodes = live.as_ref().map(|live| live.pools()).unwrap_or_default();
        let pool = |name: &String| {
            let nodes = nodes.iter().find(|pool| pool.name == *name);
            PoolStatus {
                name: name.clone(),
                nodes: nodes.map_or(0, |pool| pool.nodes),
                ready: nodes.map_or(0, |pool| pool.ready),
            }
        };
        ClusterStatus {
            name: record.name.to_string(),
            status: record.cluster.status.to_string(),
            kubernetes: live.as_ref().map(|live| live.endpoint()),
            pools: record.cluster.node_pools.iter().map(|held| pool(&held.name)).collect(),
            pods: live.map(|live| live.pods()).unwrap_or_default(),
        }
    }

    /// For how long no operation was under way, no pod ran, and nobody asked for anything.
    pub(crate) fn idle(&self) -> Duration {
        if !self.state().unfinished().is_empty() {
            return Duration::ZERO;
        }
        let idle = |cluster: &Arc<kubernetes::Cluster>| {
            let works = cluster.pods().contains_key("Running");
            if works { Duration::ZERO } else { cluster.idle() }
        };
        self.live().values().map(idle).min().unwrap_or(Duration::MAX)
    }

    /// Takes Spot nodes away as Google does: the one that is named, or one of any cluster.
    pub(crate) async fn preempt(
        &self,
        node: Option<&str>,
        grace: Option<Duration>,
    ) -> anyhow::Result<Vec<String>> {
        let mut clusters: Vec<_> = self.live().values().cloned().collect();
        clusters.shuffle(&mut rand::rng());
        let mut why = None;
        for cluster in clusters {
            match cluster.preempt(node, grace).await {
                Ok(nodes) if !nodes.is_empty() => return Ok(nodes),
                Ok(_) => {}
                Err(error) => why = Some(error),
            }
        }
        match (why, node) {
            (Some(why), _) => Err(why),
            (None, Some(node)) => bail!("no Spot node is called {node}"),
            (None, None) => bail!("no Spot node runs"),
        }
    }
}
