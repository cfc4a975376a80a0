//! `worker install`: copies this program into a folder that an image of the user's shares with it, so
//! that it runs there. The image may be bare: what the worker needs of an operating system goes along.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

/// Where systems keep the certificates of those whom they trust.
const USUAL: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Their name beside an installed worker.
const BESIDE: &str = "ca-certificates.crt";
/// Tell TLS libraries where the certificates are.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Copies this program to `to`, and the certificates that it trusts beside it.
pub(crate) fn install(to: &Path) -> Result<()> {
    let own = env::current_exe().context("cannot tell which program this is")?;
    place(&own, to).with_context(|| format!("cannot copy {} to {}", own.display(), to.display()))?;
    if let Some(certificates) = usual() {
        let beside = to.with_file_name(BESIDE);
        fs::copy(certificates, &beside).with_context(|| format!("cannot write {}", beside.display()))?;
    }
    Ok(())
}

/// A second name for the file where both are on one disk, else a copy. In the end the whole program is
/// there or nothing, so that it may be done again.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    let draft = to.with_extension("new");
    remove(&draft)?;
    if fs::hard_link(from, &draft).is_err() {
        fs::copy(from, &draft)?;
    }
    fs::rename(&draft, to)?;
    // Between two names of one file, renaming does nothing and leaves both.
    remove(&draft)
}

/// One that is not there is what is wanted.
fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn usual() -> Option<&'static str> {
    USUAL.into_iter().find(|file| Path::new(file).is_file())
}

/// In an image without certificates, starts this program again with those that were installed beside
/// it. Returns if there is nothing to do.
pub(crate) fn trust() -> Result<()> {
    let is_told = VARIABLES.iter().any(|name| env::var_os(name).is_some());
    if is_told || usual().is_some() {
        return Ok(());
    }
    let own = env::current_exe().context("cannot tell which program this is")?;
    let beside: PathBuf = own.with_file_name(BESIDE);
    if !beside.is_file() {
        return Ok(());
    }
    // Replaces this process; it only comes back with an error.
    let error = Command::new(&own).args(env::args_os().skip(1)).env(VARIABLES[0], &beside).exec();
    Err(error).with_context(|| format!("cannot start {} again", own.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_installed_whole_and_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("worker");
        for _ in 0..2 {
            install(&to).expect("room");
            let (own, copy) = (env::current_exe().expect("a program"), fs::metadata(&to).expect("a copy"));
            assert_eq!(copy.len(), fs::metadata(own).expect("a program").len());
        }
        assert_eq!(folder.path().join(BESIDE).is_file(), usual().is_some());
        assert!(!to.with_extension("new").exists());
    }
}
