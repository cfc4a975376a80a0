//! Ends the process at the other end of a connection, as if its power were cut.

use rustix::process::{Pid, Signal, kill_process};

use super::connection::Connection;
use super::peer;

/// Why a process was not killed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Spared {
    #[error("the local cloud can't tell which process calls, so it kills none")]
    Unknown,
    #[error("process {0} calls, which is the local cloud itself or started it: it is not killed")]
    Ours(u32),
    #[error("process {0} called, and is not there any more")]
    Gone(u32),
}

/// Kills it, and at once calls `killed`, even if nobody waits any more: the connection is its owner's
/// to cut, or ends by itself.
pub(super) async fn caller(
    connection: Option<&Connection>,
    killed: impl FnOnce() + Send + 'static,
) -> Result<(), Spared> {
    let connection = connection.ok_or(Spared::Unknown)?;
    let pid = connection.program().await.ok_or(Spared::Unknown)?.pid;
    let connection = connection.clone();
    // Files of /proc are read.
    let ended = tokio::task::spawn_blocking(move || kill(pid, &connection).inspect(|()| killed()));
    ended.await.unwrap_or(Err(Spared::Unknown))
}

fn kill(pid: u32, connection: &Connection) -> Result<(), Spared> {
    let this = std::process::id();
    if pid == this || peer::ancestors(this).any(|ancestor| ancestor == pid) {
        return Err(Spared::Ours(pid));
    }
    // Its number may be another's by now: only who holds the connection is meant.
    if !connection.is_held_by(pid) {
        return Err(Spared::Gone(pid));
    }
    let process = Pid::from_raw(pid.cast_signed()).ok_or(Spared::Unknown)?;
    kill_process(process, Signal::KILL).map_err(|_| Spared::Gone(pid))
}
