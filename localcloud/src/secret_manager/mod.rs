//! Secret Manager v1 over REST: secrets, their numbered versions, and their policies. Payloads stand
//! in the journal and in the answers to who may access them, nowhere else.

mod rest;
mod secret;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::clock::Clock;
use crate::error::ApiError;
use crate::iam::{Iam, Policy};
use crate::journal::{Batch, Journal, Tables};
use crate::resource_manager::ResourceManager;
use secret::{Number, Secret, Settings, State, Version, check_id, check_payload, name};

const SECRETS: &str = "secrets";
const VERSIONS: &str = "secrets.versions";

/// All secrets of all projects.
pub(crate) struct SecretManager {
    journal: Journal,
    clock: Clock,
    iam: Arc<Iam>,
    projects: Arc<ResourceManager>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// By `project/id`.
    secrets: BTreeMap<String, Secret>,
    /// By `project/id/number`, the number in twenty digits.
    versions: BTreeMap<String, Version>,
}

impl SecretManager {
    pub(crate) fn open(
        journal: &Journal,
        tables: &mut Tables,
        clock: &Clock,
        iam: &Arc<Iam>,
        projects: &Arc<ResourceManager>,
    ) -> io::Result<Arc<Self>> {
        let held = Held { secrets: tables.take(SECRETS)?, versions: tables.take(VERSIONS)? };
        Ok(Arc::new(Self {
            journal: journal.clone(),
            clock: clock.clone(),
            iam: iam.clone(),
            projects: projects.clone(),
            held: Mutex::new(held),
        }))
    }

    /// The policy of a secret, if there is one of that name.
    pub(crate) fn policy_of(&self, project: &str, id: &str) -> Option<Policy> {
        self.held().secrets.get(&key(project, id)).map(|secret| secret.policy.clone())
    }

    fn create(&self, project: &str, id: &str, settings: Settings) -> Result<Value, ApiError> {
        check_id(id)?;
        settings.replicated()?;
        let settings = settings.checked()?;
        let mut held = self.held();
        let key = key(project, id);
        if held.secrets.contains_key(&key) {
            return Err(ApiError::already_exists(format!("Secret [{}] already exists.", name(project, id))));
        }
        let secret = Secret {
            project: project.into(),
            id: id.into(),
            created: self.clock.now(),
            settings,
            etag: fresh_etag(),
            policy: Policy::default(),
            versions: 0,
        };
        self.journal.put(SECRETS, &key, &secret)?;
        let shown = secret.json();
        held.secrets.insert(key, secret);
        Ok(shown)
    }

    /// Sorted by name.
    fn list(&self, project: &str) -> Vec<Value> {
        let held = self.held();
        held.secrets.values().filter(|secret| secret.project == project).map(Secret::json).collect()
    }

    fn get(&self, project: &str, id: &str) -> Result<Value, ApiError> {
        self.held().secret(project, id).map(Secret::json)
    }

    /// Changes the settings that `mask` names.
    fn patch(&self, project: &str, id: &str, new: Settings, mask: &str) -> Result<Value, ApiError> {
        let new = new.checked()?;
        self.change(project, id, |secret| {
            for field in mask.split(',').map(str::trim) {
                let settings = &mut secret.settings;
                match field {
                    "labels" => settings.labels.clone_from(&new.labels),
                    "annotations" => settings.annotations.clone_from(&new.annotations),
                    "versionAliases" | "version_aliases" => {
                        let known = 1..=i64::try_from(secret.versions).unwrap_or(i64::MAX);
                        if new.version_aliases.values().any(|Number(number)| !known.contains(number)) {
                            return Err(ApiError::not_found(
                                "A version alias names a version that is not there.",
                            ));
                        }
                        settings.version_aliases.clone_from(&new.version_aliases);
                    }
                    "" => return Err(ApiError::invalid_argument("An update mask is required.")),
                    other => return Err(ApiError::unsupported(format!("update of Secret.{other}"))),
                }
            }
            secret.etag = fresh_etag();
            Ok(secret.json())
        })
    }

    /// Deletes a secret with all its versions.
    fn delete(&self, project: &str, id: &str, etag: &str) -> Result<(), ApiError> {
        let mut held = self.held();
        check_etag(etag, &held.secret(project, id)?.etag)?;
        let key = key(project, id);
        let versions: Vec<String> = held.of(&key).map(|(key, _)| key.clone()).collect();
        let mut batch = Batch::default();
        batch.delete(SECRETS, &key).map_err(io::Error::from)?;
        for version in &versions {
            batch.delete(VERSIONS, version).map_err(io::Error::from)?;
        }
        self.journal.commit(batch)?;
        held.secrets.remove(&key);
        held.versions.retain(|version, _| !versions.contains(version));
        Ok(())
    }

    fn add_version(
        &self,
        project: &str,
        id: &str,
        data: &[u8],
        crc32c: Option<Number>,
    ) -> Result<Value, ApiError> {
        check_payload(data, crc32c)?;
        let mut held = self.held();
        let mut secret = held.secret(project, id)?.clone();
        secret.versions += 1;
        let version = Version {
            created: self.clock.now(),
            state: State::Enabled,
            destroyed: None,
            checked: crc32c.is_some(),
            etag: fresh_etag(),
            data: BASE64_STANDARD.encode(data),
        };
        let (key, number) = (key(project, id), secret.versions);
        let row = version_key(&key, number);
        let mut batch = Batch::default();
        batch.put(SECRETS, &key, &secret).map_err(io::Error::from)?;
        batch.put(VERSIONS, &row, &version).map_err(io::Error::from)?;
        self.journal.commit(batch)?;
        let shown = version.json(&version_name(&secret, number));
        held.secrets.insert(key, secret);
        held.versions.insert(row, version);
        Ok(shown)
    }

    /// Newest first.
    fn versions(&self, project: &str, id: &str) -> Result<Vec<Value>, ApiError> {
        let held = self.held();
        let secret = held.secret(project, id)?;
        let key = key(project, id);
        let all = held.of(&key).map(|(row, version)| version.json(&version_name(secret, number_of(row))));
        let mut all: Vec<Value> = all.collect();
        all.reverse();
        Ok(all)
    }

    fn version(&self, project: &str, id: &str, version: &str) -> Result<Value, ApiError> {
        let held = self.held();
        let (name, _, version) = held.version(project, id, version)?;
        Ok(version.json(&name))
    }

    /// The payload of a version that is enabled.
    fn access(&self, project: &str, id: &str, version: &str) -> Result<Value, ApiError> {
        let held = self.held();
        let (name, _, version) = held.version(project, id, version)?;
        if version.state != State::Enabled {
            return Err(in_state(&name, version.state));
        }
        let data = BASE64_STANDARD.decode(&version.data).unwrap_or_default();
        let crc32c = Number(crc32c::crc32c(&data).into());
        Ok(serde_json::json!({"name": name, "payload": {"data": version.data, "dataCrc32c": crc32c}}))
    }

    /// Enables, disables or destroys a version. What is destroyed stays so.
    fn set_state(
        &self,
        project: &str,
        id: &str,
        version: &str,
        state: State,
        etag: &str,
    ) -> Result<Value, ApiError> {
        let mut held = self.held();
        let (name, row, found) = held.version(project, id, version)?;
        check_etag(etag, &found.etag)?;
        if found.state == State::Destroyed {
            return Err(in_state(&name, found.state));
        }
        let mut changed = Version { state, etag: fresh_etag(), ..found.clone() };
        if state == State::Destroyed {
            changed.destroyed = Some(self.clock.now());
            changed.data.clear();
        }
        self.journal.put(VERSIONS, &row, &changed)?;
        let shown = changed.json(&name);
        held.versions.insert(row, changed);
        Ok(shown)
    }

    fn policy(&self, project: &str, id: &str) -> Result<Policy, ApiError> {
        let policy = self.held().secret(project, id)?.policy.clone();
        Ok(self.iam.shown(&policy))
    }

    fn set_policy(&self, project: &str, id: &str, new: Policy) -> Result<Policy, ApiError> {
        let policy = self.change(project, id, |secret| {
            self.iam.replace(&mut secret.policy, new)?;
            Ok(secret.policy.clone())
        })?;
        Ok(self.iam.shown(&policy))
    }

    /// Writes a change down, and only then makes it.
    fn change<T>(
        &self,
        project: &str,
        id: &str,
        change: impl FnOnce(&mut Secret) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut held = self.held();
        let mut secret = held.secret(project, id)?.clone();
        let answer = change(&mut secret)?;
        let key = key(project, id);
        self.journal.put(SECRETS, &key, &secret)?;
        held.secrets.insert(key, secret);
        Ok(answer)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Changes are single assignments: a panic elsewhere leaves the maps whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn secret(&self, project: &str, id: &str) -> Result<&Secret, ApiError> {
        let found = self.secrets.get(&key(project, id));
        found.ok_or_else(|| ApiError::not_found(format!("Secret [{}] not found.", name(project, id))))
    }

    /// The rows of a secret's versions, oldest first.
    fn of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = (&'a String, &'a Version)> {
        let from = format!("{key}/");
        self.versions.range(from.clone()..).take_while(move |(row, _)| row.starts_with(&from))
    }

    /// A version by number, alias or `latest`: its name, its row and itself.
    fn version(&self, project: &str, id: &str, named: &str) -> Result<(String, String, &Version), ApiError> {
        let secret = self.secret(project, id)?;
        let number = match named {
            "latest" => Some(secret.versions),
            named => match secret.settings.version_aliases.get(named) {
                Some(Number(number)) => u64::try_from(*number).ok(),
                None => named.parse().ok(),
            },
        };
        let found = number.and_then(|number| {
            let row = version_key(&key(project, id), number);
            Some((version_name(secret, number), self.versions.get(&row)?, row))
        });
        match found {
            Some((name, version, row)) => Ok((name, row, version)),
            None if named == "latest" => {
                Err(ApiError::not_found(format!("Secret [{}] not found or has no versions.", secret.name())))
            }
            None => Err(ApiError::not_found(format!(
                "Secret Version [{}/versions/{named}] not found.",
                secret.name()
            ))),
        }
    }
}

fn key(project: &str, id: &str) -> String {
    format!("{project}/{id}")
}

fn version_key(secret: &str, number: u64) -> String {
    format!("{secret}/{number:020}")
}

fn number_of(row: &str) -> u64 {
    row.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn version_name(secret: &Secret, number: u64) -> String {
    format!("{}/versions/{number}", secret.name())
}

fn in_state(name: &str, state: State) -> ApiError {
    let state = match state {
        State::Enabled => "ENABLED",
        State::Disabled => "DISABLED",
        State::Destroyed => "DESTROYED",
    };
    ApiError::failed_precondition(format!("Secret Version [{name}] is in {state} state."))
}

fn check_etag(expected: &str, held: &str) -> Result<(), ApiError> {
    match expected.is_empty() || expected == held {
        true => Ok(()),
        false => Err(ApiError::failed_precondition(
            "The etag provided does not match the etag of the latest version of the resource.",
        )),
    }
}

/// Quoted, as the service writes it.
fn fresh_etag() -> String {
    format!("\"{}\"", hex::encode(rand::random::<[u8; 7]>()))
}
