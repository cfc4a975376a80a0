//! The records of a run, and the order in which a worker writes them:
//! attempt → output → receipt → ack. Each step takes the proof of the one before it.
//!
//! On the happy path an item with one output costs four storage calls beside its input: create the
//! attempt, look at the destination, upload, create the receipt. One with n outputs costs 3 + 3n:
//! the attempt; upload each under a staged name and look at its destination meanwhile; create the
//! commit record; copy each to its destination; the receipt. An attempt `0001` that could be created
//! proves that nobody tried before, so neither a commit, a receipt nor a failure can exist.

mod claim;
mod course;
mod history;
mod ledger;
mod load;
#[cfg(test)]
mod model;
mod several;

pub use ledger::{Beginning, Begun, Ledger, Settled};
pub use load::{Loaded, Place};

pub(crate) use history::History;
