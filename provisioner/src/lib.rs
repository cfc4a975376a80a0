//! `provision`: from one stack.toml to a running stack, through it, and back to nothing.
//!
//! The modules stand in the order of the flow:
//! `stack.toml → desired resources → observe live → diff → plan → apply → report`.

pub mod stack;
pub mod resource;
pub(crate) mod kinds;
pub(crate) mod cloud;
pub(crate) mod observe;
pub mod diff;
pub mod graph;
pub mod plan;
pub mod events;
pub mod apply;
pub mod runs;
pub(crate) mod report;
pub mod commands;
pub mod exit;

pub use cloud::Cloud;
