//! The secrets that a job's workers are given: as variables of their pods, or, where Secret Manager
//! keeps them, as names to be read with the workers' own identity.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use contract::{HeaderValue, SecretReference, environment};
use serde_json::{Value, json};

use super::JobSpec;
use crate::kinds::Kept;
use crate::kinds::grant::Grant;
use crate::kinds::secret::{self, VALUE};
use crate::resource::{Address, Desired};
use crate::stack::{FieldProblem, Scope, nearest};

/// What reading a version of one secret takes, and nothing else.
const ACCESSOR: &str = "roles/secretmanager.secretAccessor";

impl JobSpec {
    /// The secrets that it uses, by key, each once.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let of_headers = self.headers().map(|(_, secret)| secret.secret.as_str());
        of_headers.chain(self.of_the_command()).collect::<BTreeSet<_>>().into_iter()
    }

    /// Those that its command is given.
    fn of_the_command(&self) -> impl Iterator<Item = &str> {
        self.command.iter().flat_map(|command| &command.secrets).map(String::as_str)
    }

    /// The headers that hold a secret.
    fn headers(&self) -> impl Iterator<Item = (&str, &SecretReference)> {
        let headers = self.etl.iter().filter_map(|etl| etl.http.as_ref()).flat_map(|http| &http.headers);
        headers.filter_map(|(name, value)| match value {
            HeaderValue::Secret(secret) => Some((name.as_str(), secret)),
            HeaderValue::Text(_) => None,
        })
    }

    pub(super) fn problems_of_secrets(&self, scope: &Scope) -> Vec<FieldProblem> {
        let of_headers = self.headers().map(|(header, secret)| {
            (vec!["etl", "http", "headers", header, "secret"], secret.secret.as_str())
        });
        let of_the_command = self.of_the_command().map(|key| (vec!["command", "secrets"], key));
        let all = of_headers.chain(of_the_command);
        let unknown = all.filter(|(_, key)| !scope.has("secret", key));
        let problem = |(at, key): (Vec<&str>, &str)| {
            let help = match nearest(key, scope.keys("secret")) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("add [secret.{key}] with one of `env`, `file` and `secret_manager`"),
            };
            FieldProblem::at(&at, format!("no secret \"{key}\"")).help(help)
        };
        unknown.map(problem).collect()
    }

    /// What must be in the cluster before a worker starts.
    pub(super) fn secret_addresses(&self, scope: &Scope) -> Vec<Address> {
        let in_cluster = self.secrets().filter(|key| scope.secrets.get(*key) == Some(&Kept::InCluster));
        in_cluster.map(|key| secret::address(key, self.cluster(), scope)).collect()
    }

    /// The variables of the workers' container.
    pub(super) fn secret_variables(&self, scope: &Scope) -> Vec<Value> {
        let mut variables = Vec::new();
        let mut versions = BTreeMap::new();
        for key in self.secrets() {
            match scope.secrets.get(key) {
                Some(Kept::InCluster) => variables.push(json!({
                    "name": environment::secret(key),
                    "valueFrom": { "secretKeyRef": { "name": key, "key": VALUE } },
                })),
                Some(Kept::InSecretManager { secret, version }) => {
                    versions.insert(key, format!("{secret}/versions/{version}"));
                }
                None => {}
            }
        }
        if !versions.is_empty() {
            variables.push(json!({ "name": environment::SECRETS, "value": json!(versions).to_string() }));
        }
        variables
    }

    /// Leave to read what Secret Manager keeps, one secret at a time.
    pub(super) fn secret_grants(
        &self,
        key: &str,
        by: &Address,
        identity: &str,
        scope: &Scope,
    ) -> Result<Vec<Desired>> {
        let account = self.service_account.as_deref().map(|key| Address::new("service_account", key));
        let grant = |name: &str| match scope.secrets.get(name) {
            Some(Kept::InSecretManager { secret, .. }) => {
                let grant = Grant::on_secret(secret, ACCESSOR, identity);
                Some(grant.desired(&format!("{key}-secret-{name}")))
            }
            _ => None,
        };
        let grants = self.secrets().filter_map(grant);
        grants.map(|grant| Ok(grant?.after(account.clone()).implied(by))).collect()
    }
}
