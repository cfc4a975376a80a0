//! Enum values as Google's REST API writes them, by name: the model types write numbers, which few
//! other clients expect. Knows where enums stand, not what they mean.

use google_cloud_container_v1::model::{
    DatapathProvider, InTransitEncryptionConfig, NodePoolUpdateStrategy, PrivateIPv6GoogleAccess, StackType,
    cluster, cluster_autoscaling, database_encryption, dns_config, enterprise_config, gateway_api_config,
    linux_node_config, logging_component_config, logging_variant_config, maintenance_exclusion_options,
    monitoring_component_config, network_policy, node_config, node_pool, node_pool_autoscaling, node_taint,
    operation, release_channel, reservation_affinity, security_posture_config, status_condition,
    workload_metadata_config,
};
use serde::Serialize;
use serde_json::Value;

use crate::error::ApiError;

type Name = fn(i32) -> String;

fn name<E: From<i32> + std::fmt::Display>(number: i32) -> String {
    E::from(number).to_string()
}

#[allow(deprecated, reason = "GKE still answers all of these")]
/// How the path of an enum field ends, and its type.
const ENUMS: &[(&str, Name)] = &[
    ("autoscaling/autoscalingProfile", name::<cluster_autoscaling::AutoscalingProfile>),
    ("autoscaling/locationPolicy", name::<node_pool_autoscaling::LocationPolicy>),
    ("channels/channel", name::<release_channel::Channel>),
    ("cluster/status", name::<cluster::Status>),
    ("conditions/code", name::<status_condition::Code>),
    ("config/effectiveCgroupMode", name::<node_config::EffectiveCgroupMode>),
    ("databaseEncryption/currentState", name::<database_encryption::CurrentState>),
    ("databaseEncryption/state", name::<database_encryption::State>),
    ("dnsConfig/clusterDns", name::<dns_config::Provider>),
    ("dnsConfig/clusterDnsScope", name::<dns_config::DNSScope>),
    ("enterpriseConfig/clusterTier", name::<enterprise_config::ClusterTier>),
    ("gatewayApiConfig/channel", name::<gateway_api_config::Channel>),
    ("ipAllocationPolicy/stackType", name::<StackType>),
    ("linuxNodeConfig/cgroupMode", name::<linux_node_config::CgroupMode>),
    ("loggingConfig/componentConfig/enableComponents", name::<logging_component_config::Component>),
    ("maintenanceExclusionOptions/scope", name::<maintenance_exclusion_options::Scope>),
    ("monitoringConfig/componentConfig/enableComponents", name::<monitoring_component_config::Component>),
    ("networkConfig/datapathProvider", name::<DatapathProvider>),
    ("networkConfig/inTransitEncryptionConfig", name::<InTransitEncryptionConfig>),
    ("networkConfig/privateIpv6GoogleAccess", name::<PrivateIPv6GoogleAccess>),
    ("networkPolicy/provider", name::<network_policy::Provider>),
    ("nodeConfig/effectiveCgroupMode", name::<node_config::EffectiveCgroupMode>),
    ("nodePools/status", name::<node_pool::Status>),
    ("operation/operationType", name::<operation::Type>),
    ("operation/status", name::<operation::Status>),
    ("progress/status", name::<operation::Status>),
    ("releaseChannel/channel", name::<release_channel::Channel>),
    ("reservationAffinity/consumeReservationType", name::<reservation_affinity::Type>),
    ("securityPostureConfig/mode", name::<security_posture_config::Mode>),
    ("stages/status", name::<operation::Status>),
    ("taints/effect", name::<node_taint::Effect>),
    ("upgradeSettings/strategy", name::<NodePoolUpdateStrategy>),
    ("variantConfig/variant", name::<logging_variant_config::Variant>),
    ("workloadMetadataConfig/mode", name::<workload_metadata_config::Mode>),
];

/// A model type as REST sends it. `what` is the field that a list would have it in: `cluster`,
/// `nodePools`, `operation`.
pub(super) fn json<T: Serialize>(what: &str, value: &T) -> Result<Value, ApiError> {
    let mut json = serde_json::to_value(value).map_err(|error| ApiError::internal(error.to_string()))?;
    rename(what, &mut json);
    Ok(json)
}

fn rename(path: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                rename(&format!("{path}/{field}"), value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(path, item)),
        Value::Number(number) => {
            let number = number.as_i64().and_then(|number| i32::try_from(number).ok());
            if let (Some(name), Some(number)) = (enum_at(path), number) {
                *value = Value::String(name(number));
            }
        }
        _ => {}
    }
}

fn enum_at(path: &str) -> Option<Name> {
    let ends = |end: &str| path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    ENUMS.iter().find(|(end, _)| ends(end)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use google_cloud_container_v1::model::{Cluster, NodePool, NodePoolAutoscaling};
    use serde_json::json;

    use super::*;

    #[test]
    fn enums_go_out_by_name_and_numbers_stay_numbers() {
        let pool = NodePool::new()
            .set_name("workers")
            .set_status(node_pool::Status::Running)
            .set_initial_node_count(2)
            .set_autoscaling(
                NodePoolAutoscaling::new().set_location_policy(node_pool_autoscaling::LocationPolicy::Any),
            );
        let cluster = Cluster::new().set_status(cluster::Status::Reconciling).set_node_pools([pool]);
        let expected = json!({
            "status": "RECONCILING",
            "nodePools": [{
                "name": "workers",
                "status": "RUNNING",
                "initialNodeCount": 2,
                "autoscaling": {"locationPolicy": "ANY"},
            }],
        });
        assert_eq!(super::json("cluster", &cluster).expect("json"), expected);
    }
}
