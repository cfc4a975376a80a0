//! Where a stack is read from: the file, the overlay beside it, and what the command line sets.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::problem::nearest;
use super::texts::{Layer, Texts};
use crate::text_file;

/// The texts of a stack, as the command line names them.
#[derive(Args, Clone, Debug)]
pub(crate) struct Source {
    /// The stack file.
    #[arg(short, long, default_value = "stack.toml", value_name = "PATH")]
    pub file: PathBuf,
    /// Lay `stack.NAME.toml`, beside the stack file, over it; the stack is then `<name>-NAME`.
    #[arg(long, value_name = "NAME", value_parser = env_name)]
    pub env: Option<String>,
    /// Set one key over the files: `job.fx.max_workers=3`. The value is TOML; any other word is a
    /// string. May be given again.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// The name of an environment becomes part of the name of a file, and of everything in the cloud.
fn env_name(name: &str) -> Result<String, String> {
    match super::parse::is_name(name, 20) {
        true => Ok(name.to_owned()),
        false => Err("at most 20 lower-case letters, digits and hyphens, beginning with a letter".to_owned()),
    }
}

impl Source {
    /// One file, without anything over it.
    pub(crate) fn file(path: &Path) -> Self {
        Self { file: path.to_owned(), env: None, set: Vec::new() }
    }

    /// The arguments that name the same texts in another command, for people to copy.
    pub(crate) fn words(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let file = (self.file != Path::new("stack.toml"))
            .then(|| format!(" --file {}", quoted(&self.file.to_string_lossy())));
        let env = self.env.as_ref().map(|env| format!(" --env {env}"));
        let set = self.set.iter().map(|set| format!(" --set {}", quoted(set)));
        file.into_iter().chain(env).chain(set).collect()
    }

    /// Reads the texts.
    pub(super) fn texts(&self) -> Result<Texts> {
        let mut texts = Texts::default();
        let path = self.file.display();
        let text = text_file::read(&self.file).with_context(|| {
            format!("cannot read {path}: is this the stack's folder? `--file PATH` names another file")
        })?;
        texts.push(Layer::File, path.to_string(), text);
        if let Some(env) = &self.env {
            let overlay = self.overlay(env);
            if !overlay.exists() {
                bail!("no {}: {}", overlay.display(), self.others(env));
            }
            let name = overlay.display().to_string();
            let text = text_file::read(&overlay).with_context(|| format!("cannot read {name}"))?;
            texts.push(Layer::Overlay, name, text);
        }
        for set in &self.set {
            texts.push(Layer::Flag, "--set", set);
        }
        Ok(texts)
    }

    /// `stack.NAME.toml`.
    fn overlay(&self, env: &str) -> PathBuf {
        let stem = self.file.file_stem().unwrap_or_default().to_string_lossy();
        let ending = self.file.extension().unwrap_or_default().to_string_lossy();
        self.file.with_file_name(format!("{stem}.{env}.{ending}"))
    }

    /// What to do where there is no such overlay.
    fn others(&self, env: &str) -> String {
        let stem = self.file.file_stem().unwrap_or_default().to_string_lossy();
        let ending = self.file.extension().unwrap_or_default().to_string_lossy();
        let (before, after) = (format!("{stem}."), format!(".{ending}"));
        let folder = self.file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = files.filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            Some(name.strip_prefix(&before)?.strip_suffix(&after)?.to_owned())
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        match (nearest(env, names.iter().map(String::as_str)), names.is_empty()) {
            (Some(near), _) => format!("did you mean `--env {near}`?"),
            (None, false) => format!("the environments here are {}", names.join(", ")),
            (None, true) => "what differs in this environment belongs there; it may be empty".to_owned(),
        }
    }
}
