//! What a table may know of the rest of its stack: names, places, labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use super::{Header, Labels, Lifetime};
use crate::cloud::{EXPIRES, PROTECT};
use crate::full_name;
use crate::kinds::Kept;
use crate::resource::{Address, Desired};

/// A Google Cloud project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Project {
    /// `my-project`.
    pub id: String,
    /// `123456789012`; 0 as long as no cloud was asked.
    pub number: u64,
    /// Whether it is the local cloud's.
    pub local: bool,
}

impl Project {
    /// Its full name: `projects/my-project`.
    pub(crate) fn path(&self) -> String {
        format!("projects/{}", self.id)
    }
}

/// A reference by key from one table to another.
pub(crate) struct Reference {
    /// The path of the key that refers, below its table.
    pub field: &'static [&'static str],
    /// The table referred to.
    pub table: &'static str,
    /// The key referred to.
    pub key: String,
}

/// Something wrong with one key of a table.
pub(crate) struct FieldProblem {
    /// The path of the key, below its table; empty for the table itself.
    pub field: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl FieldProblem {
    pub(crate) fn at(field: &[&str], message: impl Into<String>) -> Self {
        let field = field.iter().map(|&f| f.to_owned()).collect();
        Self { field, message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// The names of one stack in one project.
pub(crate) struct Scope {
    /// The stack's owner name.
    pub owner: String,
    /// What names in the cloud begin with, and the namespace in clusters: its name, or its first one.
    pub prefix: String,
    /// The project.
    pub project: Project,
    /// The stack's region.
    pub region: String,
    /// The stack's zone.
    pub zone: Option<String>,
    /// Labels of everything.
    pub labels: Labels,
    expires: Option<Lifetime>,
    protect: Vec<String>,
    /// The folder that paths are relative to.
    pub folder: PathBuf,
    /// Every node pool, by `CLUSTER/POOL`.
    pub pools: BTreeMap<String, PoolFacts>,
    /// The key of each subscription's topic.
    pub topic_of: BTreeMap<String, String>,
    /// The ack deadline of each subscription, in seconds.
    pub lease_of: BTreeMap<String, u64>,
    /// By key of a subscription: the longest that it holds a message back, in seconds.
    pub backoff_of: BTreeMap<String, u64>,
    /// The keys of subscriptions that imply what their dead letters need.
    pub dead_lettered: BTreeSet<String>,
    /// How long each subscription keeps a message, in seconds.
    pub retention_of: BTreeMap<String, u64>,
    /// By key of a bucket that holds runs: the longest that one may take, in seconds.
    pub longest_run_in: BTreeMap<String, u64>,
    /// Who hands each secret to workers, by its key.
    pub secrets: BTreeMap<String, Kept>,
    /// Each secret that a job uses, with the job's cluster, by their keys.
    pub secret_uses: BTreeSet<(String, String)>,
    names: BTreeMap<(&'static str, String), Option<String>>,
}

/// What a job needs to know of the pool that it runs in.
pub(crate) struct PoolFacts {
    /// Its machine type.
    pub machine_type: String,
    /// Whether its nodes may vanish.
    pub spot: bool,
    /// Fewest nodes that it may have.
    pub min_nodes: u32,
    /// Most nodes that it may have.
    pub max_nodes: u32,
}

impl Scope {
    pub(super) fn new<'a>(
        header: &Header,
        folder: &Path,
        project: Project,
        tables: impl Iterator<Item = (&'static str, &'a str, Option<&'a str>)>,
    ) -> Self {
        Self {
            owner: header.name.clone(),
            prefix: header.prefix().to_owned(),
            project,
            region: header.region.clone(),
            zone: header.zone.clone(),
            labels: header.labels.clone(),
            expires: header.expires,
            protect: header.protect.clone(),
            folder: folder.to_owned(),
            pools: BTreeMap::new(),
            topic_of: BTreeMap::new(),
            lease_of: BTreeMap::new(),
            backoff_of: BTreeMap::new(),
            dead_lettered: BTreeSet::new(),
            retention_of: BTreeMap::new(),
            longest_run_in: BTreeMap::new(),
            secrets: BTreeMap::new(),
            secret_uses: BTreeSet::new(),
            names: tables.map(|(t, k, n)| ((t, k.to_owned()), n.map(str::to_owned))).collect(),
        }
    }

    /// Whether the file has `[table.key]`.
    pub(crate) fn has(&self, table: &'static str, key: &str) -> bool {
        self.names.contains_key(&(table, key.to_owned()))
    }

    /// The keys of a table.
    pub(crate) fn keys(&self, table: &'static str) -> impl Iterator<Item = &str> {
        self.names.keys().filter(move |(t, _)| *t == table).map(|(_, key)| key.as_str())
    }

    /// What the cloud calls `[table.key]`: its `name`, or `<prefix>-<key>`.
    pub(crate) fn name(&self, table: &'static str, key: &str) -> String {
        let named = self.names.get(&(table, key.to_owned())).cloned().flatten();
        named.unwrap_or_else(|| match table {
            "api" => format!("{key}.googleapis.com"),
            // Bucket names are global.
            "bucket" => format!("{}-{}-{key}", self.project.id, self.prefix),
            _ => format!("{}-{key}", self.prefix),
        })
    }

    /// `projects/P/topics/T`.
    pub(crate) fn topic(&self, key: &str) -> String {
        format!("{}/topics/{}", self.project.path(), self.name("topic", key))
    }

    /// `projects/P/subscriptions/S`.
    pub(crate) fn subscription(&self, key: &str) -> String {
        format!("{}/subscriptions/{}", self.project.path(), self.name("subscription", key))
    }

    /// The e-mail of a service account.
    pub(crate) fn email(&self, account: &str) -> String {
        format!("{account}@{}.iam.gserviceaccount.com", self.project.id)
    }

    /// `projects/P/locations/L/clusters/C`. The location is the stack's zone, or its region.
    pub(crate) fn cluster(&self, key: &str) -> String {
        let location = self.zone.as_ref().unwrap_or(&self.region);
        full_name::cluster_id(&self.project.id, location, &self.name("cluster", key))
    }

    /// The labels of `[table.key]`: the stack's, its own, and what must be known of it without the file.
    pub(crate) fn labels(&self, table: &'static str, key: &str, own: &Labels) -> Labels {
        let address = Address::new(table, key).to_string();
        let expires = self.expires.map(|time| (EXPIRES.to_owned(), time.to_string()));
        let protected = self.protect.contains(&address).then(|| (PROTECT.to_owned(), "yes".to_owned()));
        let written = self.labels.iter().chain(own).map(|(k, v)| (k.clone(), v.clone()));
        written.chain(expires).chain(protected).collect()
    }
}

impl Desired {
    /// A resource of the file.
    pub(crate) fn new<T: crate::kinds::Kind>(key: &str, id: String, fields: &T) -> Result<Self> {
        Ok(Self {
            address: Address::new(T::NAME, key),
            id,
            fields: to_fields(fields)?,
            needs: Vec::new(),
            inside: None,
            implied_by: None,
            existing: false,
            spec: None,
        })
    }

    /// The same, after others.
    #[must_use]
    pub(crate) fn after(mut self, needs: impl IntoIterator<Item = Address>) -> Self {
        self.needs.extend(needs);
        self
    }

    /// The same, inside another, which must be there first.
    #[must_use]
    pub(crate) fn inside(self, container: Address) -> Self {
        Self { inside: Some(container.clone()), ..self.after([container]) }
    }

    /// The same, as something that `by` implies.
    #[must_use]
    pub(crate) fn implied(self, by: &Address) -> Self {
        Self { implied_by: Some(by.clone()), ..self }
    }
}

fn to_fields<T: Serialize>(fields: &T) -> Result<serde_json::Value> {
    Ok(serde_json::to_value(fields)?)
}
