//! `secret`: a value that workers are given, and that stands in no file, plan or record.
//!
//! What this machine holds (`env`, `file`) becomes a Kubernetes Secret beside the jobs that use it.
//! What Secret Manager keeps is read by the workers themselves, as whom they are: nothing of it
//! passes through here but the grant.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use contract::environment;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{Table, job};
use crate::cloud::Cloud;
use crate::resource::{Address, Desired};
use crate::stack::{FieldProblem, Scope};

pub(super) mod object;
mod value;

use object::Secret;
pub(super) use object::VALUE;
use value::Source;

/// `[secret.NAME]`: a value that workers are given. It has one of `env`, `file` and `secret_manager`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretSpec {
    /// The variable that holds it, in the environment of whoever runs `provision`.
    #[serde(default)]
    env: Option<String>,
    /// The file that holds it, relative to the stack file. One line break at its end does not count.
    #[serde(default)]
    file: Option<String>,
    /// The secret of Google's Secret Manager that holds it: its name in the stack's project, or
    /// `projects/PROJECT/secrets/NAME`.
    #[serde(default)]
    secret_manager: Option<String>,
    /// The version in Secret Manager: a number, an alias, or, without it, the latest. Each worker
    /// reads it as it starts.
    #[serde(default)]
    version: Option<String>,
}

/// Who hands a secret to workers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kept {
    /// The cluster, in a Secret of its own.
    InCluster,
    /// Secret Manager, as this version.
    InSecretManager {
        /// `projects/P/secrets/S`.
        secret: String,
        /// `3`, `latest`.
        version: String,
    },
}

impl Table for SecretSpec {
    const NAME: &'static str = "secret";
    const IS_NAMED: bool = false;

    fn introduce(&self, key: &str, scope: &mut Scope) {
        let kept = match &self.secret_manager {
            None => Kept::InCluster,
            Some(name) => Kept::InSecretManager {
                secret: match name.contains('/') {
                    true => name.clone(),
                    false => format!("{}/secrets/{name}", scope.project.path()),
                },
                version: self.version.clone().unwrap_or_else(|| "latest".to_owned()),
            },
        };
        scope.secrets.insert(key.to_owned(), kept);
    }

    fn problems(&self, _: &str, _: &Scope) -> Vec<FieldProblem> {
        let given = [("env", &self.env), ("file", &self.file), ("secret_manager", &self.secret_manager)];
        let given: Vec<&str> =
            given.iter().filter(|(_, value)| value.is_some()).map(|(field, _)| *field).collect();
        let mut problems = Vec::new();
        match given[..] {
            [] => problems.push(
                FieldProblem::at(&[], "nothing says where the secret comes from")
                    .help("set one of `env`, `file` and `secret_manager`"),
            ),
            [_] => {}
            [first, second, ..] => problems.push(FieldProblem::at(
                &[second],
                format!("a secret comes from one place, and `{first}` names one already"),
            )),
        }
        let wrong =
            |field: &str, value: &Option<String>, is_right: fn(&str) -> bool, what: &str, help: &str| {
                let value = value.as_deref().filter(|value| !is_right(value))?;
                Some(FieldProblem::at(&[field], format!("`{value}` is not {what}")).help(help))
            };
        problems.extend(wrong(
            "env",
            &self.env,
            is_variable,
            "the name of a variable",
            "write it as \"API_TOKEN\"",
        ));
        problems.extend(wrong(
            "file",
            &self.file,
            |path| !path.is_empty(),
            "a path",
            "write it as \"secrets/token\"",
        ));
        let help = "write its name in the project, or \"projects/PROJECT/secrets/NAME\"";
        problems.extend(wrong(
            "secret_manager",
            &self.secret_manager,
            is_secret,
            "a secret of Secret Manager",
            help,
        ));
        let help = "write a number, an alias, or \"latest\"";
        problems.extend(wrong("version", &self.version, is_version, "a version", help));
        if self.version.is_some() && self.secret_manager.is_none() {
            problems.push(FieldProblem::at(&["version"], "only what Secret Manager keeps has versions"));
        }
        problems
    }

    /// A Secret in each cluster that has a job which uses it, in its namespace, which the job implies.
    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        let Some(source) = self.source(scope) else { return Ok(Vec::new()) };
        let clusters: Vec<&str> = clusters(key, scope).collect();
        let one = |cluster: &&str| {
            let address = address(key, cluster, scope);
            let namespace = Address::new("namespace", format!("{cluster}/{}", scope.prefix));
            let id = format!("{}/namespaces/{}/secrets/{key}", scope.cluster(cluster), scope.prefix);
            let desired = Desired::new(&address.key, id, &Secret::wanted(source.clone()))?;
            Ok(desired.inside(Address::new("cluster", *cluster)).after([namespace]))
        };
        clusters.iter().map(one).collect()
    }
}

impl SecretSpec {
    /// Where on this machine it is.
    fn source(&self, scope: &Scope) -> Option<Source> {
        let variable = self.env.clone().map(Source::Env);
        variable.or_else(|| self.file.as_ref().map(|path| Source::File(scope.folder.join(path))))
    }

    /// Its value, if it is on this machine.
    pub(crate) fn value(&self, scope: &Scope) -> Option<SecretString> {
        self.source(scope)?.read().ok()
    }

    /// Why its value cannot be had on this machine, and the key that says where it should be.
    pub(crate) fn unreadable(&self, scope: &Scope) -> Option<(&'static str, String)> {
        let field = if self.env.is_some() { "env" } else { "file" };
        let error = self.source(scope)?.read().err()?;
        Some((field, format!("{error:#}")))
    }
}

/// The clusters with jobs that use a secret.
fn clusters<'a>(key: &'a str, scope: &'a Scope) -> impl Iterator<Item = &'a str> {
    scope.secret_uses.iter().filter(move |(secret, _)| secret == key).map(|(_, cluster)| cluster.as_str())
}

/// The address of a secret in a cluster: the table's, unless there are several such clusters.
pub(super) fn address(key: &str, cluster: &str, scope: &Scope) -> Address {
    match clusters(key, scope).count() {
        0 | 1 => Address::new("secret", key),
        _ => Address::new("secret", format!("{cluster}/{key}")),
    }
}

/// The secrets of Secret Manager that the stack's workers may hold grants on: those of the file, and
/// those that live jobs are told of. Nothing on a grant says whose it is, so it is looked for there.
pub(super) async fn granted_on(cloud: &Cloud) -> Result<BTreeSet<String>> {
    let told = job::variables(cloud, environment::SECRETS).await?;
    let versions = told.iter().filter_map(|json| serde_json::from_str::<BTreeMap<String, String>>(json).ok());
    let of = |version: String| version.split("/versions/").next().unwrap_or_default().to_owned();
    let live = versions.flat_map(BTreeMap::into_values).map(of);
    Ok(cloud.secrets_of_the_file.iter().cloned().chain(live).collect())
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_secret(name: &str) -> bool {
    let plain = |id: &str| {
        (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    match name.split('/').collect::<Vec<_>>()[..] {
        [id] => plain(id),
        ["projects", project, "secrets", id] => plain(id) && !project.is_empty(),
        _ => false,
    }
}

fn is_version(version: &str) -> bool {
    let alias = version.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    alias && (1..=63).contains(&version.len())
}

#[cfg(test)]
mod tests;
