//! How fast plans are made and carried out where every call takes its time: round trips one after
//! another, calls, memory. JSON on stdout; `just bench-plan`.
//!
//! `provision` and the local cloud are processes of their own, as people have them.

#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench counts, tells, or cannot go on"
)]

mod apply;
mod example;
mod large;
mod session;

use serde_json::json;

fn main() {
    let (example, large) = (example::measure(), large::measure());
    println!("{:#}", json!({ "machine": machine(), "example": example, "large": large }));
}

/// What the figures were taken on: others that run there take their part.
fn machine() -> serde_json::Value {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    json!({ "cores": cores, "load": load.split(' ').next() })
}
