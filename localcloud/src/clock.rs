//! Time, as every service of the local cloud sees it. Nothing else here may ask the system for the
//! time or sleep.

use std::time::Duration;

use jiff::Timestamp;

/// How much faster than Google's the local control plane is: what GKE and Kubernetes wait for
/// (operations, node start-up, idle nodes, pod back-off) is divided by this. Leases, retention,
/// item timeouts and the grace of pods are what they say.
pub const SPEED_UP: u32 = 100;

/// The clock of one local cloud. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(());

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Waits for as long as it says.
    pub async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Waits until an instant.
    pub async fn sleep_until(&self, at: Timestamp) {
        let left = self.now().duration_until(at);
        tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
    }

    /// What a wait of Google's control plane comes to here: [`SPEED_UP`] times shorter.
    #[must_use]
    pub fn scaled(&self, time: Duration) -> Duration {
        time / SPEED_UP
    }
}
