//! A local cloud in a process of its own, to be killed and measured: this very test program, told
//! to serve.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use localcloud::daemon;

use crate::{settings, state};

const FOLDER: &str = "LOCAL_CLOUD_FOLDER";
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves until it is killed, where another test has started it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of other tests"]
async fn serves() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let program = std::env::current_exe().expect("this program");
    daemon::serve(settings(Path::new(&folder)), &program).await.expect("served");
}

/// What starts a local cloud on a folder.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "process::serves", "--ignored", "--nocapture"]).env(FOLDER, folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A running local cloud. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    url: String,
}

impl Process {
    pub(crate) async fn start(folder: &Path) -> Self {
        let child = command(folder).spawn().expect("started");
        let url = url_of(&state(folder), Some(child.id())).await;
        Self { child, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// The most memory that it ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kibibytes << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a local cloud to serve; returns where.
pub(crate) async fn url_of(state: &Path, pid: Option<u32>) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some((url, by)) = written(&state.join("daemon.json"))
            && pid.is_none_or(|pid| pid == by)
            && tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.is_ok()
        {
            return url;
        }
        assert!(Instant::now() < deadline, "no local cloud serves {}", state.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Where a local cloud says that it serves, and its process.
pub(crate) fn written(file: &PathBuf) -> Option<(String, u32)> {
    let state: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let pid = u32::try_from(state["pid"].as_u64()?).ok()?;
    Some((format!("http://127.0.0.1:{}", state["port"].as_u64()?), pid))
}
