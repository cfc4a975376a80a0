//! `provision`: from one stack.toml to a running stack, through it, and back to nothing.
//!
//! The modules stand in the order of the flow:
//! `stack.toml → desired resources → observe live → diff → plan → apply → report`.

pub mod apply;
pub(crate) mod cloud;
pub mod commands;
pub mod diff;
pub mod events;
pub mod exit;
pub mod graph;
pub(crate) mod kinds;
pub(crate) mod observe;
pub mod plan;
pub(crate) mod report;
pub mod resource;
pub mod runs;
pub mod stack;

pub use cloud::Cloud;
