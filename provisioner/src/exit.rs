//! The exit codes of `provision`. Scripts branch on them: a number never changes its meaning.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// What was asked for is so.
    Done = 0,
    /// It could not be done.
    Error = 1,
    /// `plan --detailed-exitcode`: there are changes.
    Changes = 2,
    /// What was planned has moved since: plan again.
    Stale = 3,
    /// After a teardown something remains.
    Remains = 4,
    /// It would destroy what nobody said may go.
    Refused = 5,
    /// The run ended, with failed items.
    FailedItems = 6,
    /// The run stalled, ran out of time or could not start, or what it stands on is gone.
    Stalled = 7,
    /// Interrupted; a run goes on.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
