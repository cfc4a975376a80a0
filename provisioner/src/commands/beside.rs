//! The `worker` program beside this one: it holds what this program does not link, the engine and the
//! rules by which the web may be asked. Question and answer are JSON.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use contract::environment::LOCAL_ROOT;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The program, if it is there.
pub(super) fn worker() -> Option<PathBuf> {
    let worker = std::env::current_exe().ok()?.with_file_name("worker");
    worker.is_file().then_some(worker)
}

/// What the program is given beside its question.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// The folder that `file:` means, where everything is local.
    pub(super) root: Option<PathBuf>,
    /// Secrets, by the variables that workers find them in.
    pub(super) secrets: Vec<(String, SecretString)>,
}

/// What a command of `worker` answers within `limit`.
pub(super) async fn ask<T: DeserializeOwned>(
    worker: &Path,
    command: &str,
    question: &Value,
    given: &Given,
    limit: Duration,
) -> Result<T> {
    let mut process = Command::new(worker);
    process
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if let Some(root) = &given.root {
        process.env(LOCAL_ROOT, root);
    }
    process.envs(given.secrets.iter().map(|(variable, value)| (variable, value.expose_secret())));
    let mut child = process.spawn().with_context(|| format!("cannot run {}", worker.display()))?;
    let mut input = child.stdin.take().context("the worker takes no question")?;
    let question = question.to_string();
    let answer = async {
        input.write_all(question.as_bytes()).await?;
        drop(input);
        child.wait_with_output().await
    };
    let answer = tokio::time::timeout(limit, answer).await;
    let answer = answer.with_context(|| format!("no answer for {} s", limit.as_secs()))??;
    serde_json::from_slice(&answer.stdout).with_context(|| format!("`worker {command}` did not answer"))
}
