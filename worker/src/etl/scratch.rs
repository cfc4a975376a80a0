//! Files that no folder names: the space vanishes with the process, however it ends.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Reads a shared file from its beginning, independently of every other reader.
#[derive(Debug)]
pub(super) struct Reader {
    file: Arc<File>,
    at: u64,
}

impl Reader {
    pub(super) fn new(file: Arc<File>) -> Self {
        Self { file, at: 0 }
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
