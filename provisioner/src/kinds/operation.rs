//! Waits for a long-running operation of GKE, and tells how far it is. How long is the caller's.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Error, Result};
use google_cloud_container_v1::model::Operation;
use google_cloud_container_v1::model::operation::Status;
use google_cloud_container_v1::model::operation_progress::metric::Value;

use super::node_pool::Count;
use super::shortage;
use crate::cloud::{Cloud, limited};

/// First pause between two looks; it doubles up to [`SLOWEST`].
const FIRST: Duration = Duration::from_millis(100);
const SLOWEST: Duration = Duration::from_secs(5);

/// Waits until an operation in `parent` (`projects/P/locations/L`) is done.
pub(super) async fn wait(
    cloud: &Cloud,
    parent: &str,
    started: Operation,
    progress: &(dyn Fn(String) + Send + Sync),
) -> Result<()> {
    wait_counting(cloud, parent, started, None, progress).await
}

/// Waits likewise, and tells how many nodes of a pool are ready meanwhile.
pub(super) async fn wait_counting(
    cloud: &Cloud,
    parent: &str,
    started: Operation,
    nodes: Option<Count<'_>>,
    progress: &(dyn Fn(String) + Send + Sync),
) -> Result<()> {
    let name = format!("{parent}/operations/{}", started.name);
    let mut pause = FIRST;
    let mut operation = started;
    loop {
        if operation.status == Status::Done {
            return outcome(&operation);
        }
        // Machines that can't be had are waited for in vain, for as long as GKE goes on trying.
        if let Some(short) = missing_machines(&operation) {
            return Err(short);
        }
        let ready = match &nodes {
            Some(nodes) => nodes.told(cloud).await,
            None => None,
        };
        let told = [Some(told(&operation)), ready].into_iter().flatten().collect::<Vec<_>>().join(", ");
        progress(format!("{}: {told}", operation.name));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SLOWEST);
        let get = cloud.clusters.get_operation().set_name(&name).send();
        operation =
            limited("look up the operation", get).await.with_context(|| format!("operation {name}"))?;
    }
}

fn outcome(operation: &Operation) -> Result<()> {
    match &operation.error {
        Some(error) if error.code != 0 => Err(shortage::told(&error.message)),
        _ => Ok(()),
    }
}

/// What GKE says of machines that it does not get, while it goes on trying.
#[allow(deprecated, reason = "GKE says nothing else of an operation that is not done")]
fn missing_machines(operation: &Operation) -> Option<Error> {
    let said = operation.nodepool_conditions.iter().chain(&operation.cluster_conditions);
    { said }.map(|condition| condition.message.as_str()).find_map(shortage::of).map(Error::from)
}

/// GKE counts in pairs, `CLUSTER_DEPLOYING` of `CLUSTER_DEPLOYING_TOTAL`: told as `deploying 5/11`.
fn told(operation: &Operation) -> String {
    let metrics = || operation.progress.iter().flat_map(|progress| &progress.metrics);
    let counts: HashMap<&str, i64> = metrics()
        .filter_map(|metric| match metric.value.as_ref()? {
            Value::IntValue(count) => Some((metric.name.as_str(), *count)),
            _ => None,
        })
        .collect();
    let pair = |name: &str| {
        let total = |name: &str| counts.get(format!("{name}_TOTAL").as_str());
        let of = total(name).or_else(|| total(name.strip_suffix("_COMPLETE")?))?;
        let count = counts.get(name)?;
        let stage = name.trim_start_matches("CLUSTER_").trim_start_matches("NODEPOOL_").to_lowercase();
        Some(format!("{} {count}/{of}", stage.replace('_', " ")))
    };
    let told: Vec<String> = metrics().filter_map(|metric| pair(&metric.name)).collect();
    if told.is_empty() { operation.status.to_string().to_lowercase() } else { told.join(", ") }
}

#[cfg(test)]
mod tests {
    use google_cloud_container_v1::model::operation_progress::Metric;
    use google_cloud_container_v1::model::{OperationProgress, StatusCondition};

    use super::*;

    #[test]
    fn what_gke_counts_is_told_in_pairs() {
        let counted = |counts: &[(&str, i64)]| {
            let metrics =
                counts.iter().map(|(name, count)| Metric::new().set_name(*name).set_int_value(*count));
            let progress = OperationProgress::new().set_metrics(metrics);
            told(&Operation::new().set_status(Status::Running).set_progress(progress))
        };
        assert_eq!(counted(&[]), "running");
        assert_eq!(counted(&[("CLUSTER_DEPLOYING", 5), ("CLUSTER_DEPLOYING_TOTAL", 11)]), "deploying 5/11");
        assert_eq!(counted(&[("NODES_COMPLETE", 1), ("NODES_TOTAL", 3)]), "nodes complete 1/3");
    }

    #[test]
    #[allow(deprecated, reason = "GKE says nothing else of an operation that is not done")]
    fn a_stock_out_is_heard_of_before_the_operation_is_done() {
        let condition = StatusCondition::new().set_message(
            "[GCE_STOCKOUT]: Instance 'gke-1' creation failed: The zone 'projects/p/zones/europe-west1-b' does not have enough resources available to fulfill the request.",
        );
        let running = Operation::new().set_status(Status::Running);
        assert!(missing_machines(&running).is_none());
        let short = missing_machines(&running.set_nodepool_conditions([condition])).expect("a stock-out");
        assert!(short.to_string().starts_with("stock-out in europe-west1-b: "), "{short}");
    }
}
