//! A program's processes, ended as one: its process group, and what left the group but still carries
//! the attempt's mark in its environment.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process_group, pidfd_open, pidfd_send_signal,
    test_kill_process_group, waitpgid, waitpid,
};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use crate::handler::HandlerError;

/// Longest that killed processes are waited for. They run no more; the kernel may still be at it.
const LONGEST: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);
/// Times that processes which left the group are looked for: they may start others meanwhile.
const ROUNDS: usize = 5;

/// The processes of one attempt. They die with this value.
pub(super) struct Group {
    leader: Pid,
    mark: Vec<u8>,
}

impl Group {
    /// The group of a process that was started as the leader of one.
    pub(super) fn led_by(child: &Child, mark: Vec<u8>) -> Result<Self, HandlerError> {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { leader: id.context("the command's process has no id")?, mark })
    }

    /// Ends every process and waits until they are gone.
    pub(super) async fn end(self, child: &mut Child) {
        self.kill();
        // One that has been waited for answers again with what it ended with.
        if timeout(LONGEST, child.wait()).await.is_err() {
            tracing::warn!("the command does not die: it hangs in a call of the kernel");
        }
        let started = Instant::now();
        while self.is_there() && started.elapsed() < LONGEST {
            sleep(PAUSE).await;
        }
    }

    /// SIGKILL at once, without a SIGTERM before it: what a program has not finished is never taken,
    /// so there is nothing that it must save.
    fn kill(&self) {
        // A group that is gone already is what is wanted.
        let _ = kill_process_group(self.leader, Signal::KILL);
        for _ in 0..ROUNDS {
            if !self.kill_strays() {
                return;
            }
        }
    }

    /// Whether anything of the group is left. Where this worker is a container's first process,
    /// orphans are its children and stay until they are waited for.
    fn is_there(&self) -> bool {
        while matches!(waitpgid(self.leader, WaitOptions::NOHANG), Ok(Some(_))) {}
        test_kill_process_group(self.leader).is_ok()
    }

    /// Ends processes that have left the group. Whether there were any.
    fn kill_strays(&self) -> bool {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
        ids.filter_map(Pid::from_raw).filter(|pid| self.kill_stray(*pid)).count() > 0
    }

    fn kill_stray(&self, pid: Pid) -> bool {
        let environment = || fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
        let is_ours = || environment().split(|byte| *byte == 0).any(|variable| variable == self.mark);
        if !is_ours() {
            return false;
        }
        // The number may be another's by now, but not that of a process that is held on to.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        let killed = is_ours() && pidfd_send_signal(&process, Signal::KILL).is_ok();
        // It is our child only where orphans come to us.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        killed
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
