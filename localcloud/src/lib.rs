//! The embedded local cloud: Google's APIs and Kubernetes on the loopback, over the wires that the
//! official clients speak, with the services' state in one folder.

// The cloud as a whole, in this process or as a folder's daemon.
mod cloud;
pub mod daemon;
pub mod environment;

// What comes in, in the order in which a request meets it.
mod server;
mod connections;
mod guard;
pub mod calls;
mod access;
mod admin;

// The services.
mod artifact_registry;
mod compute;
mod container;
mod iam;
mod kubernetes;
mod metadata;
mod monitoring;
mod pubsub;
mod resource_manager;
mod secret_manager;
mod service_usage;
mod storage;

// What they stand on.
mod activity;
pub mod clock;
mod error;
mod folder;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod journal;
mod labels;
mod project;
mod rest;
#[cfg(test)]
mod testing;

pub use cloud::{Cloud, Settings};
pub use iam::{Propagation, Use};

/// What the owner of a folder may order of its GKE, beside the API.
pub mod gke {
    pub use crate::compute::Quota;
    pub use crate::container::{OperationFailure, Operations, Order, Orders};
    pub use crate::kubernetes::{BrokenImage, Shortage, Stockout};
}
