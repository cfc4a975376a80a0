//! What GKE fills in where the caller said nothing. A client that takes these for drift sees it here
//! as it would with Google.

use google_cloud_container_v1::model::{Cluster, NodePool};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::names::ClusterName;
use crate::error::ApiError;

/// What clusters run.
pub(super) const VERSION: &str = "1.34.1-gke.1829001";
/// The label fingerprint of a cluster without labels.
const NO_LABELS: &str = "a9dc16a7";

/// The cluster as GKE would keep it, its pools filled too.
pub(super) fn cluster(name: &ClusterName, asked: &Cluster, now: &str) -> Result<Cluster, ApiError> {
    let mut cluster = value(asked)?;
    let zones = name.location.zones();
    let (second, services) = ranges(name);
    fill(
        &mut cluster,
        json!({
            "loggingService": "logging.googleapis.com/kubernetes",
            "monitoringService": "monitoring.googleapis.com/kubernetes",
            "network": "default",
            "subnetwork": "default",
            "clusterIpv4Cidr": second,
            "servicesIpv4Cidr": services,
            "locations": zones,
            "labelFingerprint": NO_LABELS,
            "legacyAbac": {},
            "masterAuthorizedNetworksConfig": {},
            "maintenancePolicy": {"resourceVersion": "e3b0c442"},
            "networkConfig": {},
            "ipAllocationPolicy": {},
            "addonsConfig": {},
            "controlPlaneEndpointsConfig": {},
            "autoscaling": {"autoscalingProfile": "BALANCED"},
            "defaultMaxPodsConstraint": {"maxPodsPerNode": "110"},
            "databaseEncryption": {"state": "DECRYPTED", "currentState": "CURRENT_STATE_DECRYPTED"},
            "shieldedNodes": {"enabled": true},
            "releaseChannel": {"channel": "REGULAR"},
            "nodePoolDefaults": {"nodeConfigDefaults": {"loggingConfig": {"variantConfig": {"variant": "DEFAULT"}}}},
            "loggingConfig": {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "WORKLOADS"]}},
            "monitoringConfig": {
                "componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "STORAGE", "POD", "DEPLOYMENT"]},
                "managedPrometheusConfig": {"enabled": true},
                "advancedDatapathObservabilityConfig": {},
            },
            "securityPostureConfig": {"mode": "BASIC"},
            "autopilot": {},
            "enterpriseConfig": {"clusterTier": "STANDARD"},
            "zone": name.location.name,
            "location": name.location.name,
            "id": name.hash().repeat(8),
            "selfLink": name.link(),
            "createTime": now,
            "initialClusterVersion": VERSION,
            "currentMasterVersion": VERSION,
            "currentNodeVersion": VERSION,
        }),
    );
    let network = |kind: &str, called: &Value| {
        let region =
            name.location.zones()[0].rsplit_once('-').map_or(String::new(), |(r, _)| format!("regions/{r}/"));
        let scope = if kind == "networks" { "global/".to_owned() } else { region };
        format!("projects/{}/{scope}{kind}/{}", name.location.project, called.as_str().unwrap_or("default"))
    };
    let (networks, subnetworks) =
        (network("networks", &cluster["network"]), network("subnetworks", &cluster["subnetwork"]));
    fill(
        &mut cluster["networkConfig"],
        json!({
            "network": networks,
            "subnetwork": subnetworks,
            "serviceExternalIpsConfig": {},
            "defaultSnatStatus": {},
            "datapathProvider": "LEGACY_DATAPATH",
        }),
    );
    let (second, services) = (cluster["clusterIpv4Cidr"].clone(), cluster["servicesIpv4Cidr"].clone());
    fill(
        &mut cluster["ipAllocationPolicy"],
        json!({
            "useIpAliases": true,
            "clusterIpv4Cidr": second,
            "clusterIpv4CidrBlock": second,
            "clusterSecondaryRangeName": pod_range(name),
            "servicesIpv4Cidr": services,
            "servicesIpv4CidrBlock": services,
            "stackType": "IPV4",
            "podCidrOverprovisionConfig": {},
        }),
    );
    fill(
        &mut cluster["addonsConfig"],
        json!({
            "networkPolicyConfig": {"disabled": true},
            "gcePersistentDiskCsiDriverConfig": {"enabled": true},
        }),
    );
    fill(
        &mut cluster["controlPlaneEndpointsConfig"],
        json!({
            "dnsEndpointConfig": {},
            "ipEndpointsConfig": {"enabled": true, "enablePublicEndpoint": true},
        }),
    );
    let mut cluster: Cluster = model(cluster)?;
    cluster.node_pools = asked_pools(asked)?;
    let whole = cluster.clone();
    for pool in &mut cluster.node_pools {
        *pool = self::pool(name, &whole, pool)?;
    }
    Ok(cluster)
}

/// The pools that were asked for: by themselves, or as one that the cluster's own fields describe.
fn asked_pools(asked: &Cluster) -> Result<Vec<NodePool>, ApiError> {
    if !asked.node_pools.is_empty() {
        return Ok(asked.node_pools.clone());
    }
    let asked = value(asked)?;
    let mut pool = json!({"name": "default-pool", "initialNodeCount": asked["initialNodeCount"]});
    if !asked["nodeConfig"].is_null() {
        pool["config"] = asked["nodeConfig"].clone();
    }
    Ok(vec![model(pool)?])
}

/// The pool as GKE would keep it in that cluster.
pub(super) fn pool(name: &ClusterName, cluster: &Cluster, asked: &NodePool) -> Result<NodePool, ApiError> {
    let mut pool = value(asked)?;
    let autoscaled = asked.autoscaling.as_ref().is_some_and(|autoscaling| autoscaling.enabled);
    let config = asked.config.clone().unwrap_or_default();
    fill(
        &mut pool,
        json!({
            "config": {},
            "networkConfig": {},
            "autoscaling": {},
            "locations": cluster.locations,
            "selfLink": name.pool_link(&asked.name),
            "version": VERSION,
            "management": {"autoUpgrade": true, "autoRepair": true},
            "maxPodsConstraint": {"maxPodsPerNode": "110"},
            "podIpv4CidrSize": 24,
            "upgradeSettings": {"maxSurge": 1, "strategy": "SURGE"},
        }),
    );
    fill(
        &mut pool["config"],
        json!({
            "machineType": "e2-medium",
            "diskSizeGb": 100,
            "diskType": "pd-balanced",
            "imageType": "COS_CONTAINERD",
            "oauthScopes": [
                "https://www.googleapis.com/auth/logging.write",
                "https://www.googleapis.com/auth/monitoring",
            ],
            "serviceAccount": "default",
            "metadata": {"disable-legacy-endpoints": "true"},
            "shieldedInstanceConfig": {"enableIntegrityMonitoring": true},
            "windowsNodeConfig": {},
            "kubeletConfig": {"insecureKubeletReadonlyPortEnabled": false},
            "loggingConfig": {"variantConfig": {"variant": "DEFAULT"}},
            "effectiveCgroupMode": "EFFECTIVE_CGROUP_MODE_V2",
            "resourceLabels": {},
        }),
    );
    let model_of = if config.spot || config.preemptible { "spot" } else { "on-demand" };
    fill(&mut pool["config"]["metadata"], json!({"disable-legacy-endpoints": "true"}));
    fill(&mut pool["config"]["resourceLabels"], json!({"goog-gke-node-pool-provisioning-model": model_of}));
    if cluster.workload_identity_config.as_ref().is_some_and(|identity| !identity.workload_pool.is_empty()) {
        fill(&mut pool["config"], json!({"workloadMetadataConfig": {"mode": "GKE_METADATA"}}));
    }
    if autoscaled {
        let policy = if config.spot || config.preemptible { "ANY" } else { "BALANCED" };
        fill(&mut pool["autoscaling"], json!({"locationPolicy": policy}));
    }
    fill(
        &mut pool["networkConfig"],
        json!({
            "podRange": pod_range(name),
            "podIpv4CidrBlock": ranges(name).0,
            "podIpv4RangeUtilization": 0.001,
        }),
    );
    model(pool)
}

/// Fills the fields that are absent. What the caller began to say is not finished for them: an
/// object that is there stays as it is.
fn fill(into: &mut Value, defaults: Value) {
    let Value::Object(defaults) = defaults else { return };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Value::Object(fields) = into else { return };
    for (field, value) in defaults {
        fields.entry(field).or_insert(value);
    }
}

fn pod_range(name: &ClusterName) -> String {
    format!("gke-{}-pods-{}", name.name, name.hash())
}

/// Addresses of pods and of services.
fn ranges(name: &ClusterName) -> (String, &'static str) {
    let spread = name.hash().bytes().fold(0_u32, |sum, byte| sum * 31 % 60 + u32::from(byte) % 60);
    (format!("10.{}.0.0/14", spread % 60 * 4 + 4), "34.118.224.0/20")
}

pub(super) fn value<T: Serialize>(model: &T) -> Result<Value, ApiError> {
    serde_json::to_value(model).map_err(|error| ApiError::internal(error.to_string()))
}

pub(super) fn model<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_json::from_value(value)
        .map_err(|error| ApiError::invalid_argument(format!("Invalid value: {error}")))
}
