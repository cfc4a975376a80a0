//! What GKE refuses before it begins.

use std::collections::BTreeSet;

use google_cloud_container_v1::model::{
    Cluster, NodeConfig, NodePool, NodePoolAutoscaling, node_taint, workload_metadata_config,
};

use super::names::{ClusterName, Location};
use crate::error::ApiError;
use crate::iam::Iam;
use crate::labels;

/// Longest name of a cluster or a pool.
const NAME: usize = 40;
/// Most nodes of a pool, over all zones.
const NODES: i32 = 1000;

type Checked = Result<(), ApiError>;

/// A cluster that is asked for.
pub(super) fn cluster(name: &ClusterName, asked: &Cluster, iam: &Iam) -> Checked {
    check_name("cluster.name", &name.name)?;
    labels::check(&asked.resource_labels)?;
    zones("cluster.locations", &name.location, &asked.locations)?;
    if asked.autopilot.as_ref().is_some_and(|autopilot| autopilot.enabled) {
        return Err(ApiError::unsupported("Autopilot clusters"));
    }
    workload_pool(&name.location, asked)?;
    one_way_to_ask_for_nodes(asked)?;
    let mut names = BTreeSet::new();
    for pool in &asked.node_pools {
        if !names.insert(&pool.name) {
            return invalid(format!("Duplicate node pool name \"{}\".", pool.name));
        }
        self::pool(name, asked, pool, iam)?;
    }
    Ok(())
}

#[allow(deprecated, reason = "the older way to ask for nodes, which gcloud uses")]
fn one_way_to_ask_for_nodes(asked: &Cluster) -> Checked {
    match (asked.node_pools.is_empty(), asked.initial_node_count) {
        (true, ..=0) => invalid("Cluster.initial_node_count must be greater than zero."),
        (true, _) => Ok(()),
        (false, 0) if asked.node_config.is_none() => Ok(()),
        (false, _) => {
            invalid("Cluster.node_pools must not be set together with initial_node_count or node_config.")
        }
    }
}

fn workload_pool(location: &Location, asked: &Cluster) -> Checked {
    let pool = asked.workload_identity_config.as_ref().map_or("", |identity| identity.workload_pool.as_str());
    if pool.is_empty() || pool == format!("{}.svc.id.goog", location.project) {
        return Ok(());
    }
    invalid(format!(
        "Workload pool \"{pool}\" is not valid: the only one of this project is \"{}.svc.id.goog\".",
        location.project
    ))
}

/// A pool that is asked for in a cluster, or what a pool would become.
pub(super) fn pool(name: &ClusterName, cluster: &Cluster, pool: &NodePool, iam: &Iam) -> Checked {
    check_name("nodePool.name", &pool.name)?;
    zones("nodePool.locations", &name.location, &pool.locations)?;
    if !(0..=NODES).contains(&pool.initial_node_count) {
        return invalid(format!("nodePool.initialNodeCount must be between 0 and {NODES}."));
    }
    if let Some(autoscaling) = &pool.autoscaling {
        self::autoscaling(autoscaling)?;
    }
    if let Some(config) = &pool.config {
        self::config(cluster, config, iam)?;
    }
    let upgrade_by_hand = pool.management.as_ref().is_some_and(|management| !management.auto_upgrade);
    if upgrade_by_hand && has_channel(cluster) {
        return invalid("Auto_upgrade must be true when release_channel is set.");
    }
    Ok(())
}

/// Without a word about it a cluster is in the regular channel.
#[allow(deprecated, reason = "no channel is an old way, but not gone")]
fn has_channel(cluster: &Cluster) -> bool {
    use google_cloud_container_v1::model::release_channel::Channel;
    cluster.release_channel.as_ref().is_none_or(|channel| channel.channel != Channel::Unspecified)
}

fn config(cluster: &Cluster, config: &NodeConfig, iam: &Iam) -> Checked {
    if config.spot && config.preemptible {
        return invalid("Only one of spot and preemptible can be set.");
    }
    if config.disk_size_gb != 0 && config.disk_size_gb < 10 {
        return invalid("nodeConfig.diskSizeGb must be at least 10.");
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !config.machine_type.bytes().all(plain) {
        return invalid(format!("Machine type \"{}\" is not valid.", config.machine_type));
    }
    if config
        .taints
        .iter()
        .any(|taint| taint.key.is_empty() || taint.effect == node_taint::Effect::Unspecified)
    {
        return invalid("A taint needs a key and an effect.");
    }
    let metadata = config
        .workload_metadata_config
        .as_ref()
        .is_some_and(|metadata| metadata.mode == workload_metadata_config::Mode::GkeMetadata);
    if metadata && cluster.workload_identity_config.as_ref().is_none_or(|i| i.workload_pool.is_empty()) {
        return invalid("GKE_METADATA needs a cluster with a workload pool.");
    }
    labels::check(&config.resource_labels)?;
    match config.service_account.as_str() {
        "" | "default" => Ok(()),
        email => {
            iam.check_exists(email)?;
            may_act_as(iam, email)
        }
    }
}

/// Whoever makes nodes that run as an account must be allowed to act as it.
fn may_act_as(iam: &Iam, email: &str) -> Checked {
    // Google's own accounts are in no project that could be asked.
    let Ok(account) = iam.account_resource("-", email) else { return Ok(()) };
    iam.check("iam.serviceAccounts.actAs", &account).map_err(|_| {
        ApiError::permission_denied(format!(
            "The user does not have access to service account \"{email}\". Ask a project owner to grant you the iam.serviceAccountUser role on the service account."
        ))
    })
}

/// Limits per zone, or totals; not both.
pub(super) fn autoscaling(asked: &NodePoolAutoscaling) -> Checked {
    let (min, max) = (asked.min_node_count, asked.max_node_count);
    let (total_min, total_max) = (asked.total_min_node_count, asked.total_max_node_count);
    if [min, max, total_min, total_max].iter().any(|count| !(0..=NODES).contains(count)) {
        return invalid(format!("Autoscaling limits must be between 0 and {NODES}."));
    }
    let totals = total_min != 0 || total_max != 0;
    match asked.enabled {
        true if totals && (min != 0 || max != 0) => invalid(
            "Node_pool_autoscaling.max_node_count and node_pool_autoscaling.total_max_node_count cannot be both \
                 greater than zero.",
        ),
        true if max == 0 && total_max == 0 => invalid(
            "Node_pool_autoscaling.max_node_count and node_pool_autoscaling.total_max_node_count cannot be both set \
             to zero.",
        ),
        true if min > max || total_min > total_max => invalid(
            "Node_pool_autoscaling.min_node_count must be less than or equal to \
                 node_pool_autoscaling.max_node_count.",
        ),
        _ => Ok(()),
    }
}

pub(super) fn zones(field: &str, location: &Location, zones: &[String]) -> Checked {
    match zones.iter().find(|zone| !location.holds(zone)) {
        Some(foreign) => invalid(format!("{field}: zone \"{foreign}\" is not in \"{}\".", location.name)),
        None => Ok(()),
    }
}

fn check_name(field: &str, name: &str) -> Checked {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let good = (1..=NAME).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(plain)
        && !name.ends_with('-');
    if good {
        return Ok(());
    }
    invalid(format!(
        "Invalid value for field \"{field}\": \"{name}\". Names start with a lowercase letter, followed by up to \
         {} lowercase letters, numbers or hyphens, and do not end with a hyphen.",
        NAME - 1
    ))
}

fn invalid(message: impl Into<String>) -> Checked {
    Err(ApiError::invalid_argument(message))
}
