//! The records of a run, and the order in which a worker writes them:
//! attempt → output → receipt → ack. Each step takes the proof of the one before it.
//!
//! On the happy path an item costs four storage calls beside its input: create the attempt, look at
//! the destination, upload, create the receipt. An attempt `0001` that could be created proves that
//! nobody tried before, so neither a receipt nor a failure can exist.

mod backoff;
mod claim;
mod history;
mod ledger;
mod load;

pub use ledger::{Beginning, Begun, Failed, Ledger, Settled};
pub use load::{Loaded, Place};

pub(crate) use backoff::wait;
pub(crate) use history::History;
