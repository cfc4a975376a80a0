//! What a daemon leaves in its folder for those who look for it, the token included: only its owner
//! can read the file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The content of `daemon.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DaemonState {
    pub(super) pid: u32,
    pub(super) port: u16,
    pub(super) token: String,
    /// The program that runs, so that a newer one replaces it.
    pub(super) build: String,
    pub(super) started: Timestamp,
}

impl DaemonState {
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// None if there is none, or none that this build can read.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        match std::fs::read(path(folder)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("can't read {}", path(folder).display())),
        }
    }

    /// All at once, so that no reader sees half of it.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.persist(path(folder)).with_context(|| format!("can't write {}", path(folder).display()))?;
        Ok(())
    }

    pub(super) fn remove(folder: &Path) -> io::Result<()> {
        match std::fs::remove_file(path(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("daemon.json")
}

/// Tells one build of a program from another: by its size and when it was written.
pub(super) fn build_of(program: &Path) -> anyhow::Result<String> {
    let file = program.metadata().with_context(|| format!("can't look at {}", program.display()))?;
    let written = file.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{}-{}", file.len(), written.as_nanos()))
}
