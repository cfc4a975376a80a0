//! The environment of a program: what its image or machine sets, what the configuration adds, and the
//! contract. What concerns the worker alone stays with the worker.

use std::ffi::{OsStr, OsString};

use contract::CommandConfig;
use secrecy::{ExposeSecret as _, SecretString};

use super::workplace::Workplace;
use crate::handler::{HandlerError, Work, permanent};

/// The item's key.
const ITEM: &str = "PROVISION_ITEM";
/// The run's name.
const RUN: &str = "PROVISION_RUN";
/// Number of the try, counted from 1.
const ATTEMPT: &str = "PROVISION_ATTEMPT";
/// A file with the item's payload as JSON; `null` without one.
const PAYLOAD: &str = "PROVISION_PAYLOAD";
/// An empty folder: every file in it becomes an output.
const OUTPUT: &str = "PROVISION_OUTPUT";
/// A folder for everything else, removed afterwards.
pub(super) const SCRATCH: &str = "PROVISION_SCRATCH";

/// Beginnings of the names of variables that are the worker's own: the contract and listed secrets
/// are added anew.
const OWN: [&str; 2] = ["PROVISION_", "KUBERNETES_"];
/// Further names of such variables.
const OWN_NAMES: [&str; 4] = ["JOB_COMPLETION_INDEX", "RUST_LOG", "RUST_BACKTRACE", "RUST_MIN_STACK"];

/// A name and its value.
pub(super) type Variable = (OsString, OsString);

/// What is wrong with the variables of a configuration.
pub(super) fn problems(config: &CommandConfig) -> impl Iterator<Item = String> {
    config.env.iter().filter_map(|(name, value)| {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Some(format!("`{}` is no name of a variable", name.escape_debug()));
        }
        if name.starts_with("PROVISION_") {
            return Some(format!("`{name}`: names that begin with PROVISION_ are the worker's to set"));
        }
        if value.contains('\0') {
            return Some(format!("the value of `{name}` has a NUL character in it"));
        }
        value
            .contains("{item}")
            .then(|| format!("`{name}` is the same for every item; the program finds the item in {ITEM}"))
    })
}

/// The whole environment of the program.
pub(super) fn variables(
    config: &CommandConfig,
    secrets: &[(String, SecretString)],
    work: &Work<'_>,
    place: &Workplace,
) -> Result<Vec<Variable>, HandlerError> {
    if work.item.0.contains('\0') {
        return Err(permanent!("the item has a NUL character in it, which no environment variable can hold"));
    }
    let contract = [
        (ITEM, work.item.0.clone().into()),
        (RUN, work.run.0.clone().into()),
        (ATTEMPT, work.attempt.to_string().into()),
        (PAYLOAD, place.payload().into_os_string()),
        (OUTPUT, place.output_path().into_os_string()),
        (SCRATCH, place.scratch().into_os_string()),
        ("TMPDIR", place.scratch().into_os_string()),
    ];
    let inherited = std::env::vars_os().filter(|(name, _)| passes(name));
    let own = |(name, value): (&String, &String)| (name.into(), value.into());
    let secret = |(name, value): &(String, SecretString)| (name.into(), value.expose_secret().into());
    let all = inherited.chain(config.env.iter().map(own)).chain(secrets.iter().map(secret));
    Ok(all.chain(contract.map(|(name, value)| (name.into(), value))).collect())
}

fn passes(name: &OsStr) -> bool {
    let is_own =
        |name: &str| OWN.iter().any(|beginning| name.starts_with(beginning)) || OWN_NAMES.contains(&name);
    name.to_str().is_none_or(|name| !is_own(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_image_sets_passes_and_what_is_the_workers_does_not() {
        for name in ["PATH", "HOME", "LANG", "TZ", "PYTHONPATH", "GCE_METADATA_HOST", "STORAGE_EMULATOR_HOST"]
        {
            assert!(passes(name.as_ref()), "{name}");
        }
        for name in ["PROVISION_SECRET_TOKEN", "PROVISION_BUCKET", "KUBERNETES_SERVICE_HOST", "RUST_LOG"] {
            assert!(!passes(name.as_ref()), "{name}");
        }
    }
}
