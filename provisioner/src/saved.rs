//! A plan as a file: exactly what was shown, bound to the states that it was decided on. It holds no
//! value of a secret, since no plan does, and whoever changes a byte of it has no plan any more.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fingerprint::digest;
use crate::plan::{Allowed, Plan};

mod change;
#[cfg(test)]
mod tests;

use change::SavedChange;

/// What the file says that it is.
const FORMAT: &str = "provision-plan";
/// The version that this program writes, and the newest that it reads.
const VERSION: u64 = 1;
/// Where the digest of all the rest stands.
const DIGEST: &str = "digest";

/// A plan that was read from a file.
#[derive(Debug)]
pub(crate) struct Saved {
    /// The plan.
    pub plan: Plan,
    /// What it may destroy, said when it was made.
    pub allowed: Allowed,
}

/// Why a file is not a plan that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// It is cut off, or never was JSON.
    #[error("it is cut off, or not a plan at all ({0}): plan again")]
    NotWhole(String),
    /// It is some other JSON.
    #[error("it is not a plan: `provision plan --out FILE` writes one")]
    NotAPlan,
    /// A newer program wrote it.
    #[error(
        "provision {by} wrote it in format {version}, and this one reads up to format {VERSION}: apply it with that version, or plan again"
    )]
    Newer {
        /// The version of that program.
        by: String,
        /// The version of the format.
        version: u64,
    },
    /// It was changed after it was written.
    #[error("it was changed after it was written: its digest does not match; plan again")]
    Edited,
    /// Its digest matches, and it makes no sense.
    #[error("it makes no sense ({0}): plan again")]
    Nonsense(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u64,
    provision: String,
    stack: String,
    project: String,
    local: bool,
    desired: String,
    delete_data: bool,
    interrupt_runs: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left_out: Option<usize>,
    changes: Vec<SavedChange>,
}

/// A plan as the text of a file.
pub(crate) fn written(plan: &Plan, allowed: Allowed) -> anyhow::Result<String> {
    let file = File {
        format: FORMAT.into(),
        version: VERSION,
        provision: env!("CARGO_PKG_VERSION").into(),
        stack: plan.stack.clone(),
        project: plan.project.clone(),
        local: plan.local,
        desired: plan.desired.clone(),
        delete_data: allowed.delete_data,
        interrupt_runs: allowed.interrupt_runs,
        targets: plan.targets.clone(),
        left_out: (plan.left_out > 0).then_some(plan.left_out),
        changes: plan.changes().iter().map(|change| SavedChange::of(change, plan)).collect(),
    };
    let mut value = serde_json::to_value(&file)?;
    // Of what a reader will find: a number may lose its last digit on the way.
    let read: Value = serde_json::from_str(&value.to_string())?;
    value[DIGEST] = digest(&read).into();
    Ok(format!("{}\n", serde_json::to_string_pretty(&value)?))
}

/// Reads a plan from the text of a file. Never panics, whatever the text.
pub(crate) fn read(text: &str) -> Result<Saved, Unusable> {
    let mut value: Value =
        serde_json::from_str(text).map_err(|error| Unusable::NotWhole(error.to_string()))?;
    if value["format"] != FORMAT {
        return Err(Unusable::NotAPlan);
    }
    let version = value["version"].as_u64().ok_or(Unusable::NotAPlan)?;
    if version > VERSION {
        let by = value["provision"].as_str().unwrap_or("(of an unknown version)").to_owned();
        return Err(Unusable::Newer { by, version });
    }
    let said = value.as_object_mut().and_then(|file| file.remove(DIGEST));
    if said.as_ref().and_then(Value::as_str) != Some(&digest(&value)) {
        return Err(Unusable::Edited);
    }
    let file: File = serde_json::from_value(value).map_err(|error| Unusable::Nonsense(error.to_string()))?;
    let timeouts = file.changes.iter().filter_map(SavedChange::timeout).collect::<Result<_, _>>()?;
    let changes = file.changes.into_iter().map(SavedChange::change).collect::<Result<_, _>>()?;
    let mut plan = Plan::of_changes(file.stack, file.project, file.local, file.desired, changes);
    (plan.targets, plan.left_out, plan.timeouts) =
        (file.targets, file.left_out.unwrap_or_default(), timeouts);
    Ok(Saved {
        plan,
        allowed: Allowed { delete_data: file.delete_data, interrupt_runs: file.interrupt_runs },
    })
}

/// Reads a plan as it comes, and with a digest that fits: what is read is written as it was.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = read(&text);
    let Ok(mut value) = serde_json::from_str::<Value>(&text) else { return };
    if let Some(file) = value.as_object_mut() {
        file.remove(DIGEST);
        let fits = digest(&Value::Object(file.clone()));
        file.insert(DIGEST.to_owned(), fits.into());
    }
    if let Ok(saved) = read(&value.to_string()) {
        let written = written(&saved.plan, saved.allowed).unwrap_or_default();
        assert!(read(&written).is_ok(), "what was read is not written as a plan:\n{written}");
    }
}
