//! Files that a command writes for people: whole or not at all.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Writes a file, in place of what was there.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A new one is as any other file that a person makes: the umask decides.
    let there = path.metadata().ok().map(|file| file.permissions());
    let write = || -> Result<()> {
        let new = there.clone().unwrap_or(Permissions::from_mode(0o666));
        let mut file = tempfile::Builder::new().permissions(new).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        if let Some(there) = &there {
            file.as_file().set_permissions(there.clone())?;
        }
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
