//! Runs: one list of items, pushed once through one job. Recorded in the stack's bucket and nowhere
//! else (see [`contract::layout`]).

mod account;
mod again;
mod attempts;
mod bound;
mod close;
mod complaints;
mod dead;
mod items;
mod job;
mod logs;
mod open;
mod pace;
mod prune;
mod publish;
mod range;
mod sources;
mod stale;
mod start;
mod status;
mod tally;
mod watch;
mod why;
mod workers;

#[cfg(test)]
pub(crate) use account::tests as tests_of_accounts;
pub(crate) use account::{Account, Cost};
pub(crate) use again::{Which, failures, lines_of, matches, select};
pub(crate) use attempts::{Ended, ItemHistory, PodLog, Tried};
pub(crate) use close::{cancel, wind_up};
pub(crate) use dead::DeadLetters;
pub(crate) use items::Items;
pub(crate) use logs::{Heard, Said, Wanted, add_logs, listen};
pub(crate) use open::{Store, Summary};
pub(crate) use prune::{Old, old, remove};
pub(crate) use range::expand as expand_range;
pub(crate) use sources::Sources;
pub(crate) use stale::{Pins, Survey, survey};
pub(crate) use start::{Begun, RunRequest, resume, start};
pub(crate) use status::{Details, Held, RunStatus};
pub(crate) use watch::{Progress, watch};
pub(crate) use why::{Cluster, why_nothing_moves};
