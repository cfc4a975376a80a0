//! The embedded local cloud: Google's APIs and Kubernetes on the loopback, over the wires that the
//! official clients speak, with the services' state in one folder.

// The cloud as a whole, in this process or as a folder's daemon.
mod cloud;
pub mod daemon;
pub mod environment;

// The services.
mod container;
mod iam;
mod kubernetes;
mod pubsub;
mod resource_manager;
mod service_usage;
mod storage;

// What they stand on.
mod activity;
mod admin;
pub mod clock;
mod connections;
mod error;
mod folder;
mod guard;
mod journal;
mod labels;
mod rest;
mod server;
#[cfg(test)]
mod testing;

pub use cloud::{Cloud, Settings};
