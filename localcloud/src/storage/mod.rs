//! Cloud Storage: one domain behind two wires, objects as plain files.
//!
//! Settings and rules: [`bucket`], [`object`], [`generations`], [`names`], [`precondition`],
//! [`patch`], [`glob`], [`retire`], [`lifecycle`], [`checksum`]. Content: [`draft`] is content on its
//! way in, [`place`] says where it comes to lie. The service: [`state`] holds everything and writes
//! it down, [`buckets`], [`objects`], [`copies`], [`listing`], [`uploads`] and their [`parts`] are its operations,
//! [`tend`] is what it does by itself, [`limits`] what it refuses if asked to. The wires: [`rest`]
//! and [`grpc`].

pub(crate) mod admin;
mod bucket;
mod buckets;
mod checksum;
mod copies;
mod draft;
mod error;
mod generations;
mod glob;
mod grpc;
mod lifecycle;
mod limits;
mod listing;
mod names;
mod object;
mod objects;
mod owner;
mod parts;
mod patch;
mod place;
mod precondition;
mod proto;
mod rest;
mod retire;
mod state;
mod tend;
mod uploads;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use rest::fuzz;
pub(crate) use rest::with_batch;
pub(crate) use state::Storage;
pub(crate) use tend::Tending;
