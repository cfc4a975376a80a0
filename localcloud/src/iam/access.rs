//! The decision: whether a caller has a permission on a resource, by the policies that count at the
//! moment; and the record of which binding it was that gave it. Knows no service and no wire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use super::Iam;
use super::caller::{self, Caller};
use super::condition::Request;
use super::policy::Policy;

/// What is asked for, with the policies that count for it.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// `projects/P/topics/T`, `projects/_/buckets/B/objects/O` …
    pub(crate) name: String,
    /// Its own policy, and whose it is: an object's is its bucket's.
    pub(crate) policy: Option<(String, Policy)>,
    /// The project that it is in, whose policy counts too; none if it is in none.
    pub(crate) project: Option<String>,
}

/// A permission that the caller does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) permission: String,
    pub(crate) resource: String,
    pub(crate) caller: Box<Caller>,
}

/// A binding and the permissions that it gave to somebody who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The resource whose policy holds it: `projects/P/topics/T` …
    pub on: String,
    /// The role.
    pub role: String,
    /// The member, as policies show it.
    pub member: String,
    /// What it was used for.
    pub permissions: BTreeSet<String>,
}

/// The bindings that were used, by resource, role and member.
pub(super) type Uses = BTreeMap<(String, String, String), BTreeSet<String>>;

/// Basic roles, and the members by which buckets' policies mean those who have them.
const BASIC: [(&str, &str); 3] =
    [("roles/owner", "projectOwner"), ("roles/editor", "projectEditor"), ("roles/viewer", "projectViewer")];

impl Resource {
    /// A project.
    pub(crate) fn project(id: &str) -> Self {
        Self { name: format!("projects/{id}"), policy: None, project: Some(id.into()) }
    }
}

impl Iam {
    /// Refuses if whoever asks now lacks a permission.
    pub(crate) fn check(&self, permission: &str, on: &Resource) -> Result<(), Denied> {
        let caller = caller::current();
        match self.allows(&caller, permission, on) {
            true => Ok(()),
            false => Err(Denied {
                permission: permission.into(),
                resource: on.name.clone(),
                caller: Box::new(caller),
            }),
        }
    }

    /// Of the permissions that are asked about, those that whoever asks has.
    pub(crate) fn held(&self, asked: Vec<String>, on: &Resource) -> Vec<String> {
        let caller = caller::current();
        asked.into_iter().filter(|permission| self.gives(&caller, permission, on).is_some()).collect()
    }

    /// Whether a caller has a permission; what gave it is noted as used.
    pub(crate) fn allows(&self, caller: &Caller, permission: &str, on: &Resource) -> bool {
        if *caller == Caller::Owner {
            return true;
        }
        let Some(binding) = self.gives(caller, permission, on) else { return false };
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        uses.entry(binding).or_default().insert(permission.to_owned());
        true
    }

    /// Every binding that was used since the start.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let accounts = self.accounts();
        let binding = |((on, role, member), permissions)| Use {
            on,
            role,
            member: super::shown(&accounts, member),
            permissions,
        };
        uses.into_iter().map(binding).collect()
    }

    /// The binding that gives a caller a permission: the resource whose policy it is in, its role,
    /// and the member that means the caller.
    fn gives(&self, caller: &Caller, permission: &str, on: &Resource) -> Option<(String, String, String)> {
        if *caller == Caller::Owner {
            return Some((on.name.clone(), "roles/owner".into(), caller.to_string()));
        }
        let now = self.clock.now();
        let request = Request { time: now, resource: &on.name };
        let effective = |policy: &Policy| self.settling.in_effect(policy, now);
        let project = on.project.as_deref().map(|id| (id, effective(&self.project_policy(id))));
        let standing = project.as_ref().map(|(id, policy)| standing(caller, id, policy)).unwrap_or_default();
        let means = |member: &str| caller.is_meant_by(member) || standing.iter().any(|has| has == member);
        let own = on.policy.as_ref().map(|(of, policy)| (of.clone(), effective(policy)));
        let chain = own.into_iter().chain(project.map(|(id, policy)| (format!("projects/{id}"), policy)));
        chain.into_iter().find_map(|(of, policy)| {
            let (role, member) = policy.grants(means, permission, request)?;
            Some((of, role.to_owned(), member.to_owned()))
        })
    }
}

/// The members that stand for a caller's basic roles on its project.
fn standing(caller: &Caller, project: &str, policy: &Policy) -> Vec<String> {
    let has = |role: &str| {
        let mut bindings = policy.bindings.iter().filter(|b| b.role == role && b.condition.is_none());
        bindings.any(|binding| binding.members.iter().any(|member| caller.is_meant_by(member)))
    };
    let held = BASIC.into_iter().filter(|(role, _)| has(role));
    held.map(|(_, member)| format!("{member}:{project}")).collect()
}
