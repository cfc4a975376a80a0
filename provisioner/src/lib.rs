//! `provision`: from one stack.toml to a running stack, through it, and back to nothing.
//!
//! The modules stand in the order of the flow:
//! `stack.toml → desired resources → observe live → diff → plan → apply → report`.

mod text_file;
mod wildcard;
mod stack;
mod resource;
mod full_name;
mod finding;
mod kinds;
mod cloud;
mod observe;
mod options;
mod compare;
mod fingerprint;
mod change;
mod cause;
mod conflict;
mod diff;
mod graph;
mod prices;
mod cost;
mod target;
mod permissions;
mod preflight;
mod plan;
mod saved;
mod import;
mod events;
mod recheck;
mod apply;
mod runs;
mod stacks;
mod status;
mod remains;
mod rename;
mod report;
pub mod commands;
mod exit;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
