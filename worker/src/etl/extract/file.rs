//! Inputs in the stack's own folder: with `--local` only.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Fetched, Scratch};
use crate::handler::{HandlerError, permanent};

pub(super) fn fetch(path: &Path, root: Option<&Path>, largest: u64) -> Result<Fetched, HandlerError> {
    let Some(root) = root else {
        return Err(permanent!("a `file:` input can only be read with --local; put it into a bucket"));
    };
    let found = resolve(path, root)?;
    let mut file = File::open(&found).with_context(|| format!("cannot open {}", found.display()))?;
    let mut scratch = Scratch::new(largest)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).with_context(|| format!("cannot read {}", found.display()))? {
            0 => break,
            read => scratch.push(&buffer[..read])?,
        }
    }
    Ok(scratch.finish(format!("file:{}", path.display())))
}

/// The file itself, with every symbolic link followed, if it lies under the root.
fn resolve(path: &Path, root: &Path) -> Result<PathBuf, HandlerError> {
    let root = root.canonicalize().with_context(|| format!("cannot open {}", root.display()))?;
    let found = root
        .join(path)
        .canonicalize()
        .map_err(|error| permanent!("cannot open the input file:{}: {error}", path.display()))?;
    if !found.starts_with(&root) {
        return Err(permanent!("the input file:{} lies outside {}", path.display(), root.display()));
    }
    if !found.is_file() {
        return Err(permanent!("the input file:{} is not a file", path.display()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_from_under_the_root_and_from_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        std::fs::create_dir(&root).expect("a root");
        std::fs::write(root.join("in.csv"), "a\n1\n").expect("an input");
        std::fs::write(folder.path().join("secret.csv"), "a\n2\n").expect("a secret");
        std::os::unix::fs::symlink("../secret.csv", root.join("link.csv")).expect("a link");

        let fetched = fetch(Path::new("in.csv"), Some(&root), 9).expect("an input");
        assert_eq!(fetched.input.size, Some(4));
        for outside in ["../secret.csv", "link.csv", "/etc/passwd", ".", "none.csv"] {
            let refused = fetch(Path::new(outside), Some(&root), 9).err();
            assert!(matches!(refused, Some(HandlerError::Permanent(_))), "{outside}");
        }
        assert!(matches!(fetch(Path::new("in.csv"), Some(&root), 3).err(), Some(HandlerError::Permanent(_))));
        assert!(matches!(fetch(Path::new("in.csv"), None, 9).err(), Some(HandlerError::Permanent(_))));
    }
}
