//! The local cloud as Google's own client libraries see it: one in this process, on a free port.

#![allow(clippy::expect_used, reason = "a test that can't go on should say where")]
#![allow(clippy::large_futures, clippy::large_stack_arrays, reason = "the clients' requests are large")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "what is skipped, and what was measured")]

mod access;
mod calls;
mod full_disk;
mod gke;
mod iam;
mod killed;
mod kubernetes;
mod memory;
mod operations;
mod permissions;
mod policies;
mod process;
mod projects;
mod secrets;
mod services;
mod stockouts;
mod storage;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use google_cloud_auth::credentials::{Credentials, anonymous};
use localcloud::{Cloud, Settings};

const PROJECT: &str = "fx-dev";

/// A folder, and the cloud that runs in it.
struct Local {
    folder: tempfile::TempDir,
    cloud: Cloud,
}

impl Local {
    async fn start() -> Self {
        install_tls();
        let folder = tempfile::tempdir().expect("a folder");
        let cloud = Cloud::start(settings(folder.path())).await.expect("a local cloud");
        Self { folder, cloud }
    }

    /// Stops it and starts it again with what is on disk.
    async fn restart(self) -> Self {
        self.cloud.shutdown().await;
        let cloud = Cloud::start(settings(self.folder.path())).await.expect("a local cloud");
        Self { folder: self.folder, cloud }
    }

    fn url(&self) -> &str {
        self.cloud.url()
    }

    fn state(&self) -> PathBuf {
        state(self.folder.path())
    }
}

/// The clients panic without a TLS provider, even for `http://`.
fn install_tls() {
    static TLS: OnceLock<()> = OnceLock::new();
    TLS.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// A client for bare HTTP. Making one takes a while: tests share theirs.
fn client() -> reqwest::Client {
    install_tls();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

fn state(folder: &Path) -> PathBuf {
    folder.join(".provision/local")
}

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: state(folder),
        working_folder: folder.into(),
        worker_program: "worker".into(),
        port: 0,
    }
}

fn nobody() -> Credentials {
    anonymous::Builder::new().build()
}

/// The code and the message of a failure that must be one.
fn refusal<T>(answer: Result<T, google_cloud_gax::error::Error>) -> (u16, String) {
    let error = answer.err().expect("a refusal");
    let message = error.status().map(|status| status.message.clone()).unwrap_or_default();
    (error.http_status_code().unwrap_or_default(), message)
}

fn project() -> String {
    format!("projects/{PROJECT}")
}

fn named(kind: &str, name: impl Display) -> String {
    format!("projects/{PROJECT}/{kind}/{name}")
}
