//! File locks: held by a process for as long as it lives, however it dies.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::folder;

/// How often a lock that somebody else holds is tried.
const RETRY: Duration = Duration::from_millis(20);

/// A lock by its file.
pub(super) struct Lock {
    path: PathBuf,
}

/// A lock that is held until this is dropped.
pub(super) struct Held(#[allow(dead_code, reason = "closing the file releases the lock")] File);

impl Lock {
    /// Held by a daemon for its lifetime.
    pub(super) fn daemon(folder: &Path) -> Self {
        Self { path: folder.join("daemon.lock") }
    }

    /// Held by whoever starts or replaces a daemon.
    pub(super) fn starting(folder: &Path) -> Self {
        Self { path: folder.join("starting.lock") }
    }

    /// Takes the lock, or says after `limit` that somebody else has it.
    pub(super) async fn take(&self, limit: Duration) -> anyhow::Result<Held> {
        let file = self.open()?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Held(file)),
                Err(TryLockError::WouldBlock) if since.elapsed() < limit => tokio::time::sleep(RETRY).await,
                Err(TryLockError::WouldBlock) => bail!("another process holds {}", self.path.display()),
                Err(TryLockError::Error(error)) => return Err(error).with_context(|| self.unusable()),
            }
        }
    }

    /// Whether nobody holds it. Asking takes it for a moment, beside others who ask.
    pub(super) fn is_free(&self) -> anyhow::Result<bool> {
        match self.open()?.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| self.unusable()),
        }
    }

    pub(super) async fn wait_until_free(&self, limit: Duration) -> anyhow::Result<()> {
        let since = Instant::now();
        while !self.is_free()? {
            if since.elapsed() > limit {
                bail!(
                    "the local cloud did not leave within {} s: {} is held",
                    limit.as_secs(),
                    self.path.display()
                );
            }
            tokio::time::sleep(RETRY).await;
        }
        Ok(())
    }

    fn open(&self) -> anyhow::Result<File> {
        let opened: io::Result<File> =
            folder::private_file().create(true).write(true).truncate(false).open(&self.path);
        opened.with_context(|| self.unusable())
    }

    fn unusable(&self) -> String {
        format!("can't lock {}", self.path.display())
    }
}
