//! Whether a region's quotas (CPUs, machines, addresses, disks) leave room for the stack's pools. What
//! cannot be read is unknown.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use futures::future::join_all;
use serde::Deserialize;

use crate::cloud::Cloud;
use crate::finding::{Finding, Level};
use crate::full_name;
use crate::resource::{Desired, Pair};

/// Who tells quotas.
const HOST: &str = "compute.googleapis.com";
/// The quota that each series' CPUs count towards. Those of newer series stand in no region.
/// Source: Compute Engine's allocation quotas.
const METRICS: [(&str, &str); 9] = [
    ("e2", "CPUS"),
    ("n1", "CPUS"),
    ("n2", "N2_CPUS"),
    ("n2d", "N2D_CPUS"),
    ("c2", "C2_CPUS"),
    ("c2d", "C2D_CPUS"),
    ("c3", "C3_CPUS"),
    ("t2d", "T2D_CPUS"),
    ("t2a", "T2A_CPUS"),
];
/// That of Spot machines of any series. A project that was given none counts them as the others.
const PREEMPTIBLE: &str = "PREEMPTIBLE_CPUS";

/// Those that every machine counts towards, whatever its type, with how much of it one takes. Nodes have
/// an address of the internet each, and GKE's usual boot disk counts as SSD.
const OF_EVERY_MACHINE: [(&str, PerMachine); 3] =
    [("INSTANCES", |_| 1), ("IN_USE_ADDRESSES", |_| 1), ("SSD_TOTAL_GB", boot_disk)];

/// What of a quota a machine of a pool takes.
type PerMachine = fn(&Desired) -> u64;

fn boot_disk(pool: &Desired) -> u64 {
    pool.fields["disk_gb"].as_u64().unwrap_or_default()
}

/// A limit, and what of it is taken.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Quota {
    metric: String,
    limit: f64,
    usage: f64,
}

#[derive(Deserialize)]
struct Region {
    #[serde(default)]
    quotas: Vec<Quota>,
}

/// The quotas of each region that pools are in.
#[derive(Debug, Default)]
pub(crate) struct Quotas(BTreeMap<String, Look>);

/// What a look at a region's quotas came to.
#[derive(Debug)]
enum Look {
    Told(Vec<Quota>),
    /// Why they are unknown, and what to do.
    Unknown {
        why: String,
        help: &'static str,
    },
}

/// Reads the quotas of the regions that the stack's pools are in.
pub(crate) async fn look(cloud: &Cloud, desired: &[Desired]) -> Quotas {
    let pools = desired.iter().filter(|want| is_made(want));
    let regions: BTreeSet<&str> = pools.map(|pool| full_name::region(&pool.id)).collect();
    let looks = regions.into_iter().map(|region| async move {
        let look = of_region(cloud, region).await;
        let unknown = |error| Look::Unknown { why: format!("{error:#}"), help: "plan again" };
        (region.to_owned(), look.unwrap_or_else(unknown))
    });
    Quotas(join_all(looks).await.into_iter().collect())
}

async fn of_region(cloud: &Cloud, region: &str) -> Result<Look> {
    let path = format!("/compute/v1/{}/regions/{region}", cloud.project.path());
    let answer = cloud.read(HOST, &path, "application/json").await?;
    match answer.status {
        200 => {}
        403 if String::from_utf8_lossy(&answer.body).contains("SERVICE_DISABLED") => {
            let why = "the API of Compute Engine is not enabled yet".to_owned();
            return Ok(Look::Unknown { why, help: "plan again when apply has enabled it" });
        }
        401 | 403 => {
            let why = format!("{} may not read it: compute.regions.get", cloud.caller);
            return Ok(Look::Unknown { why, help: "roles/compute.viewer lets a plan look" });
        }
        status => bail!("{HOST} answers {status}"),
    }
    let region: Region = serde_json::from_slice(&answer.body).context("the answer cannot be read")?;
    Ok(Look::Told(region.quotas))
}

/// What pools of one region ask of one quota.
#[derive(Debug, Default, PartialEq)]
struct Need {
    /// With every pool at its most nodes.
    most: u64,
    /// The fewest nodes of the pools that are not there yet.
    at_once: u64,
    pools: Vec<String>,
}

impl Quotas {
    /// Where they leave no room.
    pub(crate) fn findings(&self, pairs: &[Pair]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (region, look) in &self.0 {
            match look {
                Look::Told(quotas) => findings.extend(of_quotas(region, quotas, pairs)),
                Look::Unknown { why, help } => findings.push(unknown(region, why, help)),
            }
        }
        findings
    }
}

fn unknown(region: &str, why: &str, help: &str) -> Finding {
    Finding {
        level: Level::Note,
        what: format!("quota unknown: whether {region} leaves room for the pools cannot be told ({why})"),
        help: help.to_owned(),
    }
}

fn of_quotas(region: &str, quotas: &[Quota], pairs: &[Pair]) -> Vec<Finding> {
    let is_here = |pair: &Pair| is_made(&pair.want) && full_name::region(&pair.want.id) == region;
    let mut needs: BTreeMap<&str, Need> = BTreeMap::new();
    let mut untold = Vec::new();
    for Pair { want: pool, live } in pairs.iter().filter(|pair| is_here(pair)) {
        let machine_type = pool.fields["machine_type"].as_str().unwrap_or_default();
        let nodes = |field: &str| pool.fields[field].as_u64().unwrap_or_default();
        let (most, at_once) = (nodes("max_nodes"), if live.is_some() { 0 } else { nodes("min_nodes") });
        let quota = metric(machine_type, pool.fields["spot"] == true, quotas);
        let of_type = quota.zip(cpus(machine_type));
        if of_type.is_none() {
            untold.push(format!("{} ({machine_type})", pool.address));
        }
        let of_every = OF_EVERY_MACHINE.map(|(metric, of)| (metric, of(pool)));
        for (metric, each) in of_type.into_iter().chain(of_every).filter(|(_, each)| *each > 0) {
            let need = needs.entry(metric).or_default();
            need.most += each.saturating_mul(most);
            need.at_once += each.saturating_mul(at_once);
            need.pools.push(pool.address.to_string());
        }
    }
    let found = needs.iter().filter_map(|(metric, need)| {
        let quota = quotas.iter().find(|quota| quota.metric == **metric)?;
        short(region, quota, need)
    });
    let mut findings: Vec<Finding> = found.collect();
    if !untold.is_empty() {
        let why = format!("regions do not tell that of {}", untold.join(", "));
        findings.push(unknown(region, &why, "see the quotas page of the console"));
    }
    findings
}

/// What a quota does not leave room for.
#[expect(clippy::cast_precision_loss, reason = "counts of CPUs and gigabytes are far below 2^53")]
fn short(region: &str, quota: &Quota, need: &Need) -> Option<Finding> {
    let Quota { metric, limit, usage } = quota;
    let pools = need.pools.join(", ");
    let help = "ask for more quota (IAM & Admin, Quotas), or make the pools smaller".to_owned();
    if need.at_once as f64 > limit - usage {
        let what = format!(
            "{pools}: takes {} {metric} of {region} from the beginning, and of {limit} there are {} left",
            need.at_once,
            (limit - usage).max(0.0)
        );
        return Some(Finding { level: Level::Error, what, help });
    }
    (need.most as f64 > *limit).then(|| Finding {
        level: Level::Warning,
        what: format!(
            "{pools}: takes {} {metric} of {region} at max_nodes, and the quota is {limit} ({usage} in use); runs get fewer nodes",
            need.most
        ),
        help,
    })
}

/// Whether it is a pool that the stack makes.
fn is_made(want: &Desired) -> bool {
    want.address.kind == "node_pool" && !want.existing
}

/// The quota that a machine counts towards, if a region tells it.
fn metric(machine_type: &str, spot: bool, quotas: &[Quota]) -> Option<&'static str> {
    let has = |metric: &str| quotas.iter().find(|quota| quota.metric == metric);
    if spot && has(PREEMPTIBLE).is_some_and(|quota| quota.limit > 0.0) {
        return Some(PREEMPTIBLE);
    }
    let series = machine_type.split('-').next().unwrap_or_default();
    let (_, metric) = METRICS.into_iter().find(|(known, _)| *known == series)?;
    has(metric).map(|_| metric)
}

/// How many CPUs a machine counts for: those that share a core count as two.
fn cpus(machine_type: &str) -> Option<u64> {
    let parts: Vec<&str> = machine_type.split('-').collect();
    match parts.as_slice() {
        ["e2", "micro" | "small" | "medium"] => Some(2),
        ["custom", count, ..] | [_, _, count, ..] => count.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pool(name: &str, machine_type: &str, spot: bool, nodes: (u32, u32)) -> Desired {
        let fields =
            json!({ "machine_type": machine_type, "spot": spot, "min_nodes": nodes.0, "max_nodes": nodes.1 });
        let id = format!("projects/p/locations/europe-west1-b/clusters/fx/nodePools/{name}");
        Desired { id, ..Desired::for_test("node_pool", &format!("main/{name}"), fields) }
    }

    fn quota(metric: &str, limit: f64, usage: f64) -> Quota {
        Quota { metric: metric.into(), limit, usage }
    }

    fn told(quotas: Vec<Quota>) -> Vec<String> {
        let pools =
            [pool("steady", "e2-medium", false, (1, 1)), pool("workers", "n2d-standard-4", true, (0, 20))];
        let all = Quotas([("europe-west1".to_owned(), Look::Told(quotas))].into());
        all.findings(&pools.map(|want| Pair { want, live: None }))
            .into_iter()
            .map(|found| format!("{:?}: {}", found.level, found.what))
            .collect()
    }

    #[test]
    fn a_quota_that_leaves_room_is_not_told() {
        assert!(told(vec![quota("CPUS", 24.0, 0.0), quota("PREEMPTIBLE_CPUS", 100.0, 0.0)]).is_empty());
    }

    #[test]
    fn spot_machines_count_as_the_others_where_they_have_no_quota_of_their_own() {
        assert_eq!(
            told(vec![
                quota("CPUS", 24.0, 0.0),
                quota("N2D_CPUS", 24.0, 3.0),
                quota("PREEMPTIBLE_CPUS", 0.0, 0.0)
            ]),
            [
                "Warning: node_pool.main/workers: takes 80 N2D_CPUS of europe-west1 at max_nodes, and the quota is 24 (3 in use); runs get fewer nodes"
            ]
        );
    }

    #[test]
    fn nodes_that_cannot_come_at_all_are_an_error() {
        assert_eq!(
            told(vec![quota("CPUS", 24.0, 23.0), quota("PREEMPTIBLE_CPUS", 100.0, 0.0)]),
            [
                "Error: node_pool.main/steady: takes 2 CPUS of europe-west1 from the beginning, and of 24 there are 1 left"
            ]
        );
    }

    #[test]
    fn machines_addresses_and_disks_are_counted_where_a_region_tells_them() {
        let quotas = vec![
            quota("CPUS", 24.0, 0.0),
            quota("PREEMPTIBLE_CPUS", 100.0, 0.0),
            quota("INSTANCES", 24.0, 24.0),
            quota("IN_USE_ADDRESSES", 8.0, 1.0),
            quota("SSD_TOTAL_GB", 500.0, 0.0),
        ];
        let mut pools =
            [pool("steady", "e2-medium", false, (1, 1)), pool("workers", "n2d-standard-4", true, (0, 20))];
        for pool in &mut pools {
            pool.fields["disk_gb"] = 100.into();
        }
        let told: Vec<String> =
            of_quotas("europe-west1", &quotas, &pools.map(|want| Pair { want, live: None }))
                .into_iter()
                .map(|found| format!("{:?}: {}", found.level, found.what))
                .collect();
        assert_eq!(
            told,
            [
                "Error: node_pool.main/steady, node_pool.main/workers: takes 1 INSTANCES of europe-west1 from the beginning, and of 24 there are 0 left",
                "Warning: node_pool.main/steady, node_pool.main/workers: takes 21 IN_USE_ADDRESSES of europe-west1 at max_nodes, and the quota is 8 (1 in use); runs get fewer nodes",
                "Warning: node_pool.main/steady, node_pool.main/workers: takes 2100 SSD_TOTAL_GB of europe-west1 at max_nodes, and the quota is 500 (0 in use); runs get fewer nodes",
            ]
        );
    }

    #[test]
    fn what_a_region_does_not_tell_is_unknown() {
        assert_eq!(
            told(vec![quota("CPUS", 24.0, 0.0), quota("PREEMPTIBLE_CPUS", 0.0, 0.0)]),
            [
                "Note: quota unknown: whether europe-west1 leaves room for the pools cannot be told (regions do not tell that of node_pool.main/workers (n2d-standard-4))"
            ]
        );
    }
}
