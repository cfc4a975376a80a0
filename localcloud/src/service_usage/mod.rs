//! Service Usage v1: which APIs a project has enabled. Those that the local cloud serves are
//! enabled in every project from the start; a change takes a while, as Google's does.

mod gate;
mod rest;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::error::ApiError;
use crate::journal::{Journal, Tables};
use crate::project::{check_id, project_number};
pub(crate) use gate::Gate;

const TABLE: &str = "services.set";
/// How long Google takes to switch a service on or off.
const TAKES: Duration = Duration::from_secs(15);
/// Services that one call may enable.
const BATCH: usize = 20;

/// What the local cloud serves, or what a stack needs switched on beside it.
const ENABLED: [&str; 13] = [
    "artifactregistry.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "secretmanager.googleapis.com",
    "serviceusage.googleapis.com",
    "storage-api.googleapis.com",
    "storage.googleapis.com",
];

/// What each project has switched on or off.
pub(crate) struct ServiceUsage {
    journal: Journal,
    clock: Clock,
    /// The last change by `project/service`.
    changes: Mutex<BTreeMap<String, Change>>,
}

/// A service that was, or is being, switched on or off.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Change {
    project: String,
    service: String,
    enable: bool,
    /// When it takes effect; until then the opposite holds.
    due: Timestamp,
    operation: String,
    /// It came with others, by one call.
    batch: bool,
}

/// One call's changes: none if there was nothing to change.
struct Switched {
    operation: Option<String>,
}

impl ServiceUsage {
    pub(crate) fn open(journal: &Journal, tables: &mut Tables, clock: &Clock) -> io::Result<Arc<Self>> {
        let changes = Mutex::new(tables.take(TABLE)?);
        Ok(Arc::new(Self { journal: journal.clone(), clock: clock.clone(), changes }))
    }

    /// Whether a project's calls of a service are answered.
    fn is_enabled(&self, project: &str, service: &str) -> bool {
        match self.changes().get(&key(project, service)) {
            Some(change) => change.enable == self.is_over(change),
            None => ENABLED.contains(&service),
        }
    }

    fn is_over(&self, change: &Change) -> bool {
        change.due <= self.clock.now()
    }

    /// Begins to switch services of a project on or off.
    fn switch(
        &self,
        project: &str,
        services: &[String],
        enable: bool,
        batch: bool,
    ) -> Result<Switched, ApiError> {
        check_id(project)?;
        services.iter().try_for_each(|service| check_service(service))?;
        if services.is_empty() || services.len() > BATCH {
            return Err(ApiError::invalid_argument(format!(
                "Between 1 and {BATCH} services can be enabled at once."
            )));
        }
        let new: Vec<&String> =
            services.iter().filter(|service| self.is_enabled(project, service) != enable).collect();
        let now = self.clock.now();
        let due = now.saturating_add(self.clock.scaled(TAKES)).unwrap_or(Timestamp::MAX);
        let number = project_number(project);
        let operation = format!("operations/acat.p2-{number}-{}", hex::encode(rand::random::<[u8; 16]>()));
        let mut changes = self.changes();
        for service in services {
            if changes.get(&key(project, service)).is_some_and(|change| change.due > now) {
                return Err(ApiError::failed_precondition(format!(
                    "Another activation or deactivation is in progress: projects/{number}/services/{service}"
                )));
            }
        }
        for service in &new {
            let (project, service) = (project.to_owned(), (*service).clone());
            let row = key(&project, &service);
            let change = Change { project, service, enable, due, operation: operation.clone(), batch };
            self.journal.put(TABLE, &row, &change)?;
            changes.insert(row, change);
        }
        Ok(Switched { operation: (!new.is_empty()).then_some(operation) })
    }

    /// The services that a project may have, by name.
    fn known(&self, project: &str) -> Vec<String> {
        let changes = self.changes();
        let mine = changes.values().filter(|change| change.project == project);
        let mine = mine.map(|change| change.service.clone());
        let mut known: Vec<String> = ENABLED.into_iter().map(str::to_owned).chain(mine).collect();
        known.sort();
        known.dedup();
        known
    }

    /// The changes of an operation.
    fn of_operation(&self, name: &str) -> Vec<Change> {
        self.changes().values().filter(|change| change.operation == name).cloned().collect()
    }

    fn changes(&self) -> MutexGuard<'_, BTreeMap<String, Change>> {
        // Rows are put in whole: a panic elsewhere leaves them so.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(project: &str, service: &str) -> String {
    format!("{project}/{service}")
}

fn check_service(service: &str) -> Result<(), ApiError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if service.ends_with(".googleapis.com") && service.bytes().all(plain) {
        return Ok(());
    }
    Err(ApiError::not_found(format!("Not found or permission denied for service(s): {service}.")))
}

/// A page's token is the name that comes after it, hashed: clients are not to build their own.
fn token_of(service: &str) -> String {
    hex::encode(&Sha256::digest(service)[..12])
}
