//! Processes that a killed local cloud left behind: each started one is written down with the time
//! of its start, so that the next start ends those, and never another that was given the same id.
//! Most are gone by then: [`LastWill`] ends them with the local cloud.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

use super::last_will::LastWill;
use crate::journal::{Journal, Tables};

/// A process that was started.
#[derive(Debug, Serialize, Deserialize)]
struct Started {
    pid: i32,
    /// In clock ticks after boot, as `/proc/<pid>/stat` says; none where there is no `/proc`.
    at: Option<u64>,
    /// Which boot of the machine.
    boot: String,
}

/// The processes that run now, in the journal.
#[derive(Clone)]
pub(crate) struct Running {
    journal: Journal,
    table: String,
    groups: Arc<Mutex<BTreeMap<String, i32>>>,
    last_will: Arc<LastWill>,
}

impl Running {
    /// Ends what the last run left, and starts a new list. `folder` holds the pods' own folders.
    pub(crate) fn open(
        journal: Journal,
        tables: &mut Tables,
        table: &str,
        folder: &Path,
    ) -> io::Result<Self> {
        let left = tables.take::<Started>(table)?;
        let (groups, last_will) = (Arc::default(), Arc::new(LastWill::new()));
        let running = Self { journal, table: table.into(), groups, last_will };
        for (key, started) in left {
            if started.is_alive() {
                tracing::info!(pid = started.pid, "ending a process that the last run left behind");
                end_group(started.pid);
            }
            running.ended(&key);
        }
        end_all_that_live_in(folder);
        Ok(running)
    }

    /// A process was started for a container.
    pub(super) fn started(&self, key: &str, pid: i32) {
        self.last_will.add(pid);
        self.groups().insert(key.into(), pid);
        let started = Started { pid, at: start_time(pid), boot: boot() };
        if let Err(error) = self.journal.put(&self.table, key, &started) {
            tracing::error!(pid, %error, "a process could not be written down: a kill of the local cloud may leave it");
        }
    }

    /// The process of a container has ended.
    pub(super) fn ended(&self, key: &str) {
        if let Some(pid) = self.groups().remove(key) {
            self.last_will.remove(pid);
        }
        if let Err(error) = self.journal.delete(&self.table, key) {
            tracing::error!(%error, "the end of a process could not be written down");
        }
    }

    fn groups(&self) -> MutexGuard<'_, BTreeMap<String, i32>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Started {
    fn is_alive(&self) -> bool {
        self.at.is_some() && self.boot == boot() && start_time(self.pid) == self.at
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Field 22 of `/proc/<pid>/stat`; the name before it may hold anything, so fields count from its
/// closing bracket.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn end_group(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // One that ended meanwhile is what is wanted.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Children whose leader is gone, or that left its group, still carry the pod's folder in their
/// environment. `folder` is a pod's, or holds those of all.
pub(super) fn end_all_that_live_in(folder: &Path) {
    let Ok(processes) = fs::read_dir("/proc") else { return };
    let mut wanted = b"TMPDIR=".to_vec();
    wanted.extend_from_slice(folder.as_os_str().as_bytes());
    wanted.push(b'/');
    for process in processes.flatten() {
        let Some(pid) =
            process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()).and_then(Pid::from_raw)
        else {
            continue;
        };
        let Ok(environment) = fs::read(process.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(&wanted)) {
            tracing::info!(pid = pid.as_raw_nonzero().get(), "ending a process that a pod left behind");
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_that_another_process_was_given_is_not_taken_for_the_one_that_was_started() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let at = start_time(pid);
        assert!(Started { pid, at, boot: boot() }.is_alive());
        assert!(!Started { pid, at: at.map(|at| at + 1), boot: boot() }.is_alive());
        assert!(!Started { pid, at, boot: "another".into() }.is_alive());
    }

    #[test]
    fn what_a_killed_local_cloud_left_is_ended_at_the_next_start_and_nothing_else() {
        use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let pods = folder.path().join("pods");
        let sleep = |temporary: &Path| {
            let mut command = std::process::Command::new("sleep");
            command.arg("1000").env("TMPDIR", temporary).process_group(0).spawn().expect("a process")
        };
        let (mut written, mut found) = (sleep(Path::new("/tmp")), sleep(&pods.join("uid/tmp")));
        let mut other = sleep(Path::new("/tmp"));
        let pid = |child: &std::process::Child| i32::try_from(child.id()).expect("a pid");
        let (journal, mut tables) = Journal::open(&path).expect("a journal");
        let running = Running::open(journal.clone(), &mut tables, "processes", &pods).expect("a list");
        drop(running);
        // As it is written down by one whose last will was not done.
        let pid = pid(&written);
        let started = Started { pid, at: start_time(pid), boot: boot() };
        journal.put("processes", "pod/main", &started).expect("written");
        drop(journal);

        let (journal, mut tables) = Journal::open(&path).expect("a journal");
        Running::open(journal, &mut tables, "processes", &pods).expect("a list");
        for left in [&mut written, &mut found] {
            assert_eq!(left.wait().expect("an end").signal(), Some(9));
        }
        assert!(other.try_wait().expect("an answer").is_none(), "not ours");
        other.kill().expect("ended");
        other.wait().expect("an end");
    }
}
