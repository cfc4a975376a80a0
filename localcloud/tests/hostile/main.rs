//! The local cloud under bad luck and bad manners, over real sockets: killed at any instant, on a
//! full disk, beside a browser, and against clients that send what no client should.

#![allow(clippy::expect_used, reason = "a test that can't go on should say where")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod bad_input;
mod browser;
mod connections;
mod crash;
#[cfg(target_os = "linux")]
mod disk;
mod fuzz;
mod http2;
mod kubernetes;
mod pods;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use localcloud::daemon::{self, Daemon};
use localcloud::{Cloud, Settings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// What runs as the daemon: this test program itself, told to run one test that serves.
const SERVE: [&str; 4] = ["--exact", "serves", "--ignored", "--nocapture"];
/// How long anything may take that should take a moment, on a busy machine.
const SOON: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is the daemon of the other tests"]
async fn serves() {
    tls();
    let folder = std::env::current_dir().expect("a folder");
    daemon::serve(settings(&folder), &program()).await.expect("served");
}

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.join(".provision/local"),
        working_folder: folder.into(),
        worker_program: "worker".into(),
        port: 0,
    }
}

fn program() -> PathBuf {
    std::env::current_exe().expect("this program")
}

fn tls() {
    static TLS: OnceLock<()> = OnceLock::new();
    TLS.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// A local cloud in this process.
struct Local {
    folder: tempfile::TempDir,
    cloud: Cloud,
}

impl Local {
    async fn start() -> Self {
        tls();
        let folder = tempfile::tempdir().expect("a folder");
        let cloud = Cloud::start(settings(folder.path())).await.expect("a local cloud");
        Self { folder, cloud }
    }

    fn port(&self) -> u16 {
        self.cloud.url().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port")
    }

    fn rest(&self) -> Rest {
        Rest::new(self.cloud.url())
    }
}

/// A stack's folder with a local cloud in a process of its own, which is killed with this.
struct Killable {
    folder: tempfile::TempDir,
    daemon: Option<Daemon>,
}

impl Killable {
    async fn start() -> Self {
        tls();
        let mut local = Self { folder: tempfile::tempdir().expect("a folder"), daemon: None };
        local.restart().await;
        local
    }

    /// Starts it, or finds the one that runs.
    async fn restart(&mut self) {
        let started = daemon::ensure(&self.state(), &program(), &SERVE).await;
        self.daemon = Some(started.expect("a daemon"));
    }

    /// Ends it as the system does when memory is short: without a word.
    fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            let pid = Pid::from_raw(daemon.pid().cast_signed()).expect("a pid");
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join(".provision/local")
    }

    fn rest(&self) -> Rest {
        Rest::new(&self.daemon().endpoints().url)
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Google's REST APIs, called by hand.
#[derive(Clone)]
struct Rest {
    client: reqwest::Client,
    url: String,
}

/// No answer at all, or a refusal with its status.
#[derive(Debug)]
enum Failure {
    Broken,
    Refused(u16, Value),
}

impl Rest {
    fn new(url: &str) -> Self {
        let client = reqwest::Client::builder().timeout(SOON).build().expect("a client");
        Self { client, url: url.into() }
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<Vec<u8>, Failure> {
        let method = method.parse().expect("a method");
        let request = self.client.request(method, format!("{}{path}", self.url)).body(body);
        let request = request.header("content-type", "application/json");
        let answer = request.send().await.map_err(|_| Failure::Broken)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|_| Failure::Broken)?;
        if status.is_success() {
            return Ok(body.to_vec());
        }
        Err(Failure::Refused(status.as_u16(), serde_json::from_slice(&body).unwrap_or_default()))
    }

    async fn json(&self, method: &str, path: &str, body: Value) -> Result<Value, Failure> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.call(method, path, body).await?;
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.json("GET", path, Value::Null).await
    }
}

/// Waits until `look` finds something.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        match look().await {
            Some(found) => return found,
            None => assert!(since.elapsed() < SOON, "never: {what}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A cluster with one node, once it runs, and a client of its Kubernetes API.
async fn cluster(rest: &Rest, state: &Path) -> kube::Client {
    let pools = serde_json::json!([{"name": "steady", "initialNodeCount": 1}]);
    let wanted = serde_json::json!({"cluster": {"name": "main", "nodePools": pools}});
    rest.json("POST", "/v1/projects/fx-dev/locations/europe-west1-b/clusters", wanted).await.expect("begun");
    until("the cluster", async || {
        let cluster = rest.get("/v1/projects/fx-dev/locations/europe-west1-b/clusters/main").await.ok()?;
        (cluster["status"] == "RUNNING").then_some(())
    })
    .await;
    kubernetes_client(state).await
}

async fn kubernetes_client(state: &Path) -> kube::Client {
    let config = kube::config::Kubeconfig::read_from(state.join("kubeconfig")).expect("a kubeconfig");
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(config, &options).await.expect("a config");
    kube::Client::try_from(config).expect("a client")
}
