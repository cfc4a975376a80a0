//! Works a run's items off, in the order of the modules below: a message is pulled, its run looked
//! up, an attempt recorded, the handler's output stored, a receipt written, the message acked.

// What it is told, and the whole of it.
pub mod settings;
pub mod worker;

// One item, from the queue to its receipt.
pub mod pull;
pub mod runs;
pub mod protocol;
pub mod item;
pub mod handler;
pub mod output;
pub mod etl;

// Around it: what others see, and when to leave.
pub mod board;
pub mod idle;
mod tail;
pub mod signals;
mod patience;

pub mod check;
pub mod log;

/// Stack of every thread that may plan a query, in bytes. Reserved, not used, until a query is deep.
pub const STACK: usize = 256 << 20;
