//! Which permissions a command asks for, told from a table of what each call of each kind does. Knows
//! no cloud.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::change::{Action, Change};
use crate::kinds::{self, AnyKind};
use crate::preflight::images::are_checked;
use crate::resource::{Address, Desired};

mod roles;
mod table;

pub(crate) use roles::{Role, least_roles};
use table::{ALWAYS, READ_IMAGE, READ_QUOTA, ROWS, RUN, Row, row};

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Doing {
    /// Look, and change nothing.
    Plan,
    /// Make the cloud match the file.
    Apply,
    /// Run a job of a stack that is applied.
    Run,
    /// Delete everything that the stack owns.
    Teardown,
    /// Give the stack another name.
    Rename,
}

/// The permissions of a command on a stack.
pub(crate) fn of(doing: Doing, desired: &[Desired]) -> BTreeSet<&'static str> {
    // What has left the file is looked for among all kinds, and policies of all that is owned are read.
    let mut all: BTreeSet<&str> =
        ROWS.iter().filter(|row| row.kind != "grant on secret").flat_map(|row| row.read).copied().collect();
    all.extend(ALWAYS);
    for want in desired {
        let Some(row) = row(&want.address, &want.id) else { continue };
        all.extend(row.read);
        match doing {
            Doing::Plan | Doing::Run => {}
            _ if want.existing => {}
            // Replacing is deleting and creating.
            Doing::Apply => all.extend(row.create.iter().chain(row.update).chain(row.delete)),
            Doing::Teardown => all.extend(row.delete),
            Doing::Rename if is_marked(row) => all.extend(row.update),
            Doing::Rename => {}
        }
    }
    if doing == Doing::Run {
        all.extend(RUN);
    }
    if doing != Doing::Teardown {
        all.extend(preflight(desired));
    }
    all
}

/// What a plan looks at beside what it changes. Without it a plan is made all the same, and says what
/// is unknown.
fn preflight(desired: &[Desired]) -> impl Iterator<Item = &'static str> {
    let own = || desired.iter().filter(|want| !want.existing);
    let quota = own().any(|want| want.address.kind == "node_pool").then_some(READ_QUOTA);
    let image = own().any(|want| want.address.kind == "job" && are_checked(want)).then_some(READ_IMAGE);
    [quota, image].into_iter().flatten()
}

/// The permissions that changes ask for, each with the first resource that needs it and whether that
/// is to be made: before it is there only the project's policy counts.
pub(crate) fn of_changes(changes: &[Change]) -> BTreeMap<&'static str, (&Address, bool)> {
    let mut all = BTreeMap::new();
    for change in changes {
        let wanted = change.desired.as_ref().map(|want| want.id.as_str());
        let id = wanted.or(change.live.as_ref().map(|live| live.id.as_str())).unwrap_or_default();
        let Some(row) = row(&change.address, id) else { continue };
        let needs: Vec<&[&str]> = match change.action {
            Action::Create => vec![row.create],
            Action::Update | Action::Release | Action::Rename => vec![row.update],
            Action::Replace => vec![row.delete, row.create],
            Action::Delete => vec![row.delete],
        };
        for permission in needs.into_iter().flatten() {
            let made = change.action == Action::Create;
            all.entry(*permission).or_insert((&change.address, made)).1 |= made;
        }
    }
    all
}

/// The permissions that any change can ask for.
pub(crate) fn of_any_change() -> Vec<&'static str> {
    let all = ROWS.iter().flat_map(|row| row.create.iter().chain(row.update).chain(row.delete));
    all.copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether resources of a row bear marks: those of grants stand for all policies.
fn is_marked(row: &Row) -> bool {
    kinds::named(row.kind).is_some_and(AnyKind::is_marked)
}
