//! Takes a program's output files: plain files only, each opened without following anything, their
//! names encoded as items' are.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use contract::{CommandConfig, Item, size};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use super::tree::{self, Found, shown};
use crate::etl::ObjectTemplate;
use crate::handler::{Artifact, Body, HandlerError, ObjectAddress, permanent};

/// Longest name of an object, in bytes.
const LONGEST: usize = 1024;

/// How an output is opened. Without blocking: what was a file a moment ago may be a fifo now.
const PLAIN: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Opens every file below the folder and names it below the prefix. They stay readable when the
/// folder has been removed.
pub(super) fn take(
    folder: &OwnedFd,
    target: Option<&ObjectTemplate>,
    item: &Item,
    config: &CommandConfig,
) -> Result<Vec<Artifact>, HandlerError> {
    let prefix = target.map(|target| target.fill(item)).transpose()?;
    let (mut taken, mut bytes) = (Vec::new(), 0_u64);
    tree::walk(folder, &mut |found| {
        if found.kind == FileType::Directory {
            return Ok(());
        }
        let Some(prefix) = &prefix else {
            return Err(permanent!(
                "output `{}`: the job does not say where outputs go; set `load` in its command",
                shown(found.path)
            ));
        };
        if taken.len() >= config.max_files as usize {
            return Err(permanent!("more than {} output files (`max_files`)", config.max_files));
        }
        let (file, size) = open(found)?;
        bytes = bytes.saturating_add(size);
        if bytes > config.max_output {
            return Err(permanent!(
                "output files of more than {} (`max_output`)",
                size::print(config.max_output)
            ));
        }
        taken.push(Artifact { address: address(prefix, found.path)?, body: Body::File(file) });
        Ok(())
    })?;
    taken.sort_by(|a, b| a.address.object.cmp(&b.address.object));
    Ok(taken)
}

/// A plain file of the folder's own, and its size.
fn open(found: &Found<'_>) -> Result<(File, u64), HandlerError> {
    let wrong =
        |what: &str| permanent!("output `{}` is {what}; only plain files are stored", shown(found.path));
    let other = match found.kind {
        FileType::RegularFile => None,
        FileType::Symlink => Some("a symbolic link"),
        FileType::Fifo => Some("a named pipe"),
        FileType::Socket => Some("a socket"),
        _ => Some("a device"),
    };
    if let Some(other) = other {
        return Err(wrong(other));
    }
    let opened = openat(found.folder, found.name, PLAIN, Mode::empty());
    let opened = opened.and_then(|file| Ok((fstat(&file)?, file)));
    let (stat, file) =
        opened.map_err(|error| permanent!("output `{}` cannot be read: {error}", shown(found.path)))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_ino != found.stat.st_ino {
        return Err(wrong("another thing than it was a moment ago"));
    }
    // A file with another name may be anybody's that this user can link to.
    if stat.st_nlink > 1 {
        return Err(wrong("a hard link to a file that has other names"));
    }
    Ok((File::from(file), u64::try_from(stat.st_size).unwrap_or(u64::MAX)))
}

fn address(prefix: &ObjectAddress, path: &Path) -> Result<ObjectAddress, HandlerError> {
    let name = path.to_str().ok_or_else(|| permanent!("output `{}`: its name is not UTF-8", shown(path)))?;
    let spelled = Item(name.to_owned()).object_name();
    let object = format!("{}{spelled}", prefix.object);
    // Only a name that was cut has a `~`: files must not be told apart by a hash that nobody knows.
    if spelled.contains('~') || object.len() > LONGEST {
        return Err(permanent!("output `{}`: its name is too long for an object", shown(path)));
    }
    Ok(ObjectAddress { bucket: prefix.bucket.clone(), object })
}
