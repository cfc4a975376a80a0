//! What can be done with service accounts.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::account::{Account, Description};
use super::caller::Caller;
use super::token::LIFETIME;
use super::{Iam, Policy, Resource, TABLE};
use crate::error::ApiError;

/// Live accounts of one project.
const QUOTA: usize = 100;
/// How long a deleted account can be undeleted.
const UNDELETE: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Iam {
    pub(super) fn create(&self, project: &str, id: &str, about: Description) -> Result<Value, ApiError> {
        let visible = self.clock.now().saturating_add(self.propagation().accounts).unwrap_or(Timestamp::MAX);
        let account = Account::new(project, id, about, visible)?;
        let mut accounts = self.accounts();
        let mut live = accounts.values().filter(|other| other.is_live() && other.project == project);
        if live.clone().any(|other| other.email == account.email) {
            return Err(ApiError::already_exists(format!(
                "Service account {id} already exists within project projects/{project}."
            )));
        }
        if live.nth(QUOTA - 1).is_some() {
            return Err(ApiError::resource_exhausted(
                "Maximum number of service accounts on project reached.",
            ));
        }
        self.journal.put(TABLE, &account.unique_id, &account)?;
        let json = account.json();
        accounts.insert(account.unique_id.clone(), account);
        Ok(json)
    }

    /// Sorted by e-mail.
    pub(super) fn list(&self, project: &str) -> Vec<Value> {
        let now = self.clock.now();
        let accounts = self.accounts();
        let mut live: Vec<_> =
            accounts.values().filter(|a| a.is_visible(now) && a.project == project).collect();
        live.sort_by(|a, b| a.email.cmp(&b.email));
        live.into_iter().map(Account::json).collect()
    }

    pub(super) fn get(&self, project: &str, id: &str) -> Result<Value, ApiError> {
        self.read(project, id, Account::json)
    }

    pub(super) fn delete(&self, project: &str, id: &str) -> Result<Value, ApiError> {
        let now = self.clock.now();
        self.change(project, id, |account| {
            account.deleted = Some(now);
            Ok(Value::Object(serde_json::Map::new()))
        })
    }

    /// Brings a deleted account back, by its unique id: its e-mail may be another's by now.
    pub(super) fn undelete(&self, unique_id: &str) -> Result<Value, ApiError> {
        let mut accounts = self.accounts();
        let missing = || ApiError::not_found(format!("Service account {unique_id} does not exist."));
        let mut account = accounts.get(unique_id).cloned().ok_or_else(missing)?;
        let deleted = account.deleted.ok_or_else(|| {
            ApiError::failed_precondition(format!("Service account {unique_id} is not deleted."))
        })?;
        if self.clock.now().duration_since(deleted) > UNDELETE {
            return Err(missing());
        }
        if accounts.values().any(|other| other.is_live() && other.email == account.email) {
            return Err(ApiError::already_exists(format!("Service account {} exists again.", account.email)));
        }
        account.deleted = None;
        self.journal.put(TABLE, unique_id, &account)?;
        let json = account.json();
        accounts.insert(unique_id.into(), account);
        Ok(json)
    }

    /// Changes the fields that `mask` names.
    pub(super) fn describe(
        &self,
        project: &str,
        id: &str,
        about: &Description,
        mask: &str,
    ) -> Result<Value, ApiError> {
        about.check()?;
        if mask.is_empty() {
            return Err(ApiError::invalid_argument("An update mask is required."));
        }
        self.change(project, id, |account| {
            for field in mask.split(',') {
                match field.trim() {
                    "displayName" | "display_name" => {
                        account.about.display_name.clone_from(&about.display_name);
                    }
                    "description" => account.about.description.clone_from(&about.description),
                    other => {
                        return Err(ApiError::invalid_argument(format!(
                            "The field {other} can't be updated."
                        )));
                    }
                }
            }
            Ok(account.json())
        })
    }

    pub(super) fn set_disabled(&self, project: &str, id: &str, disabled: bool) -> Result<Value, ApiError> {
        self.change(project, id, |account| {
            account.disabled = disabled;
            Ok(Value::Object(serde_json::Map::new()))
        })
    }

    /// Who may use the account.
    pub(super) fn policy(&self, project: &str, id: &str) -> Result<Policy, ApiError> {
        let held = self.read(project, id, |account| account.policy.clone())?;
        Ok(self.shown(&held))
    }

    pub(super) fn set_policy(&self, project: &str, id: &str, new: Policy) -> Result<Policy, ApiError> {
        // Checked under one lock and written under the next: the etag tells if it changed between.
        let mut held = self.read(project, id, |account| account.policy.clone())?;
        let before = held.etag.clone();
        self.replace(&mut held, new)?;
        let written = self.change(project, id, |account| {
            if account.policy.etag != before {
                return Err(ApiError::aborted("There were concurrent policy changes."));
            }
            account.policy = held;
            Ok(account.policy.clone())
        })?;
        Ok(self.shown(&written))
    }

    /// A token of an account, for so many seconds (`300s`) or an hour, and its end.
    pub(super) fn access_token(
        &self,
        project: &str,
        id: &str,
        lifetime: &str,
    ) -> Result<(String, Timestamp), ApiError> {
        let seconds = match lifetime.strip_suffix('s').and_then(|seconds| seconds.parse().ok()) {
            None if lifetime.is_empty() => LIFETIME.as_secs(),
            Some(seconds @ 1..=3600) => seconds,
            _ => return Err(ApiError::invalid_argument("The token lifetime must be 1 to 3600 seconds.")),
        };
        let (email, unique_id) = self.read(project, id, |a| (a.email.clone(), a.unique_id.clone()))?;
        let caller = Caller::Account { email, unique_id: Some(unique_id) };
        let token = self.tokens.make(&caller, None, self.clock.now(), SignedDuration::from_secs(seconds));
        Ok((token.text, token.until))
    }

    /// The account as something that callers need permissions on.
    pub(crate) fn account_resource(&self, project: &str, id: &str) -> Result<Resource, ApiError> {
        self.read(project, id, Account::resource)
    }

    fn read<T>(&self, project: &str, id: &str, see: impl FnOnce(&Account) -> T) -> Result<T, ApiError> {
        let now = self.clock.now();
        let accounts = self.accounts();
        accounts
            .values()
            .find(|account| account.answers_to(project, id, now))
            .map(see)
            .ok_or_else(|| missing(project, id))
    }

    /// Writes a change down, and only then makes it.
    fn change<T>(
        &self,
        project: &str,
        id: &str,
        change: impl FnOnce(&mut Account) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let now = self.clock.now();
        let mut accounts = self.accounts();
        let held = accounts.values_mut().find(|account| account.answers_to(project, id, now));
        let held = held.ok_or_else(|| missing(project, id))?;
        let mut changed = held.clone();
        let answer = change(&mut changed)?;
        self.journal.put(TABLE, &changed.unique_id, &changed)?;
        *held = changed;
        Ok(answer)
    }
}

impl Account {
    /// Whether it is the live account that a path names: by e-mail or unique id, in its project or `-`.
    fn answers_to(&self, project: &str, id: &str, now: Timestamp) -> bool {
        self.is_visible(now)
            && (self.email == id || self.unique_id == id)
            && (project == "-" || self.project == project)
    }
}

fn missing(project: &str, id: &str) -> ApiError {
    ApiError::not_found(format!("Service account projects/{project}/serviceAccounts/{id} does not exist."))
}
