//! What the caller may not see or not do, and accounts that were deleted and are restored.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;

use crate::change::{Action, Change};
use crate::cloud::Cloud;
use crate::finding::{Finding, Level, first_of};
use crate::observe::Unseen;
use crate::permissions::{self, least_roles};

/// Addresses that one finding names.
const NAMED: usize = 3;

/// What the caller may do in the project, of all that a change can ask for.
pub(crate) struct Held(Result<HashSet<String>>);

/// Asks what the caller may do: which changes there are need not be known for it.
pub(crate) async fn held(cloud: &Cloud) -> Held {
    Held(cloud.held(&permissions::of_any_change()).await)
}

/// What stands in the way of these changes, the worse first.
pub(crate) async fn of(cloud: &Cloud, unseen: &[Unseen], held: &Held, changes: &[Change]) -> Vec<Finding> {
    let mut findings = blind_spots(unseen);
    findings.extend(missing_permissions(cloud, held, changes));
    findings.extend(deleted_accounts(cloud, changes).await);
    findings.sort_by_key(|finding| finding.level);
    findings
}

/// What could not be looked at, a finding for each kind.
fn blind_spots(unseen: &[Unseen]) -> Vec<Finding> {
    let mut by_kind: BTreeMap<&str, Vec<&Unseen>> = BTreeMap::new();
    for one in unseen {
        by_kind.entry(one.kind).or_default().push(one);
    }
    by_kind.into_iter().map(|(kind, all)| blind_spot(kind, &all)).collect()
}

fn blind_spot(kind: &str, all: &[&Unseen]) -> Finding {
    let named: Vec<String> = all.iter().filter_map(|one| Some(one.address.as_ref()?.to_string())).collect();
    let what = match named.len() {
        0 => format!("what else the stack owns of {kind}"),
        _ => first_of(&named, NAMED),
    };
    let why = all.first().map(|one| format!("{:#}", one.why)).unwrap_or_default();
    // Somebody else's bucket answers like one of ours that may not be read.
    let taken = match kind {
        "bucket" if !named.is_empty() => {
            "; or the name is taken, for names of buckets are everybody's: then set `name`"
        }
        _ => "",
    };
    Finding {
        level: Level::Error,
        what: format!("{what}: unknown, since these credentials may not look ({why})"),
        help: format!("`provision permissions plan` lists the roles that a plan needs{taken}"),
    }
}

/// What the changes ask for and the caller may not. The project's policy alone is asked: what is there
/// already may have one of its own that lets the caller in.
fn missing_permissions(cloud: &Cloud, Held(held): &Held, changes: &[Change]) -> Vec<Finding> {
    let needs = permissions::of_changes(changes);
    if needs.is_empty() {
        return Vec::new();
    }
    let held = match held {
        Ok(held) => held,
        Err(error) => {
            return vec![Finding {
                level: Level::Warning,
                what: format!("whether the changes are permitted is unknown ({error:#})"),
                help: "apply will tell".to_owned(),
            }];
        }
    };
    let missing = |made: bool| {
        let one = move |(permission, (_, is_made)): (&&'static str, &(_, bool))| {
            (*is_made == made).then_some(*permission)
        };
        needs.iter().filter_map(one).filter(|permission| !held.contains(*permission)).collect()
    };
    let finding = |level, permissions: std::collections::BTreeSet<&'static str>| {
        let first = permissions.iter().next().and_then(|first| needs.get(first))?;
        let roles: Vec<String> = least_roles(&permissions).into_iter().map(|role| role.role).collect();
        let names: Vec<&str> = permissions.iter().copied().collect();
        let scope = match level {
            Level::Error => "",
            Level::Warning | Level::Note => ", unless policies of the resources themselves say so",
        };
        Some(Finding {
            level,
            what: format!(
                "{} may not, on project {}: {} (first for {}){scope}",
                cloud.caller,
                cloud.project.id,
                names.join(", "),
                first.0
            ),
            help: format!("the least roles that hold them: {}", roles.join(", ")),
        })
    };
    finding(Level::Error, missing(true)).into_iter().chain(finding(Level::Warning, missing(false))).collect()
}

/// Accounts that are to be made, and were deleted a while ago: the project's policy still names them.
async fn deleted_accounts(cloud: &Cloud, changes: &[Change]) -> Vec<Finding> {
    let made = changes
        .iter()
        .filter(|change| change.action == Action::Create && change.address.kind == "service_account");
    let mut findings = Vec::new();
    for change in made {
        let email = change.desired.as_ref().map(|want| want.id.as_str()).unwrap_or_default();
        let Some(uid) = cloud.deleted_account(email).await else { continue };
        findings.push(Finding {
            level: Level::Warning,
            what: format!("{}: {email} was deleted, and grants to it are left", change.address),
            help: format!("apply restores it (unique id {uid}) if it can, for 30 days; a new one would not have its grants"),
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Address;

    #[test]
    fn what_may_not_be_seen_is_told_once_for_each_kind() {
        let unseen = |kind, key: Option<&str>| Unseen {
            kind,
            address: key.map(|key| Address::new(kind, key)),
            why: anyhow::anyhow!("no"),
        };
        let all: Vec<Unseen> = ["a", "b", "c", "d"]
            .into_iter()
            .map(|key| unseen("grant", Some(key)))
            .chain([unseen("topic", None)])
            .collect();
        let told: Vec<String> = blind_spots(&all).into_iter().map(|finding| finding.what).collect();
        assert_eq!(
            told,
            [
                "grant.a, grant.b, grant.c and 1 more: unknown, since these credentials may not look (no)",
                "what else the stack owns of topic: unknown, since these credentials may not look (no)",
            ]
        );
    }
}
