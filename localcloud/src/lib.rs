//! The embedded local cloud: Google's APIs and Kubernetes on the loopback, over the wires that the
//! official clients speak, with the services' state in one folder.

// The cloud as a whole, in this process or as a folder's daemon.
mod cloud;
pub mod daemon;
pub mod environment;

// What comes in: every call, its log, and the faults that a test sets.
pub mod calls;

// The services.
mod container;
mod iam;
mod kubernetes;
mod metadata;
mod pubsub;
mod resource_manager;
mod service_usage;
mod storage;

// What they stand on.
mod access;
mod activity;
mod admin;
pub mod clock;
mod connections;
mod error;
mod folder;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod guard;
mod journal;
mod labels;
mod rest;
mod server;
#[cfg(test)]
mod testing;

pub use cloud::{Cloud, Settings};
pub use iam::{Propagation, Use};

/// What the owner of a folder may order of its GKE, beside the API.
pub mod gke {
    pub use crate::container::{OperationFailure, Operations, Order, Orders};
    pub use crate::kubernetes::{BrokenImage, Shortage, Stockout};
}
