//! The end of the journal's file, where lines are added: whole, or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::folder;

/// The file, and how much of it is whole lines.
pub(super) struct Tail {
    path: PathBuf,
    file: File,
    length: u64,
    /// A line was cut short and could not be taken back yet.
    torn: bool,
    /// How long it may grow before it is rewritten.
    rewrite_at: u64,
    floor: u64,
    rewriting: bool,
}

impl Tail {
    /// Goes on behind `whole` bytes, or at the end.
    pub(super) fn open(path: &Path, whole: Option<u64>, floor: u64) -> io::Result<Self> {
        let file = folder::private_file().append(true).create(true).open(path)?;
        if let Some(whole) = whole {
            file.set_len(whole)?;
        }
        let length = file.metadata()?.len();
        let rewrite_at = limit(length, floor);
        Ok(Self { path: path.into(), file, length, torn: false, rewrite_at, floor, rewriting: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of whole lines.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Adds a line. On a full disk a part of it may have been written: that is taken back, now or
    /// before the next line, which must not be swallowed by it.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.mend()?;
        if let Err(error) = self.file.write_all(line) {
            self.torn = true;
            let _ = self.mend();
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Whether it is time; who hears yes must end it.
    pub(super) fn begin_rewriting(&mut self) -> bool {
        let begins = !self.rewriting && self.length >= self.rewrite_at;
        self.rewriting |= begins;
        begins
    }

    pub(super) fn end_rewriting(&mut self) {
        self.rewriting = false;
    }

    /// As [`Tail::end_rewriting`] after a failure: the next try comes with as much growth again.
    pub(super) fn put_off_rewriting(&mut self) {
        self.rewriting = false;
        self.rewrite_at = self.rewrite_at.max(self.length.saturating_add(self.floor));
    }

    /// A write that a full disk cut short, and whose rest could not be taken back at once.
    #[cfg(test)]
    pub(super) fn tear(&mut self, part: &[u8]) {
        self.file.write_all(part).expect("written");
        self.torn = true;
    }

    /// Goes on in another file, which holds the same and has taken this one's name. Of its `length`
    /// bytes, `counted` were found to count; what came in meanwhile may be replaced many times over.
    pub(super) fn replace(&mut self, file: File, length: u64, counted: u64) {
        (self.file, self.length, self.torn) = (file, length, false);
        self.rewrite_at = limit(counted, self.floor);
    }
}

fn limit(counted: u64, floor: u64) -> u64 {
    counted.saturating_mul(2).saturating_add(floor)
}
