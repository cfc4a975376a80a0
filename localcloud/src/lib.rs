//! The embedded local cloud: Google's APIs and Kubernetes on the loopback, over the wires that the
//! official clients speak, with the services' state in one folder.

pub mod clock;
mod journal;
mod kubernetes;
