//! stack.toml, from text to desired resources. Talks to no cloud.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::AnyDeclared;
use crate::resource::{Address, Desired};

mod assignment;
mod effective;
#[cfg(test)]
mod invalid;
mod layers;
#[cfg(test)]
mod overlays;
mod parse;
mod problem;
pub(crate) mod read;
mod rename;
mod schema;
mod scope;
mod secrets;
mod source;
#[cfg(test)]
mod tests;
mod texts;
mod values;

pub(crate) use effective::{Effective, Origin};
pub(crate) use parse::stack_name;
pub(crate) use problem::nearest;
pub(crate) use problem::{Invalid, Problem};
pub(crate) use rename::renamed;
pub(crate) use schema::json_schema;
pub(crate) use scope::Project;
pub(crate) use scope::{FieldProblem, PoolFacts, Reference, Scope};
pub(crate) use source::Source;
pub(crate) use values::{AnyTime, Seconds, parse_time};

/// How long one change may take.
pub(crate) type Timeout = Seconds<1, 86_400>;

/// How long a stack is meant to live.
pub(crate) type Lifetime = Seconds<1, 31_536_000>;

/// Longest value of a label.
const LONGEST_LABEL: usize = 63;

/// Labels, as Google's services take them.
pub(crate) type Labels = BTreeMap<String, String>;

/// `[stack]`: what holds for the whole file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// The stack's name: the owner of everything in it, and the first part of every name in the cloud.
    pub name: String,
    /// What names in the cloud begin with, and the namespace in clusters, if that is not the stack's
    /// name: `provision rename` writes it, since nothing in the cloud can be called otherwise later.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The Google Cloud project. Without it, `--project` or `GOOGLE_CLOUD_PROJECT` names it.
    #[serde(default)]
    pub project: Option<String>,
    /// The region of buckets and clusters, unless they say otherwise.
    pub region: String,
    /// The zone of clusters; without it they are regional.
    #[serde(default)]
    pub zone: Option<String>,
    /// Labels of everything that takes labels.
    #[serde(default)]
    pub labels: Labels,
    /// Addresses that are never deleted or replaced.
    #[serde(default)]
    pub protect: Vec<String>,
    /// How long the stack is meant to live, up to a year, counted from its oldest bucket
    /// or cluster: `provision teardown --expired` deletes what is older.
    #[serde(default)]
    pub expires: Option<Lifetime>,
}

impl Header {
    /// What names in the cloud begin with.
    pub(crate) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or(&self.name)
    }
}

/// A stack file that was read and found valid.
pub(crate) struct Stack {
    /// The stack file that it was read from.
    pub path: PathBuf,
    /// The environment that is part of its name.
    env: Option<String>,
    /// Its `[stack]` table.
    pub header: Header,
    declared: Vec<Declared>,
    written: effective::Written,
}

/// One table of the file, `[topic.items]`.
struct Declared {
    table: &'static str,
    key: String,
    name: Option<String>,
    existing: bool,
    timeout: Option<Timeout>,
    spec: Box<dyn AnyDeclared>,
}

impl Stack {
    /// Reads and checks a stack. All of its problems come at once, as an [`Invalid`].
    pub(crate) fn read(source: &Source) -> Result<Self> {
        Ok(parse::stack(&source.file, source.env.as_deref(), source.texts()?)?)
    }

    /// A stack that no file describes: its owner's name, and nothing in it.
    pub(crate) fn unwritten(path: &Path, owner: &str) -> Result<Self, String> {
        // A name is part of nothing here but labels to compare with; none matches no stack.
        if !owner.is_empty() && !parse::is_name(owner, LONGEST_LABEL) {
            return Err(format!("`{owner}` cannot be the name of a stack"));
        }
        let header = Header {
            name: owner.to_owned(),
            prefix: None,
            project: None,
            region: String::new(),
            zone: None,
            labels: Labels::new(),
            protect: Vec::new(),
            expires: None,
        };
        let (declared, written) = (Vec::new(), effective::Written::default());
        Ok(Self { path: path.to_owned(), env: None, header, declared, written })
    }

    /// Checks a file's text. Never panics, whatever the text.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, Invalid> {
        let mut texts = texts::Texts::default();
        texts.push(texts::Layer::File, path.display().to_string(), text);
        parse::stack(path, None, texts)
    }

    /// Checks a file, an overlay and assignments, all by their texts.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of_texts(
        path: &Path,
        file: &str,
        overlay: Option<&str>,
        sets: &[String],
    ) -> Result<Self, Invalid> {
        let mut texts = texts::Texts::default();
        texts.push(texts::Layer::File, path.display().to_string(), file);
        if let Some(overlay) = overlay {
            texts.push(texts::Layer::Overlay, "overlay", overlay);
        }
        for set in sets {
            texts.push(texts::Layer::Flag, "--set", set);
        }
        parse::stack(path, overlay.map(|_| "env"), texts)
    }

    /// Whether no file describes it.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.declared.is_empty() && self.header.region.is_empty()
    }

    /// The owner that everything of the stack is marked with.
    #[must_use]
    pub(crate) fn owner(&self) -> &str {
        &self.header.name
    }

    /// The same, under another name, which names in the cloud do not begin with.
    pub(crate) fn called(mut self, owner: &str, prefix: &str) -> Self {
        owner.clone_into(&mut self.header.name);
        self.header.prefix = Some(prefix.to_owned());
        self
    }

    /// The folder that paths in the file are relative to.
    #[must_use]
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// What the stack wants of a project, implied resources included.
    pub(crate) fn resources(&self, project: &Project) -> Result<Vec<Desired>> {
        let scope = self.scope(project.clone());
        let mut all: Vec<Desired> = Vec::new();
        for declared in &self.declared {
            let mut resources = declared.spec.resources(&declared.key, &scope)?;
            if let Some(own) = resources.first_mut().filter(|_| declared.existing) {
                own.existing = true;
            }
            if declared.existing {
                resources.truncate(1);
            }
            let written = self.written_in(declared)?;
            for resource in resources.iter_mut().filter(|resource| resource.spec.is_none()) {
                // A stack that is renamed says what it said.
                let fields = crate::kinds::unowned(&resource.fields);
                resource.spec = Some(crate::cause::spec(&written, &fields));
            }
            all.extend(resources);
        }
        // Two jobs imply one namespace: the first to imply it stands for all.
        let mut seen = std::collections::HashSet::new();
        all.retain(|resource| seen.insert(resource.address.clone()));
        Ok(all)
    }

    /// What the file uses without owning it.
    pub(crate) fn only_used(&self, project: &Project) -> Result<Vec<Desired>> {
        let scope = self.scope(project.clone());
        let used = self.declared.iter().filter(|declared| declared.existing);
        let all = used.map(|declared| declared.spec.resources(&declared.key, &scope));
        let own = all.map(|resources| Ok(resources?.into_iter().next()));
        own.filter_map(Result::transpose).collect()
    }

    /// How long a change of each resource may take, where the file says so.
    pub(crate) fn timeouts(&self, project: &Project) -> BTreeMap<Address, Duration> {
        let scope = self.scope(project.clone());
        let limited = self.declared.iter().filter_map(|declared| Some((declared, declared.timeout?)));
        let each = limited.flat_map(|(declared, timeout)| {
            // What cannot be wanted as it is can still be deleted.
            let resources = declared.spec.resources(&declared.key, &scope).unwrap_or_default();
            let timeout = Duration::from_secs(timeout.get());
            resources.into_iter().map(move |resource| (resource.address, timeout))
        });
        each.collect()
    }

    /// What people wrote of a table and of what holds for all.
    fn written_in(&self, declared: &Declared) -> Result<serde_json::Value> {
        let mut path = vec![declared.table.to_owned(), declared.key.clone()];
        let is_written = |path: &[String]| self.written.has(path);
        let own = crate::cause::written(&declared.spec.written()?, &mut path, &is_written);
        let Header { region, zone, labels, .. } = &self.header;
        Ok(serde_json::json!([own, declared.name, region, zone, labels]))
    }

    /// The jobs, by key.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = (&str, &crate::kinds::JobSpec)> {
        self.declared.iter().filter_map(|d| Some((d.key.as_str(), d.spec.as_any().downcast_ref()?)))
    }

    /// The names of the stack in a project.
    pub(crate) fn scope(&self, project: Project) -> Scope {
        let tables = self.declared.iter().map(|d| (d.table, d.key.as_str(), d.name.as_deref()));
        let mut scope = Scope::new(&self.header, self.folder(), project, tables);
        for declared in &self.declared {
            declared.spec.introduce(&declared.key, &mut scope);
        }
        scope
    }
}
