//! A stack under a new name: what its marks name by the old one is named by the new one. Changes
//! nothing itself.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use futures::future::try_join_all;
use serde_json::Value;

use crate::change::{Action, Change};
use crate::cloud::Cloud;
use crate::compare::FieldChange;
use crate::fingerprint::Fingerprint;
use crate::kinds;
use crate::plan::Plan;
use crate::resource::{Live, Owner};
use crate::stacks::Standing;

/// Two names of one stack.
pub(crate) struct Names {
    /// What its marks say.
    pub old: String,
    /// What they are to say.
    pub new: String,
}

/// What the names in the cloud begin with, of a stack that may be between two names; and whether that
/// is possible at all.
pub(crate) fn prefix(standing: &[Standing], names: &Names) -> Result<String> {
    let called = |name: &str| standing.iter().find(|standing| standing.stack == name);
    match (called(&names.old), called(&names.new)) {
        (None, None) => bail!("there is no stack called {}, nor one called {}", names.old, names.new),
        (Some(old), None) => Ok(old.prefix.clone()),
        (None, Some(new)) => Ok(new.prefix.clone()),
        // A rename that was killed goes on.
        (Some(old), Some(new)) if old.prefix == new.prefix => Ok(old.prefix.clone()),
        (Some(_), Some(_)) => {
            bail!("there is another stack called {} already: choose another name", names.new)
        }
    }
}

/// The plan: everything that the old name's marks are on. `old` sees the project as the stack of the
/// old name, `new` as that of the new one.
pub(crate) async fn plan(old: &Cloud, new: &Cloud, names: &Names) -> Result<Plan> {
    old.forget().await;
    let marked = kinds::ALL.into_iter().filter(|kind| kind.is_marked());
    let owned = try_join_all(marked.map(|kind| kind.owned(old))).await?;
    if let Some(dark) = old.dark().await?.first() {
        bail!("{} may hold things of the stack, and cannot be asked: {}", dark.id, dark.why);
    }
    let mut seen = BTreeSet::new();
    let ours = owned.into_iter().flatten().filter(|live| live.owner == Owner::Ours);
    let changes = ours.filter(|live| seen.insert((live.address.kind, live.id.clone())));
    let changes = changes.map(|live| renamed(live, names)).collect();
    let (project, local) = (new.project.id.clone(), new.project.local);
    Ok(Plan::of_changes(names.new.clone(), project, local, String::new(), changes))
}

fn renamed(live: Live, names: &Names) -> Change {
    // Whoever carries it out sees the project as the stack of the new name.
    let live = Live { owner: Owner::Stack(names.old.clone()), ..live };
    let of = |name: &str| Value::from(format!("{name}'s"));
    Change {
        address: live.address.clone(),
        action: Action::Rename,
        reason: "only its marks".to_owned(),
        fields: vec![FieldChange {
            path: "labels".to_owned(),
            before: of(&names.old),
            after: of(&names.new),
        }],
        desired: None,
        seen: Some(Fingerprint::of(None, &live)),
        live: Some(live),
    }
}
