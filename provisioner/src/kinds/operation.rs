//! Waits for a long-running operation of GKE, and tells how far it is.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use google_cloud_container_v1::model::Operation;
use google_cloud_container_v1::model::operation::Status;
use google_cloud_container_v1::model::operation_progress::metric::Value;

use crate::cloud::{Cloud, limited};

/// First pause between two looks; it doubles up to [`SLOWEST`].
const FIRST: Duration = Duration::from_millis(100);
const SLOWEST: Duration = Duration::from_secs(5);
/// Longest that GKE is waited for.
const LONGEST: Duration = Duration::from_mins(45);

/// Waits until an operation in `parent` (`projects/P/locations/L`) is done.
pub(super) async fn wait(
    cloud: &Cloud,
    parent: &str,
    started: Operation,
    progress: &(dyn Fn(String) + Send + Sync),
) -> Result<()> {
    let name = format!("{parent}/operations/{}", started.name);
    let began = tokio::time::Instant::now();
    let mut pause = FIRST;
    let mut operation = started;
    loop {
        if operation.status == Status::Done {
            return outcome(&operation);
        }
        if began.elapsed() > LONGEST {
            bail!("operation {name} is still {}: run the command again to go on waiting", operation.status);
        }
        progress(told(&operation));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SLOWEST);
        let get = cloud.clusters.get_operation().set_name(&name).send();
        operation =
            limited("look up the operation", get).await.with_context(|| format!("operation {name}"))?;
    }
}

fn outcome(operation: &Operation) -> Result<()> {
    match &operation.error {
        Some(error) if error.code != 0 => bail!("{}", error.message),
        _ => Ok(()),
    }
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
        let (count, total) = (counts.get(name)?, counts.get(format!("{name}_TOTAL").as_str())?);
        let stage = name.trim_start_matches("CLUSTER_").trim_start_matches("NODEPOOL_").to_lowercase();
        Some(format!("{stage} {count}/{total}"))
    };
    let told: Vec<String> = metrics().filter_map(|metric| pair(&metric.name)).collect();
    if told.is_empty() { operation.status.to_string().to_lowercase() } else { told.join(", ") }
}
