//! Computes on threads of their own. A long computation may starve its own runtime, but never the
//! one that keeps the worker's promises: leases, time limits, receipts.

use std::future::Future;
use std::io;
use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Span;

/// Runs a computation on a new thread. Dropping this stops it where it next pauses.
pub(super) async fn compute<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T> {
    let runtime = runtime()?;
    let stop = CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    let (answer, answered) = oneshot::channel();
    let span = Span::current();
    let thread = move || {
        let _entered = span.enter();
        let done = runtime.block_on(stop.run_until_cancelled(work));
        // Nobody listens any more if this was dropped.
        done.map(|done| answer.send(done));
    };
    std::thread::Builder::new()
        .name("compute".to_owned())
        .stack_size(crate::STACK)
        .spawn(thread)
        .context("cannot start a thread to compute on")?;
    answered.await.map_err(|_| anyhow!("the computation broke down"))
}

/// What computations spawn in turn runs here.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("compute-helper")
            .thread_stack_size(crate::STACK)
            .enable_all()
            .build()
    });
    RUNTIME.as_ref().map_err(|error| anyhow!("cannot start the runtime to compute on: {error}"))
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_computation_ends_when_nobody_waits_for_it_any_more() {
        let (alive, ended) = mpsc::channel::<()>();
        let work = async move {
            let _alive = alive;
            pending::<()>().await;
        };
        assert!(tokio::time::timeout(Duration::from_millis(10), compute(work)).await.is_err());
        let gone = ended.recv_timeout(Duration::from_secs(10));
        assert_eq!(gone, Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[tokio::test]
    async fn a_computation_that_panics_is_an_error() {
        let broken = compute(async { assert_eq!(1, 2, "on purpose") }).await;
        assert_eq!(broken.expect_err("an error").to_string(), "the computation broke down");
    }
}
