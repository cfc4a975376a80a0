//! What the worker costs: its queue beside the official client's, and the whole protocol beside a
//! subscriber in Python that writes the same. JSON on stdout; `just bench-worker`.
//!
//! The local cloud and the worker are processes of their own: this program again, in other roles.

#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench counts, tells, or cannot go on"
)]

mod cloud;
mod items;
mod python;
mod queue;
mod steady;

use std::process::ExitCode;

use serde_json::json;

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(cloud::ROLE) {
        cloud::serve(folder.as_ref());
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(contract::environment::RUN).is_some() {
        return worker::serve(steady::make);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let figures = runtime.expect("a runtime").block_on(async {
        let cloud = cloud::Cloud::start().await;
        let queue = queue::measure(&cloud).await;
        let items = items::measure(&cloud).await;
        json!({ "machine": machine(), "queue": queue, "items": items })
    });
    println!("{figures:#}");
    ExitCode::SUCCESS
}

/// What the figures were taken on: others that run there take their part.
fn machine() -> serde_json::Value {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    json!({ "cores": cores, "load": load.split(' ').next() })
}
