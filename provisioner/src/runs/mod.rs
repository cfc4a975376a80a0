//! Runs: one list of items, pushed once through one job. Recorded in the stack's bucket and nowhere
//! else (see [`contract::layout`]).

mod items;
pub(crate) mod job;
mod open;
pub(crate) mod publish;
mod standing;
mod start;
mod tally;
mod watch;
mod why;

pub(crate) use items::Items;
pub(crate) use open::{Store, Summary};
pub(crate) use standing::{Details, Standing};
pub(crate) use start::{Wish, start};
pub(crate) use watch::{Ended, Progress, watch};
pub(crate) use why::{Cluster, phase, why_nothing_moves};
