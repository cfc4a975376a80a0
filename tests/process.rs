//! Processes of this machine, found, stopped and killed.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// The processes of a folder's pods that run `worker`, by what stands in `/proc`.
#[must_use]
pub fn workers_in(folder: &Path) -> Vec<u32> {
    let is_worker = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let folder = folder.to_string_lossy();
        let has = |bytes: &[u8], text: &str| String::from_utf8_lossy(bytes).contains(text);
        has(&command, "worker") && has(&environment, "PROVISION_POD=") && has(&environment, &folder)
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_worker).collect()
}

/// A variable of a process's environment.
#[must_use]
pub fn variable_of(pid: u32, name: &str) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    variables.find_map(|variable| Some(variable.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

/// Whether a process lives: one that has ended and was not waited for does not.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in brackets, may hold anything.
    let state = stat.rsplit_once(") ").map(|(_, after)| after);
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// Ctrl-C.
///
/// # Panics
/// If it has ended.
pub fn interrupt(child: &std::process::Child) {
    assert!(signal(child.id(), Signal::INT), "it runs");
}

/// `kill -9`. Whether there was such a process.
pub fn kill(pid: u32) -> bool {
    signal(pid, Signal::KILL)
}

/// Asks a process to stop, as Kubernetes does. Whether there was such a process.
pub fn terminate(pid: u32) -> bool {
    signal(pid, Signal::TERM)
}

/// As a machine does that is suspended. Whether there was such a process.
pub fn stop(pid: u32) -> bool {
    signal(pid, Signal::STOP)
}

/// Lets a stopped process go on. Whether there was such a process.
pub fn resume(pid: u32) -> bool {
    signal(pid, Signal::CONT)
}

fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}
