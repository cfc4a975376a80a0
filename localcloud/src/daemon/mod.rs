//! The background process that keeps the local cloud of one folder running between commands.
//!
//! Two locks make it safe to start from anywhere at once: `starting.lock` is held by whoever starts
//! or replaces a daemon, so that they do it one after the other; `daemon.lock` is held by the daemon
//! for as long as it lives, so that a state file whose daemon was killed is known for what it is.

mod call;
mod calls;
mod ensure;
mod gke;
mod iam;
mod lock;
mod serve;
mod state;
mod storage;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use ensure::ensure;
pub use serve::serve;

pub use crate::admin::{ClusterStatus, PoolStatus, Status};
use crate::admin::{SHUTDOWN, STATUS};
use crate::environment::Endpoints;
pub use crate::pubsub::SubscriptionStatus;
use lock::Lock;
use state::DaemonState;

/// How long a daemon may take to end its pods and leave.
const LEAVES: Duration = Duration::from_mins(1);

/// A running daemon, as its folder's owner reaches it.
#[derive(Clone, Debug)]
pub struct Daemon {
    folder: PathBuf,
    state: DaemonState,
}

impl Daemon {
    /// The daemon of `folder` (`.provision/local`), or none if none runs there.
    pub async fn find(folder: &Path) -> anyhow::Result<Option<Self>> {
        if !folder.is_dir() || Lock::daemon(folder).is_free()? {
            return Ok(None);
        }
        let Some(state) = DaemonState::read(folder)? else { return Ok(None) };
        let daemon = Self { folder: folder.canonicalize()?, state };
        // Without an answer it is just starting or leaving.
        Ok(daemon.status().await.is_ok().then_some(daemon))
    }

    /// Where clients find its services.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        Endpoints { url: self.state.url(), folder: self.folder.clone() }
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.state.pid
    }

    /// Whether it is the local cloud that was found, and still runs. One that cannot be told of runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let same = |state: DaemonState| state.pid == self.state.pid && state.started == self.state.started;
        let state = DaemonState::read(&self.folder).ok().flatten();
        state.is_some_and(same) && !Lock::daemon(&self.folder).is_free().unwrap_or(false)
    }

    /// Where it says what it does.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }

    /// What it runs.
    pub async fn status(&self) -> anyhow::Result<Status> {
        call::get(&self.state, STATUS).await
    }

    /// Asks it to leave, and waits until it has: its pods have ended, its state is on disk.
    pub async fn down(self) -> anyhow::Result<()> {
        let _: serde_json::Value = call::post(&self.state, SHUTDOWN, &serde_json::json!({})).await?;
        Lock::daemon(&self.folder).wait_until_free(LEAVES).await
    }
}
