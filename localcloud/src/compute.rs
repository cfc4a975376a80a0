//! Compute Engine v1, as far as quotas go: a region with its limits of CPUs, machines, addresses and disks, and what is used
//! of them. They are told, and nothing is refused for them: [`crate::gke::Order::StockOut`] does that.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::project::{check_id, project_number};
use crate::rest::Answer;

/// The limit of a metric that nobody has set.
const LIMIT: u32 = 5_000;
/// The metric of each series' CPUs.
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
/// That of Spot machines of any series, where it is not 0.
const PREEMPTIBLE: &str = "PREEMPTIBLE_CPUS";

/// The metrics that every machine counts towards, with the limits that nobody has set.
const OF_EVERY_MACHINE: [(&str, u32, Taken); 3] = [
    ("INSTANCES", LIMIT, |running| running.machines),
    ("IN_USE_ADDRESSES", LIMIT, |running| running.machines),
    ("SSD_TOTAL_GB", 500_000, |running| running.disk_gb),
];

/// How much of a metric machines take.
type Taken = fn(&Running) -> u64;

/// A limit that somebody set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// `CPUS`, `PREEMPTIBLE_CPUS`, `N2D_CPUS` …
    pub metric: String,
    /// Only in this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// How many there may be.
    pub limit: u32,
}

/// Machines that run.
pub(crate) struct Running {
    pub(crate) machine_type: String,
    pub(crate) spot: bool,
    pub(crate) machines: u64,
    /// Boot disks of all of them.
    pub(crate) disk_gb: u64,
    /// CPUs of all of them.
    pub(crate) processors: u64,
}

/// Tells which machines of a project run in a region.
pub(crate) type Machines = Arc<dyn Fn(&str, &str) -> Vec<Running> + Send + Sync>;
/// Tells the limits that are set.
pub(crate) type Quotas = Arc<dyn Fn() -> Vec<Quota> + Send + Sync>;

/// What is asked for an answer.
#[derive(Clone)]
pub(crate) struct Compute {
    pub(crate) machines: Machines,
    pub(crate) quotas: Quotas,
}

impl Compute {
    pub(crate) fn rest(self) -> Router {
        Router::new().route("/compute/v1/projects/{project}/regions/{region}", get(region)).with_state(self)
    }

    fn limit(&self, metric: &str, region: &str) -> u32 {
        self.limit_or(LIMIT, metric, region)
    }

    fn limit_or(&self, unset: u32, metric: &str, region: &str) -> u32 {
        let is_it = |quota: &&Quota| {
            quota.metric == metric && quota.region.as_deref().is_none_or(|only| only == region)
        };
        // The last word counts.
        (self.quotas)().iter().rev().find(is_it).map_or(unset, |quota| quota.limit)
    }

    fn shown(&self, project: &str, region: &str) -> Vec<Value> {
        let running = (self.machines)(project, region);
        let of_spot = self.limit(PREEMPTIBLE, region);
        let counts_as = |machines: &Running| {
            let series = machines.machine_type.split('-').next().unwrap_or_default();
            let metric = METRICS.iter().find(|(known, _)| *known == series).map(|(_, metric)| *metric);
            if machines.spot && of_spot > 0 { Some(PREEMPTIBLE) } else { metric }
        };
        let mut metrics: Vec<&str> = METRICS.iter().map(|(_, metric)| *metric).collect();
        metrics.dedup();
        metrics.push(PREEMPTIBLE);
        let quota = |metric: &str| {
            let used = running.iter().filter(|machines| counts_as(machines) == Some(metric));
            let used: u64 = used.map(|machines| machines.processors).sum();
            json!({ "metric": metric, "limit": self.limit(metric, region), "usage": used })
        };
        let of_every = OF_EVERY_MACHINE.map(|(metric, unset, of)| {
            let used: u64 = running.iter().map(of).sum();
            json!({ "metric": metric, "limit": self.limit_or(unset, metric, region), "usage": used })
        });
        metrics.into_iter().map(quota).chain(of_every).collect()
    }
}

async fn region(
    State(compute): State<Compute>,
    Path((project, region)): Path<(String, String)>,
) -> Answer<Value> {
    check_id(&project)?;
    if !is_region(&region) {
        let what = format!("The resource 'projects/{project}/regions/{region}' was not found");
        return Err(ApiError::not_found(what));
    }
    let own = format!("https://www.googleapis.com/compute/v1/projects/{project}");
    let zones: Vec<String> = ["b", "c", "d"].map(|zone| format!("{own}/zones/{region}-{zone}")).to_vec();
    Ok(Json(json!({
        "kind": "compute#region",
        "id": project_number(&region).to_string(),
        "name": region,
        "description": region,
        "status": "UP",
        "zones": zones,
        "quotas": compute.shown(&project, &region),
        "selfLink": format!("{own}/regions/{region}"),
    })))
}

/// `europe-west1`.
fn is_region(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.bytes().all(plain) && name.contains('-') && name.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute(quotas: Vec<Quota>) -> Compute {
        let machines = |_: &str, _: &str| {
            let running = |machine_type: &str, spot| Running {
                machine_type: machine_type.to_owned(),
                spot,
                machines: 1,
                disk_gb: 100,
                processors: 4,
            };
            vec![running("e2-standard-4", false), running("n2d-standard-4", true)]
        };
        Compute { machines: Arc::new(machines), quotas: Arc::new(move || quotas.clone()) }
    }

    fn of(shown: &[Value], metric: &str) -> (u64, u64) {
        let found = shown.iter().find(|quota| quota["metric"] == metric).expect("a metric");
        (found["limit"].as_u64().expect("a limit"), found["usage"].as_u64().expect("a usage"))
    }

    #[test]
    fn spot_machines_count_apart_where_there_is_a_quota_for_them() {
        let limit = |metric: &str, limit| Quota { metric: metric.to_owned(), region: None, limit };
        let shown = compute(vec![limit("CPUS", 24)]).shown("p", "europe-west1");
        assert_eq!(
            [of(&shown, "CPUS"), of(&shown, "N2D_CPUS"), of(&shown, "PREEMPTIBLE_CPUS")],
            [(24, 4), (5000, 0), (5000, 4)]
        );
        assert_eq!([of(&shown, "INSTANCES"), of(&shown, "SSD_TOTAL_GB")], [(5000, 2), (500_000, 200)]);
        let shown = compute(vec![limit("PREEMPTIBLE_CPUS", 0)]).shown("p", "europe-west1");
        assert_eq!([of(&shown, "N2D_CPUS"), of(&shown, "PREEMPTIBLE_CPUS")], [(5000, 4), (0, 0)]);
    }
}
