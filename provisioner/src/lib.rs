//! `provision`: from one stack.toml to a running stack, through it, and back to nothing.
//!
//! The modules stand in the order of the flow:
//! `stack.toml → desired resources → observe live → diff → plan → apply → report`.

mod stack;
mod resource;
mod kinds;
mod cloud;
mod observe;
mod fingerprint;
mod cause;
mod diff;
mod graph;
mod target;
mod permissions;
mod preflight;
mod plan;
mod saved;
mod events;
mod recheck;
mod apply;
mod prices;
mod runs;
mod stacks;
mod report;
pub mod commands;
mod exit;
