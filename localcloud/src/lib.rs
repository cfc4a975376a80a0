//! The embedded local cloud: Google's APIs and Kubernetes on the loopback, over the wires that the
//! official clients speak, with the services' state in one folder.

pub mod clock;
mod error;
mod iam;
mod journal;
mod labels;
mod pubsub;
mod storage;

#[cfg(test)]
mod testing;
