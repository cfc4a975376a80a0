//! A full disk is an error, and no corruption. The disk is a small one in memory, which only is
//! mounted for the process under test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::process::{command, url_of, written};
use crate::state;

const DISK: &str = "12m";

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_error_and_nothing_is_corrupted() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut local) = Small::start(folder.path()).await else {
        eprintln!("SKIPPED: a full disk (no disk can be mounted here: `unshare --mount` is refused)");
        return;
    };
    let (http, mut url) = (crate::client(), local.url().await);
    let bucket = json!({"name": "full", "softDeletePolicy": {"retentionDurationSeconds": 0}}).to_string();
    let made =
        http.post(format!("{url}/storage/v1/b?project=p")).body(bucket).send().await.expect("an answer");
    assert_eq!(made.status(), 200);

    // Objects of many sizes, until none fits any more.
    let mut kept: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    // The last ones are only rows of the journal.
    for size in [3 << 20, 1 << 20, 300_000, 70_000, 9_000, 1_000, 0] {
        for number in 0..200 {
            // Each name twice: to replace one may fail as well.
            let name = format!("{size}-{}", number / 2);
            let content: Vec<u8> =
                (0..size).map(|at: i32| u8::try_from((at + number * 7) % 251).unwrap_or_default()).collect();
            let path = format!("{url}/upload/storage/v1/b/full/o?uploadType=media&name={name}");
            let status = http.post(path).body(content.clone()).send().await.expect("an answer").status();
            match status.as_u16() {
                200 => drop(kept.insert(name, content)),
                status => {
                    assert!((500..600).contains(&status), "{status}");
                    break;
                }
            }
        }
    }
    check(&http, &url, &kept).await;
    local.kill_server();
    url = local.url().await;
    check(&http, &url, &kept).await;

    // With some room again, all goes on.
    let largest = kept.keys().find(|name| name.starts_with("3145728")).cloned().expect("a large one");
    let gone = http.delete(format!("{url}/storage/v1/b/full/o/{largest}")).send().await.expect("an answer");
    assert_eq!(gone.status(), 204);
    kept.remove(&largest);
    let path = format!("{url}/upload/storage/v1/b/full/o?uploadType=media&name=again");
    assert_eq!(http.post(path).body("again").send().await.expect("an answer").status(), 200);
    kept.insert("again".into(), b"again".to_vec());
    local.kill_server();
    check(&http, &local.url().await, &kept).await;
}

/// What was acknowledged is there, and nothing else.
async fn check(http: &reqwest::Client, url: &str, kept: &BTreeMap<String, Vec<u8>>) {
    let list = http.get(format!("{url}/storage/v1/b/full/o")).send().await.expect("an answer");
    let list: serde_json::Value = serde_json::from_slice(&list.bytes().await.expect("a list")).expect("JSON");
    let names: Vec<_> =
        list["items"].as_array().into_iter().flatten().filter_map(|o| o["name"].as_str()).collect();
    assert_eq!(names, kept.keys().collect::<Vec<_>>());
    for (name, content) in kept {
        let found = http.get(format!("{url}/storage/v1/b/full/o/{name}?alt=media")).send().await;
        assert!(found.expect("an answer").bytes().await.expect("content") == *content, "{name}");
    }
}

/// A shell that mounts the disk and starts a local cloud on it, again and again.
struct Small {
    shell: Child,
    /// The folder as the shell sees it.
    inside: PathBuf,
    /// The process that was killed last: its traces stay for a moment.
    killed: Option<u32>,
}

impl Small {
    async fn start(folder: &Path) -> Option<Self> {
        let serve = command(folder);
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "--map-root-user", "sh", "-c"]);
        shell.arg(format!("mount -t tmpfs -o size={DISK} tmpfs \"$0\" && while :; do \"$@\"; done"));
        shell.arg(folder).arg(serve.get_program()).args(serve.get_args());
        shell.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut shell = shell.spawn().ok()?;
        let inside = PathBuf::from(format!("/proc/{}/root", shell.id()));
        let inside = inside.join(folder.strip_prefix("/").expect("an absolute path"));
        for _ in 0..1000 {
            if written(&state(&inside).join("daemon.json")).is_some() {
                return Some(Self { shell, inside, killed: None });
            }
            if shell.try_wait().expect("a child").is_some() {
                return None;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        Some(Self { shell, inside, killed: None })
    }

    async fn url(&self) -> String {
        url_of(&state(&self.inside), |pid| Some(pid) != self.killed).await
    }

    fn kill_server(&mut self) {
        let file = state(&self.inside).join("daemon.json");
        let (_, pid) = written(&file).expect("a local cloud");
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill").success());
        self.killed = Some(pid);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let server = written(&state(&self.inside).join("daemon.json"));
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        if let Some((_, pid)) = server {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}
