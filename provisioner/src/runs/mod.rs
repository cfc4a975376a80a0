//! Runs: one list of items, pushed once through one job. Recorded in the stack's bucket and nowhere
//! else (see [`contract::layout`]). The modules stand in the order of a run's life.

// Where a run is recorded, and where it is carried out.
mod store;
mod cluster;

// What is asked for, and how it begins.
mod items;
mod range;
mod bound;
mod start;
mod job;
mod publish;
mod grow;

// How it is followed to its end.
mod watch;
mod pace;
mod tally;
mod workers;
mod dead;
mod sift;
mod complaints;
mod why;
mod backoff;
mod close;

// What is told of it.
mod status;
mod queue;
mod history;
mod logs;
mod pod_log;
mod account;

// What comes afterwards.
mod again;
mod stale;
mod sources;
mod prune;

#[cfg(test)]
pub(crate) use account::tests as tests_of_accounts;
pub(crate) use account::{Account, Cost, Rejected};
pub(crate) use again::{Which, failures, lines_of, matches, select};
pub(crate) use backoff::backing_off;
pub(crate) use close::{cancel, wind_up};
pub(crate) use cluster::Cluster;
pub(crate) use dead::DeadLetters;
pub(crate) use grow::{Room, grow, growths};
pub(crate) use history::{Ended, ItemHistory, PodLog, Tried};
pub(crate) use items::Items;
pub(crate) use logs::{Heard, Said, Wanted, add_logs, listen};
pub(crate) use prune::{Old, old, remove};
pub(crate) use queue::{OpenRun, Pods, Queue};
pub(crate) use range::expand as expand_range;
pub(crate) use sift::{Sifted, sift};
pub(crate) use sources::Sources;
pub(crate) use stale::{Pins, Survey, survey};
pub(crate) use start::{Begun, RunRequest, resume, start};
pub(crate) use status::{Details, Held, RunStatus};
pub(crate) use store::{Store, Summary};
pub(crate) use watch::{Progress, watch};
pub(crate) use why::why_nothing_moves;
