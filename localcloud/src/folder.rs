//! The folder of a local cloud: its owner's alone, and invisible to git. Whatever the local cloud
//! makes in it, it makes with the modes that are set here.

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Bits that let others write.
const OTHERS_WRITE: u32 = 0o022;
/// Bits that let others do anything.
const OTHERS: u32 = 0o077;

/// Makes `.provision/local`, and has `.provision` ignore itself in git. Refuses a folder that
/// somebody else owns or may write to, and one with links in the places of what is kept there:
/// who controls these controls what the local cloud runs and overwrites.
pub(crate) fn prepare(folder: &Path) -> io::Result<()> {
    let parent = folder.parent().filter(|parent| parent.file_name().is_some_and(|name| name == ".provision"));
    for outer in parent.into_iter().chain([folder]) {
        make(outer)?;
        claim(outer)?;
    }
    check_below(folder, 2)?;
    ignore(parent.unwrap_or(folder))
}

/// Makes a folder, and those above it, for its owner only.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// How a file is opened that only its owner may read, and that is no link.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(NO_FOLLOW);
    options
}

/// `O_NOFOLLOW`.
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

fn claim(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    check(folder, &found)?;
    if !found.is_dir() {
        return Err(refused(folder, "is not a folder: move it away"));
    }
    let mode = found.mode();
    if mode & OTHERS_WRITE != 0 {
        return Err(refused(
            folder,
            "may be written by others: look at what is in it, then take that away (chmod -R go-rwx)",
        ));
    }
    if mode & OTHERS != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(mode & 0o700))?;
    }
    Ok(())
}

/// Looks at everything in a folder, so many levels deep.
fn check_below(folder: &Path, levels: u32) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            // A daemon may be at work here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        check(&path, &found)?;
        if found.is_dir() && levels > 1 {
            check_below(&path, levels - 1)?;
        }
    }
    Ok(())
}

fn check(path: &Path, found: &Metadata) -> io::Result<()> {
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused(path, "belongs to another user: move it away, or start as that user"));
    }
    if found.is_symlink() {
        return Err(refused(path, "is a link, and the local cloud follows none here: remove it"));
    }
    Ok(())
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display()))
}

fn ignore(folder: &Path) -> io::Result<()> {
    use std::io::Write as _;
    match private_file().write(true).create_new(true).open(folder.join(".gitignore")) {
        Ok(mut file) => file.write_all(b"*\n"),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o777
    }

    fn refusal(folder: &Path) -> String {
        prepare(folder).expect_err("refused").to_string()
    }

    fn stack() -> (tempfile::TempDir, PathBuf) {
        let stack = tempfile::tempdir().expect("a folder");
        let local = stack.path().join(".provision/local");
        (stack, local)
    }

    #[test]
    fn a_new_folder_is_its_owners_alone() {
        let (stack, local) = stack();
        prepare(&local).expect("prepared");
        prepare(&local).expect("prepared again");
        assert_eq!((mode(&local), mode(&stack.path().join(".provision"))), (0o700, 0o700));
        assert_eq!(mode(&stack.path().join(".provision/.gitignore")), 0o600);
    }

    #[test]
    fn a_folder_that_others_may_read_is_closed_and_one_that_they_may_write_is_refused() {
        let (stack, local) = stack();
        prepare(&local).expect("prepared");
        let set =
            |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        set(&local, 0o755);
        prepare(&local).expect("prepared");
        assert_eq!(mode(&local), 0o700);
        for open in [local.clone(), stack.path().join(".provision")] {
            set(&open, 0o770);
            assert!(refusal(&local).contains("may be written by others"));
            set(&open, 0o700);
        }
    }

    #[test]
    fn a_link_in_the_place_of_state_is_refused_and_nothing_behind_it_is_touched() {
        let victim = tempfile::tempdir().expect("a folder");
        let file = victim.path().join("precious");
        fs::write(&file, "precious").expect("written");
        for place in
            [".provision", ".provision/local", ".provision/local/journal", ".provision/local/buckets/b"]
        {
            let (stack, local) = stack();
            let link = stack.path().join(place);
            make(link.parent().expect("above")).expect("made");
            let target = if place.ends_with("journal") { &file } else { victim.path() };
            symlink(target, &link).expect("a link");
            let why = refusal(&local);
            assert!(why.contains(&format!("{} is a link", link.display())), "{why}");
        }
        assert_eq!(fs::read_dir(victim.path()).expect("read").count(), 1);
        assert_eq!(fs::read_to_string(&file).expect("read"), "precious");
    }

    #[test]
    fn what_belongs_to_another_user_is_refused() {
        let (_stack, local) = stack();
        prepare(&local).expect("prepared");
        for foreign in [local.join("journal"), local.clone()] {
            private_file()
                .write(true)
                .create(true)
                .truncate(false)
                .open(local.join("journal"))
                .expect("a file");
            if std::os::unix::fs::chown(&foreign, Some(12345), None).is_err() {
                eprintln!("SKIPPED: another user's files (only root can make them)");
                return;
            }
            assert!(refusal(&local).contains("belongs to another user"), "{}", foreign.display());
        }
    }
}
