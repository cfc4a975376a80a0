//! Whether a cluster or a pool can be used, as far as plans care. What GKE does by itself (upgrades,
//! repairs, machines that it waits for) is nobody's change; what is still being made, or could not be
//! made, is: apply waits for it.

use serde::{Deserialize, Serialize};

/// Whether it can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It can.
    #[default]
    Ready,
    /// Somebody, perhaps an apply that was killed, is making it.
    BeingMade,
    /// It could not be made.
    Failed,
}
