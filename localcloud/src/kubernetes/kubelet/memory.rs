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
        let digest = hex::encode(&Sha256::digest(pods.as_os_str().as_encoded_bytes())[..8]);
        let found = parents().into_iter().find_map(|(parent, new)| {
            let ours = new(parent.join(format!("provision-{digest}")));
            ours.clear();
            ours.prepare().is_ok().then_some(ours)
        });
        found.unwrap_or(Self::Watched)
    }

    /// Puts a limit on a process that was just started, and on all that it starts. `name` is the
    /// container's.
    pub(super) fn limit(&self, name: &str, leader: i32, bytes: u64) -> Limited {
        let limited = |memory| Limited { memory, bytes, leader };
        let group = match self {
            Self::Unified(folder) => Self::Unified(folder.join(name)),
            Self::Legacy(folder) => Self::Legacy(folder.join(name)),
            Self::Watched => return limited(Self::Watched),
        };
        match group.set_up(leader, bytes) {
            Ok(()) => limited(group),
            Err(error) => {
                tracing::warn!(name, %error, "a container is in no control group; its memory is watched");
                let _ = group.folder().map(fs::remove_dir);
                limited(Self::Watched)
            }
        }
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
                // The kernel would end one process; frozen until we look, they all end together.
                fs::write(folder.join("memory.oom_control"), "1")?;
            }
            Self::Watched => {}
        }
        Ok(())
    }

    fn set_up(&self, leader: i32, bytes: u64) -> io::Result<()> {
        self.make(bytes)?;
        let Some(folder) = self.folder() else { return Ok(()) };
        fs::write(folder.join("cgroup.procs"), leader.to_string())?;
        // What the leader started before it was moved was not moved with it.
        for (pid, _) in processes_of(leader) {
            // One that has ended meanwhile can't be moved.
            let _ = fs::write(folder.join("cgroup.procs"), pid.to_string());
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
    /// Waits until the processes want more than they may have, and ends all of them.
    pub(super) async fn exceeded(&self) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let is_out = match &self.memory {
                // The kernel ends them by itself; they are only counted.
                Memory::Unified(_) => self.was_exceeded(),
                Memory::Legacy(folder) => read_number(&folder.join("memory.oom_control"), "under_oom") > 0,
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
            None => processes_of(self.leader).into_iter().for_each(|(pid, _)| end(pid)),
        }
    }

    /// The bytes that the processes hold in memory.
    fn held(&self) -> u64 {
        processes_of(self.leader).into_iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Nobody is left in the group, and the group is gone.
impl Drop for Limited {
    fn drop(&mut self) {
        self.memory.clear();
    }
}

/// Where groups may be made: for each hierarchy with the memory controller our own group and, in
/// version 2, those above it, as groups with processes can't have limited ones below them.
fn parents() -> Vec<(PathBuf, fn(PathBuf) -> Memory)> {
    let ours = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut parents: Vec<(PathBuf, fn(PathBuf) -> Memory)> = Vec::new();
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
                    above
                        .filter(has_memory)
                        .map(|folder| (folder.to_owned(), Memory::Unified as fn(PathBuf) -> Memory)),
                );
            }
            Some("cgroup")
                if right
                    .rsplit(' ')
                    .next()
                    .is_some_and(|options| options.split(',').any(|one| one == "memory")) =>
            {
                parents.extend(own("memory").map(|own| (own, Memory::Legacy as fn(PathBuf) -> Memory)));
            }
            _ => {}
        }
    }
    parents
}

/// A number in a file of names and numbers.
fn read_number(file: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// The processes of a process group, and the bytes that each holds in memory.
fn processes_of(leader: i32) -> Vec<(i32, u64)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let one = |entry: fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name before the closing bracket may hold anything: then state, parent, group …
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let group: i32 = fields.nth(2)?.parse().ok()?;
        (group == leader).then(|| (pid, resident(&entry.path())))
    };
    entries.filter_map(one).collect()
}

/// The bytes that a process holds in memory.
fn resident(process: &Path) -> u64 {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
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
