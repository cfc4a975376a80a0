//! Asks the `worker` beside this program whether a stack's queries can be planned and its commands be
//! run: the engine is there, and nowhere else.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use contract::Handler;
use serde::Deserialize;
use serde_json::json;

use super::beside::{self, Given};
use crate::stack::{Project, Stack};

/// Longest that one query is planned.
const LIMIT: Duration = Duration::from_secs(30);

/// What `worker check` answers.
#[derive(Deserialize)]
struct Answer {
    diagnostics: Vec<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    field: String,
    message: String,
    span: Option<Place>,
    #[serde(default)]
    help: Vec<String>,
}

#[derive(Deserialize)]
struct Place {
    line: u64,
    column: u64,
}

/// Plans the query of every job; an error names the first that cannot be. Without a `worker` beside
/// this program nothing is checked, and the answer is `false`.
pub(super) async fn check(stack: &Stack) -> Result<bool> {
    let Some(worker) = beside::worker() else { return Ok(false) };
    let scope = stack.scope(Project { id: "project".into(), number: 0, local: true });
    for (key, job) in stack.jobs() {
        let config = job.config(&scope)?;
        let table = match config.handler {
            Handler::Etl(_) => "etl",
            Handler::Command(_) => "command",
            // What is in its configuration only the user's own worker knows.
            Handler::Library(_) => continue,
        };
        let question = json!({ "config": config });
        let answer = beside::ask::<Answer>(&worker, "check", &question, &Given::default(), LIMIT).await;
        let answer = answer.with_context(|| format!("cannot check job.{key}"))?;
        let told: Vec<String> = answer.diagnostics.iter().map(|told| told.shown(key, table)).collect();
        if !told.is_empty() {
            bail!("{}", told.join("\n"));
        }
    }
    Ok(true)
}

impl Diagnostic {
    fn shown(&self, job: &str, table: &str) -> String {
        let place = self.span.as_ref().map(|place| format!(" line {} column {}", place.line, place.column));
        let place = place.unwrap_or_default();
        let help = self.help.iter().fold(String::new(), |all, help| all + "\n  help: " + help);
        format!("job.{job}.{table}.{}{place}: {}{help}", self.field, self.message)
    }
}
