//! Memory limits of containers. Where this machine lets us, a container's processes are put into a
//! control group, and all of them die together when they want more than their limit; elsewhere the
//! processes are looked at now and then, and ended when they hold too much.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};

/// How often a group is looked at. By the machine's time: the kernel knows no other.
const LOOK: Duration = Duration::from_millis(50);
/// How often the processes of a group are ended before those that survive are given up.
const ATTEMPTS: usize = 500;

/// How limits are kept on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// Control groups, version 2, below this folder.
    Unified(PathBuf),
    /// Control groups of the older kind, below this folder.
    Legacy(PathBuf),
    /// By looking.
    Watched,
}

/// The limit of one container, and who is under it.
#[derive(Debug)]
pub(super) struct Limited {
    memory: Memory,
    bytes: u64,
    /// Leader of the process group.
    leader: i32,
}

impl Memory {
    /// Finds the best way. `pods` is what the groups are told apart by: those of a local cloud that
    /// was killed are emptied and removed.
    pub(super) fn open(pods: &Path) -> Self {
        let found = parents().into_iter().find_map(|(parent, new)| {
            let ours = new(parent.join(name_of(pods)));
            ours.clear();
            ours.prepare().is_ok().then_some(ours)
        });
        found.unwrap_or(Self::Watched)
    }

    /// Makes a limit for a container; nobody is under it yet. `name` is the container's.
    pub(super) fn limit(&self, name: &str, bytes: u64) -> Limited {
        let group = match self {
            Self::Unified(folder) => Self::Unified(folder.join(name)),
            Self::Legacy(folder) => Self::Legacy(folder.join(name)),
            Self::Watched => Self::Watched,
        };
        let mut limited = Limited { memory: group, bytes, leader: 0 };
        if let Err(error) = limited.memory.make(bytes) {
            limited.only_watch(&error);
        }
        limited
    }

    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Unified(folder) | Self::Legacy(folder) => Some(folder),
            Self::Watched => None,
        }
    }

    /// Removes what was made here.
    pub(super) fn close(&self) {
        self.clear();
    }

    /// Makes the group that holds the containers' groups, and tries whether limits can be set.
    fn prepare(&self) -> io::Result<()> {
        let Some(folder) = self.folder() else { return Ok(()) };
        fs::create_dir(folder)?;
        if let Self::Unified(folder) = self {
            fs::write(folder.join("cgroup.subtree_control"), "+memory")?;
        }
        let tried = match self {
            Self::Unified(folder) => Self::Unified(folder.join("try")),
            Self::Legacy(folder) => Self::Legacy(folder.join("try")),
            Self::Watched => return Ok(()),
        };
        let outcome = tried.make(1 << 30);
        tried.clear();
        outcome
    }

    fn make(&self, bytes: u64) -> io::Result<()> {
        match self {
            Self::Unified(folder) => {
                fs::create_dir(folder)?;
                fs::write(folder.join("memory.max"), bytes.to_string())?;
                fs::write(folder.join("memory.oom.group"), "1")?;
                // Swapped out is not gone: a limit is a limit. Without swap there is no such file.
                let _ = fs::write(folder.join("memory.swap.max"), "0");
            }
            Self::Legacy(folder) => {
                fs::create_dir(folder)?;
                fs::write(folder.join("memory.limit_in_bytes"), bytes.to_string())?;
                // The kernel would end one process; frozen until we look, they all end together. A
                // kernel that freezes none ends one, and we see that.
                let _ = fs::write(folder.join("memory.oom_control"), "1");
            }
            Self::Watched => {}
        }
        Ok(())
    }

    /// Ends every process in the group and in those below it, and removes them.
    fn clear(&self) {
        let Some(folder) = self.folder() else { return };
        let below = fs::read_dir(folder).into_iter().flatten().flatten();
        for group in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            clear(&group.path());
        }
        clear(folder);
    }
}

impl Limited {
    /// Puts a process that was just started under the limit, and all that it starts.
    pub(super) fn take_in(&mut self, leader: i32) {
        self.leader = leader;
        let Some(members) = self.memory.folder().map(|folder| folder.join("cgroup.procs")) else { return };
        if let Err(error) = fs::write(&members, leader.to_string()) {
            return self.only_watch(&error);
        }
        // What the leader started before it was moved was not moved with it.
        for process in family(leader).iter().filter(|process| process.pid != leader) {
            // One that has ended meanwhile can't be moved.
            let _ = fs::write(&members, process.pid.to_string());
        }
    }

    fn only_watch(&mut self, error: &io::Error) {
        tracing::warn!(%error, "a container is in no control group; its memory is watched");
        self.memory.clear();
        self.memory = Memory::Watched;
    }

    /// Waits until the processes want more than they may have, and ends all of them.
    pub(super) async fn exceeded(&self) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let is_out = match &self.memory {
                // The kernel ends them by itself; they are only counted.
                Memory::Unified(_) => self.was_exceeded(),
                Memory::Legacy(folder) => {
                    read_number(&folder.join("memory.oom_control"), "under_oom") > 0 || self.was_exceeded()
                }
                Memory::Watched => self.held() > self.bytes,
            };
            if is_out {
                self.end();
                return;
            }
        }
    }

    /// Whether the kernel has ended a process of it for want of memory.
    pub(super) fn was_exceeded(&self) -> bool {
        let count =
            |file: &str| self.memory.folder().map_or(0, |folder| read_number(&folder.join(file), "oom_kill"));
        match self.memory {
            Memory::Unified(_) => count("memory.events") > 0,
            Memory::Legacy(_) => count("memory.oom_control") > 0,
            Memory::Watched => false,
        }
    }

    /// Ends all of its processes.
    pub(super) fn end(&self) {
        match self.memory.folder() {
            Some(folder) => end_all(folder),
            None => family(self.leader).iter().for_each(|process| end(process.pid)),
        }
    }

    /// The bytes that the processes hold in memory.
    fn held(&self) -> u64 {
        family(self.leader).iter().map(|process| resident(process.pid)).sum()
    }
}

/// Nobody is left in the group, and the group is gone.
impl Drop for Limited {
    fn drop(&mut self) {
        self.memory.clear();
    }
}

/// Makes a group of one version.
type Kind = fn(PathBuf) -> Memory;

/// Where groups may be made: for each hierarchy with the memory controller our own group and, in
/// version 2, those above it, as groups with processes can't have limited ones below them.
fn parents() -> Vec<(PathBuf, Kind)> {
    let ours = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut parents: Vec<(PathBuf, Kind)> = Vec::new();
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let mut fields = left.split(' ').skip(3);
        let (Some(root), Some(mount)) = (fields.next(), fields.next().map(Path::new)) else { continue };
        let own = |wanted: &str| {
            let of = |line: &str| {
                let mut parts = line.splitn(3, ':').skip(1);
                let controllers = parts.next()?;
                controllers.split(',').any(|name| name == wanted).then(|| parts.next().map(str::to_owned))?
            };
            // In a container only a part of the hierarchy is mounted.
            let below =
                |path: String| path.strip_prefix(root).unwrap_or(&path).trim_start_matches('/').to_owned();
            ours.lines().find_map(of).map(|path| mount.join(below(path)))
        };
        match right.split(' ').next() {
            Some("cgroup2") => {
                let Some(own) = own("") else { continue };
                let above = own.ancestors().take_while(|folder| folder.starts_with(mount));
                let has_memory = |folder: &&Path| {
                    let controllers = fs::read_to_string(folder.join("cgroup.subtree_control"));
                    controllers.is_ok_and(|names| names.split_whitespace().any(|name| name == "memory"))
                };
                parents.extend(
                    above.filter(has_memory).map(|folder| (folder.to_owned(), Memory::Unified as Kind)),
                );
            }
            Some("cgroup")
                if right
                    .rsplit(' ')
                    .next()
                    .is_some_and(|options| options.split(',').any(|one| one == "memory")) =>
            {
                parents.extend(own("memory").map(|own| (own, Memory::Legacy as Kind)));
            }
            _ => {}
        }
    }
    parents
}

/// What the group of a cluster's pods is called.
fn name_of(pods: &Path) -> String {
    format!("provision-{}", hex::encode(&Sha256::digest(pods.as_os_str().as_encoded_bytes())[..8]))
}

/// The groups of containers that there are now; none if there are no control groups for those pods.
#[cfg(test)]
pub(crate) fn control_groups(pods: &Path) -> Option<Vec<PathBuf>> {
    let ours = parents().into_iter().map(|(parent, _)| parent.join(name_of(pods)));
    let entries =
        fs::read_dir(ours.into_iter().find(|group| group.exists())?).into_iter().flatten().flatten();
    Some(entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

/// A number in a file of names and numbers.
fn read_number(file: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// A process that lives.
struct Running {
    pid: i32,
    parent: i32,
    group: i32,
}

/// The living processes of a process group, and what descends from its leader.
fn family(leader: i32) -> Vec<Running> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut others: Vec<Running> = entries.filter_map(|entry| running(&entry)).collect();
    let mut family: Vec<Running> = Vec::new();
    loop {
        let is_kin = |process: &mut Running| {
            process.group == leader
                || process.pid == leader
                || process.parent == leader
                || family.iter().any(|known| known.pid == process.parent)
        };
        let found: Vec<Running> = others.extract_if(.., is_kin).collect();
        if found.is_empty() {
            return family;
        }
        family.extend(found);
    }
}

fn running(process: &fs::DirEntry) -> Option<Running> {
    let pid = process.file_name().to_str()?.parse().ok()?;
    let stat = fs::read_to_string(process.path().join("stat")).ok()?;
    // The name before the closing bracket may hold anything; then come state, parent and group.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_dead = matches!(fields.next()?, "Z" | "X");
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (!is_dead).then_some(Running { pid, parent, group })
}

/// The bytes that a process holds in memory.
fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    size.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn end(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // One that ended meanwhile is what is wanted.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Ends all processes of a group; those that are started meanwhile are ended in the next round.
fn end_all(folder: &Path) {
    if fs::write(folder.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    members.lines().filter_map(|pid| pid.parse().ok()).for_each(end);
}

fn clear(folder: &Path) {
    for _ in 0..ATTEMPTS {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                end_all(folder);
                // A killed process takes a moment to leave its group.
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::debug!(folder = %folder.display(), %error, "a control group stays");
                return;
            }
            _ => return,
        }
    }
    tracing::warn!(folder = %folder.display(), "the processes of a control group do not end");
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, Command};

    use super::*;

    fn group(command: &str) -> (Child, i32) {
        let child = Command::new("sh").args(["-c", command]).process_group(0).spawn().expect("a process");
        let leader = i32::try_from(child.id()).expect("a pid");
        (child, leader)
    }

    async fn is_ended_by(memory: &Memory) {
        let (mut child, leader) = group("sleep 1000 & tail /dev/zero");
        let mut limited = memory.limit("greedy", 32 << 20);
        limited.take_in(leader);
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, limited.exceeded()).await.expect("it is noticed");
        assert_eq!(child.wait().expect("an end").signal(), Some(9));
        drop(limited);
        let since = std::time::Instant::now();
        while !family(leader).is_empty() {
            assert!(since.elapsed() < patience, "what it had started did not die with it");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn without_control_groups_the_memory_of_a_process_group_is_watched() {
        is_ended_by(&Memory::Watched).await;
    }

    #[tokio::test]
    async fn what_a_killed_local_cloud_left_in_a_group_is_ended_and_the_group_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory::open(folder.path());
        if memory == Memory::Watched {
            eprintln!("SKIPPED: control groups (none can be made here)");
            return;
        }
        is_ended_by(&memory).await;
        let (mut child, leader) = group("sleep 1000");
        let mut limited = memory.limit("left", 32 << 20);
        limited.take_in(leader);
        std::mem::forget(limited);
        assert_eq!(control_groups(folder.path()).map(|groups| groups.len()), Some(1));
        Memory::open(folder.path()).close();
        assert_eq!(child.wait().expect("an end").signal(), Some(9));
        assert_eq!(control_groups(folder.path()), None);
    }
}
