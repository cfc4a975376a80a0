//! A bound on every wait for a service: the clients retry by themselves, but a connection that says
//! nothing at all would hold a worker for ever.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, anyhow};

/// Longer than the clients retry one operation; the steps bounded here take a few of them.
const PATIENCE: Duration = Duration::from_secs(150);

/// The answer, or an error that says that none came.
pub(crate) async fn patiently<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap_or_else(|_| Err(anyhow!("no answer within {} s", PATIENCE.as_secs())))
}
