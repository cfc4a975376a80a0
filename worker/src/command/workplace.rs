//! The folders of one attempt. They go with it, whatever the program has made of them.

use std::fs::{self, File, Permissions};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{Mode, openat};
use serde_json::json;
use tempfile::TempDir;

use super::environment::SCRATCH;
use super::tree;
use crate::handler::{HandlerError, Work, permanent};

const OUTPUT: &str = "output";
const TEMPORARY: &str = "scratch";
const PAYLOAD: &str = "payload.json";

/// The folders of one attempt.
#[derive(Debug)]
pub(super) struct Workplace {
    folder: TempDir,
    /// The folder itself, wherever its name leads by now.
    root: OwnedFd,
    stdin: File,
}

impl Workplace {
    /// Makes them, and writes down what the program is told.
    pub(super) fn new(work: &Work<'_>) -> Result<Self, HandlerError> {
        let make = || -> io::Result<Self> {
            let folder = tempfile::Builder::new().prefix("item-").tempdir()?;
            for name in [OUTPUT, TEMPORARY] {
                fs::create_dir(folder.path().join(name))?;
            }
            let payload = work.payload.unwrap_or(&serde_json::Value::Null);
            fs::write(folder.path().join(PAYLOAD), payload.to_string())?;
            // A file that no folder names: a program that does not read it all disturbs nobody.
            let mut stdin = tempfile::tempfile()?;
            let told =
                json!({ "item": work.item, "run": work.run, "attempt": work.attempt, "payload": payload });
            writeln!(stdin, "{told}")?;
            let root = File::open(folder.path())?.into();
            Ok(Self { folder, root, stdin })
        };
        make().context("cannot make the folders of the attempt").map_err(HandlerError::Retry)
    }

    /// The JSON that the program reads, from its beginning.
    pub(super) fn stdin(&self) -> Result<File, HandlerError> {
        let rewound = self.stdin.try_clone().and_then(|mut file| file.rewind().map(|()| file));
        rewound.context("cannot write the command's standard input").map_err(HandlerError::Retry)
    }

    pub(super) fn payload(&self) -> PathBuf {
        self.folder.path().join(PAYLOAD)
    }

    pub(super) fn output_path(&self) -> PathBuf {
        self.folder.path().join(OUTPUT)
    }

    pub(super) fn scratch(&self) -> PathBuf {
        self.folder.path().join(TEMPORARY)
    }

    /// What stands in the environment of every process of this attempt, and of no other.
    pub(super) fn mark(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt as _;
        [SCRATCH.as_bytes(), b"=", self.scratch().as_os_str().as_bytes()].concat()
    }

    /// The folder of outputs, if the program has left one.
    pub(super) fn output(&self) -> Result<OwnedFd, HandlerError> {
        self.open(OUTPUT)
            .map_err(|error| permanent!("the folder PROVISION_OUTPUT is no folder any more: {error}"))
    }

    /// The folder of temporary files, if it is there.
    pub(super) fn temporary(&self) -> io::Result<OwnedFd> {
        self.open(TEMPORARY)
    }

    fn open(&self, name: &str) -> io::Result<OwnedFd> {
        Ok(openat(&self.root, name, tree::FOLDER, Mode::empty())?)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let path = self.folder.path();
        if fs::remove_dir_all(path).is_ok() {
            return;
        }
        // Folders that may not be written to keep what is in them.
        open_up(path, 0);
        if let Err(error) = fs::remove_dir_all(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("what an attempt left in {} cannot be removed: {error}", path.display());
        }
    }
}

/// Lets every folder below this one be read and written.
fn open_up(folder: &Path, depth: usize) {
    if depth > tree::DEEPEST || fs::set_permissions(folder, Permissions::from_mode(0o700)).is_err() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path(), depth + 1);
        }
    }
}
