//! The only place that prints: data to stdout, narration to stderr, complete without colour.

use std::collections::BTreeSet;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::{Mutex, OnceLock, PoisonError};

// Of a stack.
mod stack;
mod graph;
mod cost;
mod plan;
mod plan_json;
mod fields;
mod folded;
mod markdown;
mod apply;
mod stream;
mod status;
mod stacks;
mod remains;
mod permissions;
mod findings;

// Of runs.
mod progress;
mod runs;
mod failed;
mod logs;
mod account;
mod html;
mod chart;
mod stale;

// Of the local cloud.
mod local;
mod calls;

// What all of them write with.
mod style;
mod plain;

pub(crate) use account::account_text;
pub(crate) use apply::ApplyReport;
pub(crate) use calls::{calls_text, faults_text, points_text};
pub(crate) use cost::cost_as_data;
pub(crate) use failed::{failure_show, failures_list};
pub(crate) use findings::findings_text;
pub(crate) use graph::{graph_json, graph_mermaid};
pub(crate) use html::account_html;
pub(crate) use local::{grants_text, local_text};
pub(crate) use logs::{item_history, log_json, log_text};
pub(crate) use permissions::{permissions_json, permissions_text};
pub(crate) use plain::{plain, plain_lines};
pub(crate) use plan::{moved_text, plan_text};
pub(crate) use progress::{RunProgress, run_json, run_text};
pub(crate) use remains::remains_text;
pub(crate) use runs::{old_runs, publishing_interrupted, run_show, runs_list};
pub(crate) use stack::{one_line, quoted as toml_key, stack_json, stack_toml};
pub(crate) use stacks::stacks_text;
pub(crate) use stale::survey_text;
pub(crate) use status::status_text;
pub(crate) use stream::EventStream;
pub(crate) use style::Style;

/// How data is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a comment on a pull request: a summary, and details that fold, in 65,535 characters.
    Markdown,
}

/// How the account of a run is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AccountFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// One file for a browser, with charts: see --out.
    Html,
}

/// Why data was not written, the first time.
static UNWRITTEN: OnceLock<std::io::Error> = OnceLock::new();

/// Data, to stdout. A reader that has gone away is no error; a disk that is full is, see [`unwritten`].
pub(crate) fn data(text: &str) {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(UNWRITTEN.set(error)),
        _ => {}
    }
}

/// Why not all data is where it was to go: who reads it must not take a part for the whole.
pub(crate) fn unwritten() -> Option<&'static std::io::Error> {
    UNWRITTEN.get()
}

/// A JSON document, to stdout.
pub(crate) fn json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => data(&format!("{text}\n")),
        Err(error) => note(&format!("internal error: cannot write JSON: {error}")),
    }
}

/// A JSON document on one line, to stdout.
pub(crate) fn json_line(value: &impl serde::Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => data(&format!("{text}\n")),
        Err(error) => note(&format!("internal error: cannot write JSON: {error}")),
    }
}

/// A plan, to stdout.
pub(crate) fn plan(plan: &crate::plan::Plan, format: PlanFormat) {
    match format {
        PlanFormat::Text => data(&plan_text(plan, Style::of_stdout())),
        PlanFormat::Json => json(&plan_json::plan_json(plan)),
        PlanFormat::Markdown => data(&markdown::plan_markdown(plan)),
    }
}

/// A plan that is to be carried out, to stdout: to programs as the first of many lines.
pub(crate) fn planned(planned: &crate::plan::Plan, format: PlanFormat, stream: &EventStream) {
    match format {
        PlanFormat::Json => stream.plan(planned),
        PlanFormat::Text | PlanFormat::Markdown => plan(planned, format),
    }
}

/// Narration, to stderr.
pub(crate) fn note(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// A warning, to stderr.
pub(crate) fn warning(text: &str) {
    note(&format!("{}: {}", Style::of_stderr().yellow("warning"), plain_lines(text)));
}

/// A warning that may come up at several looks, told at the first.
pub(crate) fn warning_once(text: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned()) {
        warning(text);
    }
}

/// An error with everything that led to it, to stderr.
pub(crate) fn error(error: &anyhow::Error) {
    let style = Style::of_stderr();
    if let Some(invalid) = error.downcast_ref::<crate::stack::Invalid>() {
        note(invalid.render(style.is_on()).trim_end());
        return;
    }
    note(&format!("{}: {}", style.red("error"), plain_lines(&format!("{error:#}"))));
    if let Some(hint) = crate::cloud::advice::hint(error) {
        note(&format!("  hint: {}", plain_lines(&hint)));
    }
}

/// `1 item`, `2 items`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Asks on the terminal; `None` where there is nobody to ask.
pub(crate) fn ask(question: &str) -> Option<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
