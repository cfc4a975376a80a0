//! Cloud Storage: one domain behind two wires, objects as plain files.
//!
//! Settings and rules: [`bucket`], [`object`], [`names`], [`precondition`], [`patch`],
//! [`checksum`]. Content: [`draft`] is content on its way in, [`place`] says where it comes to lie.
//! The service: [`state`] holds everything and writes it down, [`buckets`], [`objects`],
//! [`listing`] and [`uploads`] are its operations. The wires: [`rest`] and [`grpc`].

mod bucket;
mod buckets;
mod checksum;
mod draft;
mod error;
mod grpc;
mod listing;
mod names;
mod object;
mod objects;
mod owner;
mod patch;
mod place;
mod precondition;
mod proto;
mod rest;
mod state;
mod uploads;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use rest::fuzz;
pub(crate) use state::Storage;
