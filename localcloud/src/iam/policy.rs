//! Policies: who has which role on a resource. Every service keeps the policies of its own
//! resources; the rules of reading, checking and replacing one are here.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::condition::{self, Request};
use super::role;
use crate::error::ApiError;

/// The etag of a policy that was never set.
const NEVER_SET: &str = "ACAB";
/// Most members of one policy.
const MEMBERS: usize = 1500;

/// Who has which role on one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Policy {
    /// 1, or 3 with conditions.
    pub(crate) version: i32,
    /// Changes at every set; base64 text. Who sends none does not care what is there.
    #[serde(default)]
    pub(crate) etag: String,
    /// Sorted by role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) bindings: Vec<Binding>,
}

/// One role and who has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Binding {
    /// `roles/storage.objectAdmin`.
    pub(crate) role: String,
    /// `serviceAccount:worker@fx-dev.iam.gserviceaccount.com`; sorted.
    #[serde(default)]
    pub(crate) members: Vec<String>,
    /// When it holds; none is always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<Condition>,
}

/// When a binding holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self { version: 1, etag: NEVER_SET.into(), bindings: Vec::new() }
    }
}

impl Policy {
    /// Sets the bindings of `new`. An `expected` etag that is not the current one means that
    /// somebody else wrote since the caller read; an empty one, that the caller does not care.
    pub(crate) fn replace(&mut self, new: Self, expected: &str) -> Result<(), ApiError> {
        if !expected.is_empty() && expected != self.etag {
            return Err(ApiError::aborted(format!(
                "There were concurrent policy changes. Please retry the whole read-modify-write with \
                 exponential backoff. The request's ETag '{expected}' did not match the current policy's \
                 ETag '{}'.",
                self.etag
            )));
        }
        let bindings = merge(new.bindings)?;
        let version = if bindings.iter().any(|b| b.condition.is_some()) { 3 } else { 1 };
        *self = Self { version, etag: fresh_etag(), bindings };
        Ok(())
    }

    /// By which role and member, of those that mean the caller, a permission is given, if at all.
    pub(super) fn grants(
        &self,
        means_caller: impl Fn(&str) -> bool,
        permission: &str,
        request: Request<'_>,
    ) -> Option<(&str, &str)> {
        let binding = self.bindings.iter().filter(|binding| role::allows(&binding.role, permission));
        let holds = |condition: &Condition| condition::holds(&condition.expression, request);
        let mut binding = binding.filter(|binding| binding.condition.as_ref().is_none_or(holds));
        binding.find_map(|binding| {
            let member = binding.members.iter().find(|member| means_caller(member))?;
            Some((binding.role.as_str(), member.as_str()))
        })
    }

    /// The same policy with every member passed through `rename`.
    pub(crate) fn with_members<E>(mut self, rename: impl Fn(String) -> Result<String, E>) -> Result<Self, E> {
        for binding in &mut self.bindings {
            binding.members = std::mem::take(&mut binding.members)
                .into_iter()
                .map(&rename)
                .collect::<Result<BTreeSet<_>, E>>()?
                .into_iter()
                .collect();
        }
        Ok(self)
    }
}

/// One binding per role and condition, without doubles and without empty ones, in order: what
/// Google makes of what it is sent.
fn merge(bindings: Vec<Binding>) -> Result<Vec<Binding>, ApiError> {
    let mut merged: BTreeMap<(String, Option<Condition>), BTreeSet<String>> = BTreeMap::new();
    for binding in bindings {
        check_role(&binding.role)?;
        if let Some(condition) = &binding.condition {
            condition::check(&condition.expression)?;
        }
        for member in &binding.members {
            check_member(member)?;
        }
        merged.entry((binding.role, binding.condition)).or_default().extend(binding.members);
    }
    merged.retain(|_, members| !members.is_empty());
    if merged.values().map(BTreeSet::len).sum::<usize>() > MEMBERS {
        return Err(ApiError::invalid_argument(format!("A policy holds at most {MEMBERS} members.")));
    }
    let binding = |((role, condition), members): (_, BTreeSet<String>)| Binding {
        role,
        members: members.into_iter().collect(),
        condition,
    };
    Ok(merged.into_iter().map(binding).collect())
}

fn check_role(role: &str) -> Result<(), ApiError> {
    if role::exists(role) {
        return Ok(());
    }
    Err(ApiError::invalid_argument(match role.starts_with("roles/") {
        true => format!("Role {role} is not supported for this resource."),
        false => format!("Role ({role}) does not exist in the resource's hierarchy."),
    }))
}

fn check_member(member: &str) -> Result<(), ApiError> {
    let known = match member.split_once(':') {
        None => matches!(member, "allUsers" | "allAuthenticatedUsers"),
        Some(("user" | "group" | "serviceAccount", who)) => {
            // Workload identities are written `serviceAccount:PROJECT.svc.id.goog[NAMESPACE/NAME]`.
            let address =
                who.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
            address || (who.contains(".svc.id.goog[") && who.ends_with(']'))
        }
        Some(("deleted", who)) => who.contains("?uid="),
        Some(("domain" | "projectOwner" | "projectEditor" | "projectViewer", who)) => !who.is_empty(),
        Some(("principal" | "principalSet", who)) => who.starts_with("//"),
        Some(_) => false,
    };
    if known && !member.chars().any(char::is_whitespace) {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "The member {member} is of an unknown type. Please set a valid type prefix for the member."
    )))
}

/// Eight bytes, as Google's are.
fn fresh_etag() -> String {
    BASE64_STANDARD.encode([&[7, 5], &rand::random::<[u8; 6]>()[..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn policy(bindings: &[(&str, &[&str])]) -> Policy {
        let binding = |(role, members): &(&str, &[&str])| Binding {
            role: (*role).into(),
            members: members.iter().map(ToString::to_string).collect(),
            condition: None,
        };
        Policy { bindings: bindings.iter().map(binding).collect(), ..Policy::default() }
    }

    #[test]
    fn the_second_of_two_writers_is_told_to_read_again() {
        let mut held = Policy::default();
        let read = held.etag.clone();
        held.replace(policy(&[("roles/viewer", &["user:a@example.com"])]), &read).expect("the first");
        let second = held.replace(policy(&[]), &read).expect_err("the second");
        assert_eq!(second.code, Code::Aborted);
        assert!(second.message.starts_with("There were concurrent policy changes."), "{second}");
        assert_eq!(held.bindings.len(), 1);
    }

    #[test]
    fn doubled_roles_and_members_are_joined_and_empty_bindings_vanish() {
        let mut held = Policy::default();
        let new = policy(&[
            ("roles/viewer", &["user:b@example.com", "user:a@example.com"]),
            ("roles/editor", &["allUsers"]),
            ("roles/viewer", &["user:a@example.com"]),
            ("roles/owner", &[]),
        ]);
        held.replace(new, "").expect("set");
        let expected = policy(&[
            ("roles/editor", &["allUsers"]),
            ("roles/viewer", &["user:a@example.com", "user:b@example.com"]),
        ]);
        assert_eq!(held.bindings, expected.bindings);
    }

    #[test]
    fn members_and_roles_of_no_known_form_are_refused() {
        let ok = [
            "serviceAccount:w@p.iam.gserviceaccount.com",
            "serviceAccount:p.svc.id.goog[ns/ksa]",
            "principal://iam.googleapis.com/projects/1/x",
            "deleted:serviceAccount:w@p.iam.gserviceaccount.com?uid=1",
        ];
        for member in ok {
            Policy::default().replace(policy(&[("roles/viewer", &[member])]), "").expect(member);
        }
        for member in ["", "w@p.iam", "robot:w@p.iam", "user:", "user:a b@c.d", "serviceAccount:w"] {
            let refused = Policy::default().replace(policy(&[("roles/viewer", &[member])]), "");
            assert_eq!(refused.map_err(|e| e.code), Err(Code::InvalidArgument), "{member}");
        }
        for role in [
            "",
            "viewer",
            "roles/",
            "roles/a/b",
            "roles/a b",
            "roles/pubsub.nonsense",
            "projects/p/roles/own",
        ] {
            let refused = Policy::default().replace(policy(&[(role, &["allUsers"])]), "");
            assert_eq!(refused.map_err(|e| e.code), Err(Code::InvalidArgument), "{role}");
        }
    }
}
