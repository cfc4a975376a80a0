//! The folder of a local cloud: its owner's alone, and invisible to git.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes `.provision/local`, and has `.provision` ignore itself in git.
pub(crate) fn prepare(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let parent = folder.parent().filter(|parent| parent.file_name().is_some_and(|name| name == ".provision"));
    let ignore = parent.unwrap_or(folder).join(".gitignore");
    if ignore.exists() { Ok(()) } else { std::fs::write(ignore, "*\n") }
}
