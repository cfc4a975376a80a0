//! Which file `argv` means: by its path, or in `PATH`. Looked for when a run begins, so that a
//! program that is not there is a wrong configuration and not a failure of every item.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use contract::CommandConfig;

use crate::etl::Host;

/// Where programs are looked for if nobody says so.
const USUAL: &str = "/usr/local/bin:/usr/bin:/bin";
/// What must not stand in the command line.
const ITEM: &str = "{item}";

/// The program's file; where a configuration is only checked, its name.
pub(super) fn find(config: &CommandConfig, host: &Host) -> Result<PathBuf, String> {
    let Some(name) = config.argv.first().filter(|name| !name.is_empty()) else {
        return Err("it is empty; write it as [\"PROGRAM\", \"ARGUMENT\"]".to_owned());
    };
    if config.argv.iter().any(|word| word.contains(ITEM)) {
        return Err(
            "items are not trusted with a place in the command line; read the variable PROVISION_ITEM"
                .to_owned(),
        );
    }
    if config.argv.iter().any(|word| word.contains('\0')) {
        return Err("an argument has a NUL character in it".to_owned());
    }
    if !host.is_worker() {
        return Ok(name.into());
    }
    if name.contains('/') {
        return if is_program(name.as_ref()) {
            Ok(name.into())
        } else {
            Err(format!("`{name}` is not there or is no program"))
        };
    }
    let path = config.env.get("PATH").map(OsString::from).or_else(|| std::env::var_os("PATH"));
    let path = path.unwrap_or_else(|| USUAL.into());
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| is_program(file))
        .ok_or_else(|| format!("there is no program `{name}` in PATH ({})", path.to_string_lossy()))
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
