//! A local cloud in this process, in a folder of its own.

use localcloud::{Cloud, Settings};
use tempfile::TempDir;

use super::stage::Stage;

/// A folder, and the cloud that runs in it.
pub(super) struct Local {
    pub(super) cloud: Cloud,
    folder: TempDir,
}

impl Local {
    pub(super) async fn start() -> Self {
        // The clients panic without a TLS provider, even for `http://`.
        drop(rustls::crypto::ring::default_provider().install_default());
        Self::over(tempfile::tempdir().expect("a folder")).await
    }

    /// Stops it and starts it again with what is on disk.
    pub(super) async fn restart(self) -> Self {
        self.cloud.shutdown().await;
        Self::over(self.folder).await
    }

    async fn over(folder: TempDir) -> Self {
        let settings = Settings {
            folder: folder.path().join("state"),
            working_folder: folder.path().into(),
            worker_program: "worker".into(),
            port: 0,
        };
        let cloud = Cloud::start(settings).await.expect("a local cloud");
        Self { cloud, folder }
    }

    pub(super) async fn stage(&self, project: &str) -> Stage {
        Stage::set(self.cloud.url(), project).await
    }
}
