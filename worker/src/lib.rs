//! Works a run's items off, in the order of the modules below: a message is pulled, its run looked
//! up, an attempt recorded, the handler's output stored, a receipt written, the message acked.

pub mod settings;
pub mod worker;

pub mod board;
pub mod etl;
pub mod handler;
pub mod idle;
pub mod item;
mod patience;
pub mod protocol;
pub mod pull;
pub mod runs;
pub mod signals;
mod tail;

pub mod check;
pub mod log;
