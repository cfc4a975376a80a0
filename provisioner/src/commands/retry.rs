//! `provision runs retry`.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use contract::{Handler, HeaderValue, HttpConfig, Input, InputState, RunId, RunRecord};
use futures::FutureExt as _;
use serde_json::json;

use super::beside::{self, Given};
use super::launch::LaunchArgs;
use super::session::{Session, StackArgs};
use crate::exit::Exit;
use crate::report::{self, counted, survey_text};
use crate::runs::{self, Items, Sources, Store, Survey, Which};

/// Longest that the web is asked for one batch of inputs.
const LIMIT: Duration = Duration::from_mins(10);
/// Items that a dry run names.
const NAMED: usize = 20;

/// Tries items of a run again.
#[derive(Args)]
pub(super) struct Retry {
    /// The run; the newest without it.
    run: Option<String>,
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// Which of its items.
    #[arg(long, value_enum, default_value_t)]
    only: Which,
    /// With `--only stale`: those too of which it cannot be told.
    #[arg(long)]
    include_unknown: bool,
    /// Only say which items these are.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    launch: LaunchArgs,
}

impl Retry {
    pub(super) async fn run(&self, session: &Session) -> Result<Exit> {
        let (store, summary) = session.run(self.run.as_deref(), |_| true).await?;
        let record = summary.record;
        if summary.closed.is_none() {
            bail!("run {} is open: wait for its end, or `provision runs cancel` it first", record.run);
        }
        let lines = match self.only {
            Which::Stale => self.stale(session, &store, &record).await?.chosen,
            only => runs::select(&store, &record.run, only).await?,
        };
        if lines.is_empty() {
            report::note(&format!("run {}: nothing is left to try again", record.run));
            return Ok(Exit::Done);
        }
        if self.dry_run {
            let named = lines.iter().take(NAMED).map(|line| format!("  {}\n", line.item.0.escape_debug()));
            let more = lines.len().saturating_sub(NAMED);
            let more = if more > 0 { format!("  and {more} more\n") } else { String::new() };
            report::data(&format!(
                "{} would be tried again:\n{}{more}",
                counted(lines.len() as u64, "item"),
                named.collect::<String>()
            ));
            return Ok(Exit::Done);
        }
        let (items, nothing) = (Items::again(lines), std::future::pending());
        self.launch.launch(session, Some(&record.job), &items, Some(record.run.clone()), nothing).await
    }

    async fn stale(&self, session: &Session, store: &Store, record: &RunRecord) -> Result<Survey> {
        let pins = LaunchArgs::pins(session, &record.job).await?;
        let folder = session.cloud.project.local.then(|| session.stack.folder().to_owned());
        let http = match &record.config.handler {
            Handler::Etl(etl) => etl.http.clone(),
            Handler::Command(_) | Handler::Library(_) => None,
        };
        let headers = http.iter().flat_map(|http| http.headers.values());
        let secrets = headers.filter_map(|header| match header {
            HeaderValue::Secret(reference) => Some(reference.secret.as_str()),
            HeaderValue::Text(_) => None,
        });
        let given =
            Given { root: folder.clone(), secrets: session.stack.secret_variables(&secrets.collect()) };
        let ask = move |inputs: Vec<Input>| ask_the_web(inputs, http.clone(), given.clone()).boxed();
        let sources = Sources::new(&store.bucket, folder, Box::new(ask));
        let run: &RunId = &record.run;
        let survey = runs::survey(store, run, &pins, &sources, self.include_unknown).await?;
        report::note(&survey_text(run, &survey, self.include_unknown));
        Ok(survey)
    }
}

/// Asks by way of the `worker` beside this program: it knows whom the job may ask, and how.
async fn ask_the_web(inputs: Vec<Input>, http: Option<HttpConfig>, given: Given) -> Result<Vec<InputState>> {
    let unknown = |why: &str| Ok(vec![InputState::Unknown(why.to_owned()); inputs.len()]);
    let Some(worker) = beside::worker() else {
        return unknown("there is no `worker` beside this program that could ask for its page");
    };
    let question = json!({ "http": http, "inputs": inputs });
    let states: Vec<InputState> = beside::ask(&worker, "revisit", &question, &given, LIMIT).await?;
    if states.len() == inputs.len() {
        Ok(states)
    } else {
        unknown("`worker revisit` answered something else")
    }
}
