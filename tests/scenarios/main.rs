//! End-to-end scenarios: one binary, so that two cores build it once.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)] // tests say so by failing

mod architecture;
mod bad_input;
mod cycle;
mod fx;
mod hostile_items;
mod vanishing;
