//! GKE's release channels: how soon it upgrades a cluster.

use google_cloud_container_v1::model;
use google_cloud_container_v1::model::release_channel::Channel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// GKE's release channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReleaseChannel {
    Rapid,
    #[default]
    Regular,
    Stable,
    Extended,
}

impl ReleaseChannel {
    pub(super) fn wire(self) -> Channel {
        match self {
            Self::Rapid => Channel::Rapid,
            Self::Regular => Channel::Regular,
            Self::Stable => Channel::Stable,
            Self::Extended => Channel::Extended,
        }
    }

    pub(super) fn read(live: &model::ReleaseChannel) -> Self {
        match live.channel {
            Channel::Rapid => Self::Rapid,
            Channel::Stable => Self::Stable,
            Channel::Extended => Self::Extended,
            _ => Self::Regular,
        }
    }
}
