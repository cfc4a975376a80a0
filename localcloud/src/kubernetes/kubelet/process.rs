//! One process group of this machine: started without a shell, ended as a whole.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::logs::Log;
use super::memory::{Limited, Memory};
use crate::clock::Clock;

/// How long output is awaited after the last process of the group is dead: one that has left the
/// group could hold the pipe for ever.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// What to start.
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, OsString)>,
    pub(super) folder: PathBuf,
    /// The bytes of memory that it and what it starts may use.
    pub(super) memory: Option<u64>,
}

/// A started process, leader of its own group. The whole group dies with this value.
pub(super) struct Process {
    child: Child,
    group: Group,
    limited: Option<Limited>,
    /// It was ended because it wanted more memory than it may have.
    starved: bool,
    output: JoinSet<()>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exit {
    /// 128 and the signal's number, if one ended it.
    pub(super) code: i32,
    pub(super) signal: Option<i32>,
    /// It wanted more memory than it may have.
    pub(super) out_of_memory: bool,
}

struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // A group that is gone already is what is wanted.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

impl Process {
    /// Starts a program; its output goes to the log. `name` tells its memory limit from others'.
    pub(super) fn start(
        program: Program,
        name: &str,
        memory: &Memory,
        log: &Arc<Log>,
        clock: &Clock,
    ) -> io::Result<Self> {
        let mut limited = program.memory.map(|bytes| memory.limit(name, bytes));
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            .env_clear()
            .envs(program.environment)
            .current_dir(&program.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let group = Group(id.ok_or_else(|| io::Error::other("the process has no id"))?);
        let leader = group.0.as_raw_nonzero().get();
        if let Some(limited) = &mut limited {
            limited.take_in(leader);
        }
        let mut output = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            let (log, clock) = (log.clone(), clock.clone());
            output.spawn(async move { log.copy(stdout, "stdout", &clock).await });
        }
        if let Some(stderr) = child.stderr.take() {
            let (log, clock) = (log.clone(), clock.clone());
            output.spawn(async move { log.copy(stderr, "stderr", &clock).await });
        }
        Ok(Self { child, group, limited, starved: false, output })
    }

    pub(super) fn id(&self) -> i32 {
        self.group.0.as_raw_nonzero().get()
    }

    /// Asks the process to end. As in a container, only the first process is asked: what it started
    /// is its own business.
    pub(super) fn terminate(&self) {
        // One that has ended meanwhile is what is wanted; it keeps its id until it is waited for.
        let _ = kill_process(self.group.0, Signal::TERM);
    }

    /// Ends the whole group as the kernel does for want of memory.
    pub(super) fn starve(&mut self) {
        self.starved = true;
        self.kill();
    }

    /// Ends the whole group now.
    pub(super) fn kill(&self) {
        let _ = kill_process_group(self.group.0, Signal::KILL);
        if let Some(limited) = &self.limited {
            // What has left the group is still under its limit.
            limited.end();
        }
    }

    /// Waits until the process has ended by itself. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> Exit {
        let limited = self.limited.as_ref();
        let exceeded = async {
            match limited {
                Some(limited) => limited.exceeded().await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = self.child.wait() => {
                self.starved |= limited.is_some_and(Limited::was_exceeded);
                ended
            }
            () = exceeded => {
                self.starved = true;
                self.child.wait().await
            }
        };
        match ended {
            Ok(status) => exit(status, self.starved),
            // Nobody else waits for it; if somebody did, what became of it is unknown.
            Err(_) => Exit { code: 255, signal: None, out_of_memory: false },
        }
    }

    /// Ends what the process has left behind, and takes its last output.
    pub(super) async fn finish(mut self) {
        self.kill();
        let output = async { while self.output.join_next().await.is_some() {} };
        // By the machine's time: a clock that stands still must not keep a dead process.
        if tokio::time::timeout(LAST_OUTPUT, output).await.is_err() {
            self.output.shutdown().await;
        }
    }
}

fn exit(status: ExitStatus, starved: bool) -> Exit {
    let signal = status.signal();
    let code = status.code().unwrap_or_else(|| 128 + signal.unwrap_or(0));
    // One that ended by itself meanwhile was not ended.
    Exit { code, signal, out_of_memory: starved && code != 0 }
}
