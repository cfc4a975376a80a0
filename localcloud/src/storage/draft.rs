//! Content on its way in: a file in `uploads/` that grows, and its checksums so far. Nothing of it
//! is visible before it is committed; dropped uncommitted, it is gone.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::checksum::{Checksums, Hasher};
use super::error::Result;
use crate::folder::private_file;

/// Bytes read at once, and what resumable uploads come in.
pub(super) const BLOCK: usize = 256 << 10;

/// Content that is being written.
pub(super) struct Draft {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    size: u64,
    kept: bool,
}

/// Content that is whole, still in `uploads/`.
pub(super) struct Content {
    /// Its file's name there.
    pub(super) id: String,
    pub(super) size: u64,
    pub(super) checksums: Checksums,
    file: Unclaimed,
}

/// Removes a file unless somebody moved it away, or wants it kept.
struct Unclaimed {
    path: PathBuf,
    kept: AtomicBool,
}

impl Draft {
    /// An empty one.
    pub(super) async fn create(path: PathBuf) -> Result<Self> {
        let file = OpenOptions::from(private_file()).create_new(true).write(true).open(&path).await?;
        Ok(Self { path, file, hasher: Hasher::default(), size: 0, kept: false })
    }

    /// The one that an earlier process left, cut to whole blocks: that is what it had said is here.
    pub(super) async fn reopen(path: PathBuf) -> Result<Self> {
        let mut options = OpenOptions::from(private_file());
        let mut file = options.create(true).truncate(false).read(true).write(true).open(&path).await?;
        let length = file.metadata().await?.len();
        let size = length - length % BLOCK as u64;
        file.set_len(size).await?;
        let mut hasher = Hasher::default();
        let mut block = vec![0; BLOCK];
        for _ in 0..size / BLOCK as u64 {
            file.read_exact(&mut block).await?;
            hasher.update(&block);
        }
        Ok(Self { path, file, hasher, size, kept: false })
    }

    /// Bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Appends. What is counted is what was written, even if this is dropped halfway.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let written = self.file.write(bytes).await?;
            self.hasher.update(&bytes[..written]);
            self.size += written as u64;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Appends a whole file's content.
    pub(super) async fn write_file(&mut self, file: std::fs::File) -> Result<()> {
        let mut file = File::from_std(file);
        let mut block = vec![0; BLOCK];
        loop {
            let read = file.read(&mut block).await?;
            if read == 0 {
                return Ok(());
            }
            self.write(&block[..read]).await?;
        }
    }

    /// Waits until everything is in the file.
    pub(super) async fn flush(&mut self) -> Result<()> {
        Ok(self.file.flush().await?)
    }

    /// No more comes.
    pub(super) async fn finish(mut self) -> Result<Content> {
        self.flush().await?;
        self.kept = true;
        let id = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let checksums = std::mem::take(&mut self.hasher).finish();
        let file = Unclaimed { path: self.path.clone(), kept: AtomicBool::new(false) };
        Ok(Content { id, size: self.size, checksums, file })
    }

    /// Leaves the file for another process to go on with.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            remove(&self.path);
        }
    }
}

impl Content {
    /// Leaves the file for the next start to go on with.
    pub(super) fn keep(&self) {
        self.file.kept.store(true, Ordering::Relaxed);
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if !*self.kept.get_mut() {
            remove(&self.path);
        }
    }
}

/// What is gone already, or stays for the next start to sweep, harms nobody.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}
