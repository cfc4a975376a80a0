//! The versions and images that a location offers.

use google_cloud_container_v1::model::ServerConfig;
use google_cloud_container_v1::model::release_channel::Channel;
use google_cloud_container_v1::model::server_config::ReleaseChannelConfig;

use super::defaults::VERSION;

/// The same everywhere: one version, which all channels have.
pub(super) fn offered() -> ServerConfig {
    let channel = |channel| {
        ReleaseChannelConfig::new()
            .set_channel(channel)
            .set_default_version(VERSION)
            .set_valid_versions([VERSION])
    };
    ServerConfig::new()
        .set_default_cluster_version(VERSION)
        .set_valid_node_versions([VERSION])
        .set_valid_master_versions([VERSION])
        .set_default_image_type("COS_CONTAINERD")
        .set_valid_image_types(["COS_CONTAINERD", "UBUNTU_CONTAINERD"])
        .set_channels([Channel::Rapid, Channel::Regular, Channel::Stable].map(channel))
}
