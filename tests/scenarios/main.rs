//! End-to-end scenarios: one binary, so that two cores build it once.

#![allow(clippy::cast_precision_loss, clippy::expect_used, clippy::print_stdout)] // tests fail, count and tell

mod architecture;
mod bad_input;
mod bound;
mod command;
mod crash_points;
mod cycle;
mod fx;
mod hostile_items;
mod logs;
mod manifests;
mod permissions;
mod runs;
mod two_at_once;
mod stacks;
mod several;
mod secrets;
mod vanishing;
