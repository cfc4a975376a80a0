//! Identity and Access Management: service accounts, and the policies of all services' resources.
//!
//! A policy keeps a service account with its unique id (`serviceAccount:EMAIL?uid=N`), and shows it
//! by whether that very account still lives. So a deleted account's bindings turn into
//! `deleted:serviceAccount:…` everywhere at once, come back when it is undeleted, and are not
//! inherited by a new account of the same e-mail.

mod access;
mod account;
mod accounts;
pub(crate) mod admin;
pub(crate) mod caller;
mod condition;
mod grpc;
mod policy;
mod propagation;
mod rest;
mod role;
mod roles;
mod secret_roles;
mod storage_roles;
mod token;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use access::Use;
use access::Uses;
pub(crate) use access::{Denied, Resource};
use account::Account;
use caller::{Caller, Workload};
pub(crate) use policy::{Binding, Policy};
pub use propagation::Propagation;
use propagation::Settling;
pub(crate) use token::Token;
use token::Tokens;

use crate::clock::Clock;
use crate::error::ApiError;
use crate::journal::{Journal, Tables};

const TABLE: &str = "iam.accounts";
const PROJECTS: &str = "iam.projects";
const PROPAGATION: &str = "iam.propagation";

/// Service accounts and policies of all projects.
pub(crate) struct Iam {
    journal: Journal,
    clock: Clock,
    /// By unique id, deleted ones included: they can be undeleted.
    accounts: Mutex<BTreeMap<String, Account>>,
    /// The policies of projects, by their ids.
    projects: Mutex<BTreeMap<String, Policy>>,
    propagation: Mutex<Propagation>,
    settling: Settling,
    tokens: Tokens,
    uses: Mutex<Uses>,
}

/// What a workload needs on an account to act as it.
const GET_ACCESS_TOKEN: &str = "iam.serviceAccounts.getAccessToken";

/// Why a workload may not act as an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Impersonation {
    /// There is none of that e-mail.
    NoAccount,
    /// It lacks `iam.serviceAccounts.getAccessToken` on it.
    Denied,
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
        Ok(Arc::new(Self {
            accounts: Mutex::new(tables.take(TABLE)?),
            projects: Mutex::new(tables.take(PROJECTS)?),
            propagation: Mutex::new(tables.take(PROPAGATION)?.remove(PROPAGATION).unwrap_or_default()),
            settling: Settling::open(journal, tables)?,
            tokens: Tokens::default(),
            uses: Mutex::default(),
            journal: journal.clone(),
            clock: clock.clone(),
        }))
    }

    /// From now on, what is new takes so long until it counts.
    pub(crate) fn set_propagation(&self, propagation: Propagation) -> io::Result<()> {
        self.journal.put(PROPAGATION, PROPAGATION, &propagation)?;
        *self.propagation.lock().unwrap_or_else(PoisonError::into_inner) = propagation;
        Ok(())
    }

    /// How long what is new takes until it counts.
    pub(crate) fn propagation(&self) -> Propagation {
        *self.propagation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces a policy that a service holds, under the new one's etag. Service accounts that do
    /// not exist are refused. The service writes the policy down; if it fails to, nothing is
    /// changed.
    pub(crate) fn replace(&self, held: &mut Policy, new: Policy) -> Result<(), ApiError> {
        let now = self.clock.now();
        let before = held.clone();
        let expected = new.etag.clone();
        let accounts = self.accounts();
        held.replace(new.with_members(|member| stored(&accounts, member, now))?, &expected)?;
        let from = now.saturating_add(self.propagation().grants).unwrap_or(Timestamp::MAX);
        Ok(self.settling.replaced(&before, &held.etag, from, now)?)
    }

    /// The policy of a project, as it is stored.
    pub(crate) fn project_policy(&self, project: &str) -> Policy {
        self.projects().get(project).cloned().unwrap_or_default()
    }

    /// Replaces the policy of a project.
    pub(crate) fn set_project_policy(&self, project: &str, new: Policy) -> Result<Policy, ApiError> {
        let mut projects = self.projects();
        let mut policy = projects.get(project).cloned().unwrap_or_default();
        self.replace(&mut policy, new)?;
        self.journal.put(PROJECTS, project, &policy)?;
        let shown = self.shown(&policy);
        projects.insert(project.to_owned(), policy);
        Ok(shown)
    }

    /// Now, by its clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whom a token was given to; nobody if it was never given or has ended.
    pub(crate) fn holder(&self, token: &str) -> Option<Caller> {
        let now = self.clock.now();
        let caller = self.tokens.holder(token, now)?;
        match &caller {
            Caller::Account { unique_id: Some(id), .. } => {
                let accounts = self.accounts();
                let lives = accounts.get(id).is_some_and(|account| account.is_live() && !account.disabled);
                lives.then_some(caller)
            }
            _ => Some(caller),
        }
    }

    /// A token for `caller`, for the pod that the metadata server `by` belongs to.
    pub(crate) fn token(&self, caller: &Caller, by: u64) -> Token {
        self.tokens.give(caller, by, self.clock.now())
    }

    /// Ends all tokens of a pod.
    pub(crate) fn end_tokens(&self, by: u64) {
        self.tokens.end(by);
    }

    /// The live account of an e-mail as a caller.
    pub(crate) fn account(&self, email: &str) -> Option<Caller> {
        let accounts = self.accounts();
        let account = accounts.values().find(|account| account.is_live() && account.email == email)?;
        Some(Caller::Account { email: email.into(), unique_id: Some(account.unique_id.clone()) })
    }

    /// The account of an e-mail as a caller, if a workload may act as it.
    pub(crate) fn impersonate(&self, email: &str, workload: &Workload) -> Result<Caller, Impersonation> {
        let now = self.clock.now();
        let account = self
            .accounts()
            .values()
            .find(|account| account.is_visible(now) && account.email == email)
            .cloned();
        let Some(account) = account else { return Err(Impersonation::NoAccount) };
        if !self.allows(&Caller::Workload(workload.clone()), GET_ACCESS_TOKEN, &account.resource()) {
            return Err(Impersonation::Denied);
        }
        Ok(Caller::Account { email: account.email, unique_id: Some(account.unique_id) })
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
        stored(&self.accounts(), format!("serviceAccount:{email}"), self.clock.now()).map(drop)
    }

    fn projects(&self) -> MutexGuard<'_, BTreeMap<String, Policy>> {
        // Changes are single assignments: a panic elsewhere leaves the map whole.
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<String, Account>> {
        // Changes are single assignments: a panic elsewhere leaves the map whole.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stored(accounts: &BTreeMap<String, Account>, member: String, now: Timestamp) -> Result<String, ApiError> {
    if let Some(was) = member.strip_prefix("deleted:")
        && let Some((_, uid)) = was.split_once("?uid=")
        && accounts.contains_key(uid)
    {
        return Ok(was.to_owned());
    }
    let Some(email) = member.strip_prefix("serviceAccount:").filter(|email| is_of_a_project(email)) else {
        return Ok(member);
    };
    match accounts.values().find(|account| account.is_visible(now) && account.email == email) {
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
