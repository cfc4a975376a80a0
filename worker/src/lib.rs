//! Works a run's items off, one at a time: pull, extract, transform, load, and only then ack.

pub mod etl;
pub mod handler;
