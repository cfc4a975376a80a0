//! In-place changes: which fields of an update request set which fields of a cluster or a pool. What
//! stands in no table here is refused by name.

use google_cloud_container_v1::model::{Cluster, NodePool};
use serde_json::{Map, Value};

use super::defaults::{model, value};
use crate::error::ApiError;

/// Fields of `ClusterUpdate` that replace a field of the cluster.
const CLUSTER: [(&str, &str); 29] = [
    ("desiredAddonsConfig", "addonsConfig"),
    ("desiredAuthenticatorGroupsConfig", "authenticatorGroupsConfig"),
    ("desiredBinaryAuthorization", "binaryAuthorization"),
    ("desiredClusterAutoscaling", "autoscaling"),
    ("desiredControlPlaneEndpointsConfig", "controlPlaneEndpointsConfig"),
    ("desiredCostManagementConfig", "costManagementConfig"),
    ("desiredDatabaseEncryption", "databaseEncryption"),
    ("desiredEnableMultiNetworking", "networkConfig/enableMultiNetworking"),
    ("desiredDatapathProvider", "networkConfig/datapathProvider"),
    ("desiredDefaultSnatStatus", "networkConfig/defaultSnatStatus"),
    ("desiredDnsConfig", "networkConfig/dnsConfig"),
    ("desiredGatewayApiConfig", "networkConfig/gatewayApiConfig"),
    ("desiredIdentityServiceConfig", "identityServiceConfig"),
    ("desiredLocations", "locations"),
    ("desiredLoggingConfig", "loggingConfig"),
    ("desiredLoggingService", "loggingService"),
    ("desiredMasterAuthorizedNetworksConfig", "masterAuthorizedNetworksConfig"),
    ("desiredMeshCertificates", "meshCertificates"),
    ("desiredMonitoringConfig", "monitoringConfig"),
    ("desiredMonitoringService", "monitoringService"),
    ("desiredNotificationConfig", "notificationConfig"),
    ("desiredPrivateClusterConfig", "privateClusterConfig"),
    ("desiredReleaseChannel", "releaseChannel"),
    ("desiredResourceUsageExportConfig", "resourceUsageExportConfig"),
    ("desiredSecurityPostureConfig", "securityPostureConfig"),
    ("desiredServiceExternalIpsConfig", "networkConfig/serviceExternalIpsConfig"),
    ("desiredShieldedNodes", "shieldedNodes"),
    ("desiredVerticalPodAutoscaling", "verticalPodAutoscaling"),
    ("desiredWorkloadIdentityConfig", "workloadIdentityConfig"),
];

/// Fields of `UpdateNodePoolRequest`, what they set, and the field that a wrapper message holds.
const POOL: [(&str, &str, &str); 17] = [
    ("diskSizeGb", "config/diskSizeGb", ""),
    ("diskType", "config/diskType", ""),
    ("gcfsConfig", "config/gcfsConfig", ""),
    ("gvnic", "config/gvnic", ""),
    ("imageType", "config/imageType", ""),
    ("kubeletConfig", "config/kubeletConfig", ""),
    ("labels", "config/labels", "labels"),
    ("linuxNodeConfig", "config/linuxNodeConfig", ""),
    ("locations", "locations", ""),
    ("loggingConfig", "config/loggingConfig", ""),
    ("machineType", "config/machineType", ""),
    ("maxRunDuration", "config/maxRunDuration", ""),
    ("resourceLabels", "config/resourceLabels", "labels"),
    ("tags", "config/tags", "tags"),
    ("taints", "config/taints", "taints"),
    ("upgradeSettings", "upgradeSettings", ""),
    ("workloadMetadataConfig", "config/workloadMetadataConfig", ""),
];

/// Say which pool it is, not what becomes of it.
const ADDRESS: [&str; 6] = ["name", "projectId", "zone", "clusterId", "nodePoolId", "etag"];
/// Changes that make GKE replace nodes.
const REPLACES_NODES: [&str; 8] = [
    "diskSizeGb",
    "diskType",
    "imageType",
    "machineType",
    "kubeletConfig",
    "linuxNodeConfig",
    "workloadMetadataConfig",
    "gvnic",
];

/// What the cluster becomes. GKE takes one change at a time.
pub(super) fn cluster(held: &Cluster, update: &Map<String, Value>) -> Result<Cluster, ApiError> {
    let asked: Vec<_> = update.iter().filter(|(field, _)| *field != "etag").collect();
    let (field, new) = match asked[..] {
        [] => return Err(ApiError::invalid_argument("Must specify a field to update.")),
        [one] => one,
        _ => return Err(ApiError::invalid_argument("Must specify exactly one update.")),
    };
    let Some((_, path)) = CLUSTER.iter().find(|(name, _)| name == field) else {
        return Err(ApiError::unsupported(format!("UpdateCluster {field}")));
    };
    let mut cluster = value(held)?;
    set(&mut cluster, path, new.clone());
    model(cluster)
}

/// What the pool becomes, and whether its nodes are replaced on the way.
pub(super) fn pool(held: &NodePool, update: &Map<String, Value>) -> Result<(NodePool, bool), ApiError> {
    let asked: Vec<_> = update.iter().filter(|(field, _)| !ADDRESS.contains(&field.as_str())).collect();
    if asked.is_empty() {
        return Err(ApiError::invalid_argument("Must specify a field to update."));
    }
    let mut pool = value(held)?;
    for (field, new) in &asked {
        match POOL.iter().find(|(name, ..)| name == field) {
            // An empty version asks for the cluster's, which every pool here has.
            None if matches!(field.as_str(), "nodeVersion" | "image" | "imageProject") => {}
            None => {
                return Err(ApiError::invalid_argument(format!(
                    "Invalid JSON payload received. Unknown name \"{field}\": Cannot find field. It may be fixed \
                     when a node pool is created."
                )));
            }
            Some(("locations", ..)) if asked.len() > 1 => {
                return Err(ApiError::invalid_argument(
                    "Locations can't be updated together with other fields.",
                ));
            }
            Some((_, path, "")) => set(&mut pool, path, (*new).clone()),
            Some((_, path, wrapped)) => {
                set(&mut pool, path, new.get(wrapped).cloned().unwrap_or(Value::Null));
            }
        }
    }
    let replaces = asked.iter().any(|(field, _)| REPLACES_NODES.contains(&field.as_str()));
    Ok((model(pool)?, replaces))
}

fn set(into: &mut Value, path: &str, new: Value) {
    let mut at = into;
    for step in path.split('/') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[step];
    }
    *at = new;
}

#[cfg(test)]
mod tests {
    use google_cloud_container_v1::model::NodeConfig;
    use serde_json::json;

    use super::*;

    fn fields(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_pool_changes_in_the_fields_that_are_named_and_no_others() {
        let held = NodePool::new()
            .set_name("workers")
            .set_config(NodeConfig::new().set_machine_type("e2-medium").set_spot(true));
        let update =
            fields(&json!({"machineType": "e2-standard-4", "labels": {"labels": {"a": "b"}}, "name": "x"}));
        let (pool, replaces) = super::pool(&held, &update).expect("updated");
        let config = pool.config.expect("a config");
        assert_eq!((config.machine_type.as_str(), config.spot, replaces), ("e2-standard-4", true, true));
        assert_eq!(config.labels.get("a").map(String::as_str), Some("b"));
        assert_eq!(pool.name, "workers");
    }

    #[test]
    fn what_is_fixed_at_creation_is_refused_by_name() {
        for field in ["spot", "serviceAccount", "oauthScopes"] {
            let mut update = Map::new();
            update.insert(field.into(), json!(true));
            let refused = super::pool(&NodePool::new(), &update).expect_err(field);
            assert!(refused.message.contains(field), "{refused}");
        }
    }
}
