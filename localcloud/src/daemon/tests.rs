//! A daemon is a process of its own: here, this test program itself, told to run one test that
//! serves until it is asked to leave.

use std::path::{Path, PathBuf};

use super::*;
use crate::Settings;

const SERVE: [&str; 4] = ["--exact", "daemon::tests::serves", "--ignored", "--nocapture"];

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.into(),
        working_folder: folder.into(),
        worker_program: "worker".into(),
        port: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is the daemon of the other tests"]
async fn serves() {
    let folder = std::env::current_dir().expect("a folder").join(".provision/local");
    let impatient = folder.join("impatient").exists();
    let idle = if impatient { Duration::from_millis(300) } else { Duration::from_mins(1) };
    serve::serve_until_idle_for(idle, settings(&folder), &program()).await.expect("served");
}

fn program() -> PathBuf {
    std::env::current_exe().expect("this program")
}

/// A stack's folder, whose daemon is gone when the test ends.
struct Stack(tempfile::TempDir);

impl Stack {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join(".provision/local")
    }

    async fn ensure(&self) -> Daemon {
        ensure(&self.folder(), &program(), &SERVE).await.expect("a daemon")
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Ok(Some(state)) = DaemonState::read(&self.folder()) {
            kill(state.pid);
        }
    }
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_who_start_at_once_get_the_same_daemon() {
    let stack = Stack::new();
    let all = futures::future::join_all((0..8).map(|_| stack.ensure())).await;
    assert!(all.iter().all(|daemon| daemon.pid() == all[0].pid()), "{all:?}");
    let log = std::fs::read_to_string(stack.folder().join("daemon.log")).expect("a log");
    assert_eq!(log.matches("running 1 test").count(), 1, "{log}");

    let status = all[0].status().await.expect("a status");
    assert_eq!(status.url, all[0].endpoints().url);
    let ignored = std::fs::read_to_string(stack.0.path().join(".provision/.gitignore")).expect("ignored");
    assert_eq!(ignored, "*\n");
    all[0].clone().down().await.expect("down");
    assert!(Daemon::find(&stack.folder()).await.expect("looked").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_is_replaced_and_keeps_its_port() {
    let stack = Stack::new();
    let first = stack.ensure().await;
    kill(first.pid());
    Lock::daemon(&stack.folder()).wait_until_free(LEAVES).await.expect("dead");
    assert!(Daemon::find(&stack.folder()).await.expect("looked").is_none(), "its file is still there");
    let second = stack.ensure().await;
    assert_ne!(first.pid(), second.pid());
    assert_eq!(first.endpoints().url, second.endpoints().url);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_of_another_build_is_replaced() {
    let stack = Stack::new();
    let first = stack.ensure().await;
    let mut state = first.state.clone();
    state.build = "older".into();
    state.write(&stack.folder()).expect("written");
    let second = stack.ensure().await;
    assert_ne!(first.pid(), second.pid());
    assert!(second.status().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_nobody_needs_leaves() {
    let stack = Stack::new();
    std::fs::create_dir_all(stack.folder()).expect("a folder");
    std::fs::write(stack.folder().join("impatient"), "").expect("a file");
    stack.ensure().await;
    Lock::daemon(&stack.folder()).wait_until_free(Duration::from_secs(20)).await.expect("left");
    assert!(DaemonState::read(&stack.folder()).expect("read").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_fails_says_why() {
    let stack = Stack::new();
    let failed = ensure(&stack.folder(), Path::new("/bin/sh"), &["-c", "echo no luck today; exit 3"]).await;
    let message = failed.expect_err("failed").to_string();
    assert!(message.contains("exit status: 3") && message.contains("no luck today"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_daemon_writes_down_only_its_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let stack = Stack::new();
    stack.ensure().await;
    let mode = |name: &str| {
        let path = stack.folder().join(name);
        std::fs::metadata(&path).expect(name).permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o700);
    for file in ["daemon.json", "daemon.log", "daemon.lock", "journal", "kubeconfig"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused() {
    let stack = Stack::new();
    let mut daemon = stack.ensure().await;
    daemon.state.token.replace_range(..1, "x");
    let refused = daemon.status().await.expect_err("refused").to_string();
    assert!(refused.contains("token"), "{refused}");
}
