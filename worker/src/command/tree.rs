//! Walks through a folder that a program made, without following anything out of it. Every look goes
//! by the open folder above, so that a path cannot be changed under it.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

use crate::handler::{HandlerError, permanent};

/// How a folder is opened.
pub(super) const FOLDER: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// Folders in folders that are walked through.
pub(super) const DEEPEST: usize = 64;
/// Files and folders that are looked at.
const MOST: usize = 1_000_000;

/// Something in the folder.
pub(super) struct Found<'a> {
    /// The folder that it is in.
    pub(super) folder: BorrowedFd<'a>,
    /// Its name there.
    pub(super) name: &'a CStr,
    /// Its path from the folder where the walk began.
    pub(super) path: &'a Path,
    pub(super) kind: FileType,
    pub(super) stat: Stat,
}

/// Shows everything below a folder, in no order. What vanishes meanwhile is not shown.
pub(super) fn walk(
    folder: impl AsFd,
    visit: &mut dyn FnMut(&Found<'_>) -> Result<(), HandlerError>,
) -> Result<(), HandlerError> {
    Walk { seen: 0, visit }.through(folder.as_fd(), Path::new(""), 0)
}

struct Walk<'a> {
    seen: usize,
    visit: &'a mut dyn FnMut(&Found<'_>) -> Result<(), HandlerError>,
}

impl Walk<'_> {
    fn through(&mut self, folder: BorrowedFd<'_>, path: &Path, depth: usize) -> Result<(), HandlerError> {
        if depth > DEEPEST {
            return Err(permanent!("`{}`: folders are {DEEPEST} deep at most", shown(path)));
        }
        let entries = Dir::read_from(folder).map_err(|error| unreadable(path, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(path, error))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.seen += 1;
            if self.seen > MOST {
                return Err(permanent!("more than {MOST} files and folders were made"));
            }
            let path = path.join(OsStr::from_bytes(name.to_bytes()));
            match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    self.show(&Found { folder, name, path: &path, kind: kind(&stat), stat }, depth)?;
                }
                Err(Errno::NOENT) => {}
                Err(error) => return Err(unreadable(&path, error)),
            }
        }
        Ok(())
    }

    fn show(&mut self, found: &Found<'_>, depth: usize) -> Result<(), HandlerError> {
        (self.visit)(found)?;
        if found.kind != FileType::Directory {
            return Ok(());
        }
        match openat(found.folder, found.name, FOLDER, Mode::empty()) {
            Ok(below) => self.through(below.as_fd(), found.path, depth + 1),
            // It was something else a moment later.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(error) => Err(unreadable(found.path, error)),
        }
    }
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn unreadable(path: &Path, error: Errno) -> HandlerError {
    let path = if path == Path::new("") { PathBuf::from(".") } else { path.to_owned() };
    permanent!("`{}` cannot be read: {error}", shown(&path))
}

/// A path as people may read it: bounded, and without anything that moves a cursor.
pub(super) fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut shown: String = text.chars().take(200).flat_map(char::escape_debug).collect();
    if text.chars().nth(200).is_some() {
        shown.push('…');
    }
    shown
}
