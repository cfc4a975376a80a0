//! What happens to pods when the local cloud is killed: a shell that outlives it reads from a pipe
//! which groups of processes run, and ends them when the pipe does. Where there is no shell, the
//! next start of the local cloud ends them.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// `+ GROUP` is to be ended, `- GROUP` has ended by itself.
const SCRIPT: &str = r#"
groups=' '
while read -r change group; do
  case $change in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="${groups%% "$group" *} ${groups#* "$group" }" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

/// The shell, for as long as the local cloud lives.
pub(super) struct LastWill(Option<Mutex<Shell>>);

struct Shell {
    process: Child,
    /// Nobody else holds this end: it closes with this process, however it ends.
    pipe: Option<ChildStdin>,
}

impl LastWill {
    pub(super) fn new() -> Self {
        let started = Command::new("/bin/sh")
            .args(["-c", SCRIPT])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What ends a terminal's or the daemon's group must not end it.
            .process_group(0)
            .spawn();
        match started {
            Ok(mut process) => {
                let pipe = process.stdin.take();
                Self(Some(Mutex::new(Shell { process, pipe })))
            }
            Err(error) => {
                tracing::warn!(%error, "no /bin/sh: pods that a kill leaves live until the next start");
                Self(None)
            }
        }
    }

    /// A group runs that must not outlive the local cloud.
    pub(super) fn add(&self, group: i32) {
        self.say('+', group);
    }

    /// A group has ended, and its number may be given to others.
    pub(super) fn remove(&self, group: i32) {
        self.say('-', group);
    }

    fn say(&self, change: char, group: i32) {
        let Some(shell) = &self.0 else { return };
        let mut shell = shell.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pipe) = &mut shell.pipe else { return };
        if let Err(error) = writeln!(pipe, "{change} {group}") {
            tracing::warn!(%error, "pods that a kill leaves live until the next start");
            shell.pipe = None;
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It reads the end of the pipe, and has nothing or little to do.
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn groups_that_still_run_end_with_the_local_cloud_and_others_live() {
        let group = || {
            let mut command = Command::new("sh");
            // A leader with a child: both are of the group.
            command.args(["-c", "sleep 1000 & wait"]).process_group(0).spawn().expect("a process")
        };
        let pid = |child: &Child| i32::try_from(child.id()).expect("a pid");
        let (mut running, mut ended, mut other) = (group(), group(), group());
        let will = LastWill::new();
        for started in [&ended, &running] {
            will.add(pid(started));
        }
        will.remove(pid(&ended));
        drop(will);
        assert_eq!(running.wait().expect("an end").signal(), Some(9));
        for left in [&mut ended, &mut other] {
            assert!(left.try_wait().expect("an answer").is_none(), "not to be ended");
            let group = rustix::process::Pid::from_child(left);
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("ended");
            left.wait().expect("an end");
        }
    }
}
