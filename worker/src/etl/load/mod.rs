//! Writes rows down, into one object or into one for each partition.

mod partition;
mod writer;

pub(super) use self::partition::Outputs;
pub(super) use self::writer::Form;
