//! The size of a pool: its limits, and its number of nodes where GKE does not see to it by itself.

use std::collections::BTreeMap;

use anyhow::Result;
use google_cloud_container_v1::model::node_pool::Status;
use google_cloud_container_v1::model::{self, NodePoolAutoscaling};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};

use super::{LOOK, NodePool, POOL, count, look};
use crate::cloud::evidence::patiently;
use crate::cloud::{Cloud, limited};
use crate::full_name;
use crate::kinds::{Place, operation, shortage};

/// Kubernetes' label for a node's zone.
const ZONE: &str = "topology.kubernetes.io/zone";

impl NodePool {
    /// Brings the limits to what they are here. Raising the minimum does not scale up by itself: GKE
    /// waits for pods. So the size goes first, that a kill in between leaves the rest to be done.
    pub(super) async fn resize(&self, cloud: &Cloud, at: &Place<'_>, parent: &str) -> Result<()> {
        let live = look(cloud, at.id).await?;
        let now = live.autoscaling.clone().unwrap_or_default();
        let is_raised = self.min_nodes > count(now.total_min_node_count);
        if is_raised {
            if self.min_nodes > count(now.total_max_node_count) {
                let room = self.autoscaling().set_total_min_node_count(now.total_min_node_count);
                self.limit(cloud, at, parent, room).await?;
            }
            self.scale_up(cloud, at, parent, &live).await?;
        }
        self.limit(cloud, at, parent, self.autoscaling()).await?;
        if is_raised {
            // As long as the old minimum held, the autoscaler may have taken idle ones away again.
            self.scale_up(cloud, at, parent, &live).await?;
        }
        Ok(())
    }

    async fn limit(
        &self,
        cloud: &Cloud,
        at: &Place<'_>,
        parent: &str,
        limits: NodePoolAutoscaling,
    ) -> Result<()> {
        let set = cloud.clusters.set_node_pool_autoscaling().set_name(at.id).set_autoscaling(limits);
        let started = limited("resize the pool", set.send()).await?;
        operation::wait(cloud, parent, started, at.progress).await
    }

    /// Gives the pool its least number of nodes, if it has fewer. GKE takes one size for all zones, and
    /// nodes beyond it would go: so none is made smaller.
    async fn scale_up(
        &self,
        cloud: &Cloud,
        at: &Place<'_>,
        parent: &str,
        live: &model::NodePool,
    ) -> Result<()> {
        let count = Count { pool: at.id, wanted: self.min_nodes };
        let Some(nodes) = count.nodes(cloud).await? else {
            (at.progress)("the cluster's API does not answer: nodes come when pods ask for them".to_owned());
            return Ok(());
        };
        if nodes.len() >= self.min_nodes as usize {
            return Ok(());
        }
        let mut by_zone: BTreeMap<&str, usize> = BTreeMap::new();
        for zone in nodes.iter().filter_map(|node| node.metadata.labels.as_ref()?.get(ZONE)) {
            *by_zone.entry(zone).or_default() += 1;
        }
        let zones = live.locations.len().max(1);
        let even = (self.min_nodes as usize).div_ceil(zones);
        let per_zone = by_zone.into_values().max().unwrap_or_default().max(even);
        if per_zone > even && per_zone * zones > self.max_nodes as usize {
            (at.progress)("its nodes lie unevenly: more come when pods ask for them".to_owned());
            return Ok(());
        }
        let set = cloud.clusters.set_node_pool_size().set_name(at.id);
        let set = set.set_node_count(i32::try_from(per_zone).unwrap_or(i32::MAX));
        let started = limited("scale the pool up", set.send()).await?;
        operation::wait_counting(cloud, parent, started, Some(count), at.progress).await
    }

    /// Waits until a pool that somebody is making can be used.
    pub(super) async fn usable(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let nodes = Count { pool: at.id, wanted: self.min_nodes };
        loop {
            let live = look(cloud, at.id).await?;
            let said: Vec<&str> = live.conditions.iter().map(|c| c.message.as_str()).collect();
            let said = said.join("; ");
            match &live.status {
                Status::Provisioning => shortage::of(&said).map_or(Ok(()), Err)?,
                Status::Error | Status::Stopping => {
                    return Err(shortage::told(&said).context(format!("the pool is {}", live.status)));
                }
                _ => return Ok(()),
            }
            let ready = nodes.told(cloud).await.map(|ready| format!(", {ready}")).unwrap_or_default();
            (at.progress)(format!("the pool is {}{ready}", live.status));
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// How many nodes a pool has, of so many.
pub(in crate::kinds) struct Count<'a> {
    /// The pool, in full.
    pub pool: &'a str,
    /// Nodes that it is to have at least.
    pub wanted: u32,
}

impl Count<'_> {
    /// The pool's nodes, as its cluster lists them; none if that does not answer.
    async fn nodes(&self, cloud: &Cloud) -> Result<Option<Vec<Node>>> {
        let (cluster, name) = full_name::cluster_and_pool(self.pool);
        let Some(kubernetes) = cloud.kubernetes(cluster).await? else { return Ok(None) };
        let of_pool = ListParams::default().labels(&format!("{POOL}={}", name.unwrap_or_default()));
        let api = Api::<Node>::all(kubernetes.0);
        Ok(Some(patiently(|| limited("count the nodes", api.list(&of_pool))).await?.items))
    }

    /// `2 of 3 nodes ready`, as far as anybody says so: it is only told.
    pub(in crate::kinds) async fn told(&self, cloud: &Cloud) -> Option<String> {
        let nodes = self.nodes(cloud).await.ok()??;
        let ready = nodes.iter().filter(|node| is_ready(node)).count();
        Some(format!("{ready} of {} nodes ready", self.wanted)).filter(|_| self.wanted > 0)
    }
}

/// Whether pods can be placed on a node.
pub(crate) fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// With how many nodes a pool begins in each zone of a location, for so many in all. When nobody says,
/// GKE takes three zones of a region.
pub(super) fn first_of_zone(least: u32, location: &str) -> u32 {
    if full_name::is_zone(location) { least } else { least.div_ceil(3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_begins_with_its_least_number_of_nodes_spread_over_its_zones() {
        let (zone, region) = ("projects/p/locations/europe-west1-b", "projects/p/locations/europe-west1");
        let first = [0, 1, 3, 4].map(|least| (first_of_zone(least, zone), first_of_zone(least, region)));
        assert_eq!(first, [(0, 0), (1, 1), (3, 1), (4, 2)]);
    }
}
