//! Sees to it that a daemon of this build runs in a folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

use super::lock::Lock;
use super::state::{DaemonState, build_of};
use super::{Daemon, LEAVES};
use crate::folder;

/// How long a daemon may take to start: its clusters start with it.
const STARTS: Duration = Duration::from_mins(1);
/// How often one looks.
const LOOK: Duration = Duration::from_millis(20);
/// What of a failed daemon's log is shown.
const TAIL: usize = 20;

/// The daemon of `folder` (`.provision/local`); starts one with `program` and `args` if none runs,
/// and in the place of one of another build. The program runs in the folder that holds
/// `.provision`, must call [`super::serve`], and outlives this process.
pub async fn ensure(folder: &Path, program: &Path, args: &[&str]) -> anyhow::Result<Daemon> {
    folder::prepare(folder).with_context(|| format!("can't use {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    // It will run in another folder than this process.
    let program = program.canonicalize().with_context(|| format!("can't find {}", program.display()))?;
    let build = build_of(&program)?;
    if let Some(daemon) = Daemon::find(&folder).await?.filter(|daemon| daemon.state.build == build) {
        return Ok(daemon);
    }
    let _starting = Lock::starting(&folder).take(STARTS + LEAVES).await?;
    // Somebody else may have started it while this one waited.
    if let Some(daemon) = settled(&folder).await? {
        if daemon.state.build == build {
            return Ok(daemon);
        }
        tracing::info!(pid = daemon.state.pid, "replacing the local cloud of another build");
        daemon.down().await?;
    }
    start(&folder, &program, args).await
}

/// The daemon that runs, once it is done starting or leaving.
async fn settled(folder: &Path) -> anyhow::Result<Option<Daemon>> {
    let since = Instant::now();
    loop {
        if let Some(daemon) = Daemon::find(folder).await? {
            return Ok(Some(daemon));
        }
        if Lock::daemon(folder).is_free()? {
            return Ok(None);
        }
        if since.elapsed() > LEAVES {
            let pid = DaemonState::read(folder)?.map_or("unknown".to_owned(), |state| state.pid.to_string());
            bail!(
                "the local cloud of {} does not answer: end its process ({pid}) and try again",
                folder.display()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn start(folder: &Path, program: &Path, args: &[&str]) -> anyhow::Result<Daemon> {
    let log = folder.join("daemon.log");
    // The log before this one is kept, and no more.
    let _ = std::fs::rename(&log, folder.join("daemon.log.1"));
    let mut child = spawn(folder, program, args, &log)?;
    let since = Instant::now();
    loop {
        if let Some(daemon) =
            Daemon::find(folder).await?.filter(|daemon| Some(daemon.state.pid) == child.id())
        {
            return Ok(daemon);
        }
        if let Some(status) = child.try_wait()? {
            bail!(
                "the local cloud did not start ({status}); its log, {}, ends:\n{}",
                log.display(),
                tail(&log)
            );
        }
        if since.elapsed() > STARTS {
            let _ = child.kill().await;
            bail!(
                "the local cloud did not start within {} s; its log is {}",
                STARTS.as_secs(),
                log.display()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// In a process group of its own, so that a Ctrl-C meant for this command does not reach it.
fn spawn(folder: &Path, program: &Path, args: &[&str], log: &Path) -> anyhow::Result<Child> {
    let output = folder::private_file().create(true).append(true).open(log);
    let output = output.with_context(|| format!("can't write {}", log.display()))?;
    Command::new(program)
        .args(args)
        .current_dir(stack_folder(folder))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .with_context(|| format!("can't run {}", program.display()))
}

/// The folder that holds `.provision/local`.
fn stack_folder(folder: &Path) -> PathBuf {
    folder.parent().and_then(Path::parent).unwrap_or(folder).to_owned()
}

fn tail(log: &Path) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}
