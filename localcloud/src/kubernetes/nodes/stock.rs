//! Which machines Google has none of: by zone, machine type and provisioning model. Pure.

use serde::{Deserialize, Serialize};

use super::pool::Pool;

/// Machines that can't be had. What is not said holds for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stockout {
    /// `europe-west1-b`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// `e2-standard-4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<String>,
    /// Only Spot machines, or only the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<bool>,
    /// Why there are none.
    #[serde(default)]
    pub shortage: Shortage,
}

/// Why a machine can't be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Shortage {
    /// The zone has no more of them.
    #[default]
    GceStockout,
    /// The project may have no more of them.
    QuotaExceeded,
}

impl Stockout {
    /// Whether it keeps a pool from getting nodes in a zone.
    fn concerns(&self, pool: &Pool, zone: &str) -> bool {
        self.zone.as_deref().is_none_or(|here| here == zone)
            && self.machine_type.as_deref().is_none_or(|kind| kind == pool.machine_type)
            && self.spot.is_none_or(|spot| spot == pool.spot)
    }
}

impl Shortage {
    /// What the cluster autoscaler calls it.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::GceStockout => "GCE out of resources",
            Self::QuotaExceeded => "GCE quota exceeded",
        }
    }
}

/// Why a pool gets no nodes in a zone, if it gets none.
pub(super) fn shortage(stockouts: &[Stockout], pool: &Pool, zone: &str) -> Option<Shortage> {
    stockouts.iter().find(|stockout| stockout.concerns(pool, zone)).map(|stockout| stockout.shortage)
}
