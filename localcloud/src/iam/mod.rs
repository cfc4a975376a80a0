//! Identity and Access Management: service accounts, and the policies of all services' resources.
//!
//! A policy keeps a service account with its unique id (`serviceAccount:EMAIL?uid=N`), and shows it
//! by whether that very account still lives. So a deleted account's bindings turn into
//! `deleted:serviceAccount:…` everywhere at once, come back when it is undeleted, and are not
//! inherited by a new account of the same e-mail.

mod account;
mod accounts;
mod grpc;
mod policy;
mod rest;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use account::Account;
pub(crate) use policy::{Binding, Policy};

use crate::clock::Clock;
use crate::error::ApiError;
use crate::journal::{Journal, Tables};

const TABLE: &str = "iam.accounts";

/// Service accounts of all projects.
pub(crate) struct Iam {
    journal: Journal,
    clock: Clock,
    /// By unique id, deleted ones included: they can be undeleted.
    accounts: Mutex<BTreeMap<String, Account>>,
}

/// What a caller asks whether it may do.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Permissions {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) permissions: Vec<String>,
}

/// What a caller wants a policy to be.
#[derive(serde::Deserialize)]
pub(crate) struct SetPolicy {
    #[serde(default)]
    pub(crate) policy: Policy,
}

impl Iam {
    pub(crate) fn open(journal: &Journal, tables: &mut Tables, clock: &Clock) -> io::Result<Arc<Self>> {
        let accounts = Mutex::new(tables.take(TABLE)?);
        Ok(Arc::new(Self { journal: journal.clone(), clock: clock.clone(), accounts }))
    }

    /// Replaces a policy that a service holds, under the new one's etag. Service accounts that do
    /// not exist are refused.
    pub(crate) fn replace(&self, held: &mut Policy, new: Policy) -> Result<(), ApiError> {
        let expected = new.etag.clone();
        let accounts = self.accounts();
        held.replace(new.with_members(|member| stored(&accounts, member))?, &expected)
    }

    /// A held policy as a reader sees it today.
    pub(crate) fn shown(&self, held: &Policy) -> Policy {
        let accounts = self.accounts();
        let shown = |member: String| Ok::<_, std::convert::Infallible>(shown(&accounts, member));
        match held.clone().with_members(shown) {
            Ok(policy) => policy,
        }
    }

    /// Refuses a service account, named by its e-mail, that does not exist.
    pub(crate) fn check_exists(&self, email: &str) -> Result<(), ApiError> {
        stored(&self.accounts(), format!("serviceAccount:{email}")).map(drop)
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<String, Account>> {
        // Changes are single assignments: a panic elsewhere leaves the map whole.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stored(accounts: &BTreeMap<String, Account>, member: String) -> Result<String, ApiError> {
    if let Some(was) = member.strip_prefix("deleted:")
        && let Some((_, uid)) = was.split_once("?uid=")
        && accounts.contains_key(uid)
    {
        return Ok(was.to_owned());
    }
    let Some(email) = member.strip_prefix("serviceAccount:").filter(|email| is_of_a_project(email)) else {
        return Ok(member);
    };
    match accounts.values().find(|account| account.is_live() && account.email == email) {
        Some(account) => Ok(format!("{member}?uid={}", account.unique_id)),
        None => Err(ApiError::invalid_argument(format!("Service account {email} does not exist."))),
    }
}

fn shown(accounts: &BTreeMap<String, Account>, member: String) -> String {
    match member.split_once("?uid=") {
        Some((name, uid)) if name.starts_with("serviceAccount:") => match accounts.get(uid) {
            Some(account) if account.is_live() => name.to_owned(),
            _ => format!("deleted:{member}"),
        },
        _ => member,
    }
}

/// Accounts that a project's owner made; the service agents and default accounts of Google are
/// always there.
fn is_of_a_project(email: &str) -> bool {
    email
        .split_once('@')
        .and_then(|(_, host)| host.strip_suffix(".iam.gserviceaccount.com"))
        .is_some_and(|project| !project.starts_with("gcp-sa-"))
}
