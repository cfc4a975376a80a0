//! The `worker` program: the library with the handlers that are built in.

use std::process::ExitCode;

/// The allocator of musl takes one lock for all threads, which would hold the engine up.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    worker::program::run(None)
}
