//! `provision runs`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use contract::{Outcome, RunRecord};
use jiff::Timestamp;

use super::carry_out::agree;
use super::launch::{ended, follow, time};
use super::retry::Retry;
use super::session::{Session, StackArgs};
use crate::exit::Exit;
use crate::report::{
    self, AccountFormat, Format, account_html, account_text, old_runs, run_show, run_text, runs_list,
};
use crate::runs::{self, Details, RunStatus, Store, Summary, backing_off, why_nothing_moves};

/// Lists, shows and follows runs; cancels them, tries their items again, and removes old records.
#[derive(Args)]
pub(super) struct Runs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// All runs, oldest first.
    List {
        #[command(flatten)]
        stack: StackArgs,
        /// How the list is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// One run: how it stands, what is in flight, what failed.
    Show {
        /// The run; the newest without it.
        run: Option<String>,
        #[command(flatten)]
        stack: StackArgs,
        /// How it is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// What a run came to: speed, attempts, wasted time, nodes, estimated cost; open or ended.
    Report {
        /// The run; the newest without it.
        run: Option<String>,
        #[command(flatten)]
        stack: StackArgs,
        /// How it is written.
        #[arg(long, value_enum, default_value_t)]
        format: AccountFormat,
        /// The file that it is written to, instead of stdout.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Follow a run to its end and report, as `run` does. Ctrl-C leaves it running.
    Watch {
        /// The run; the newest open one without it, or else the newest.
        run: Option<String>,
        #[command(flatten)]
        stack: StackArgs,
        /// How the report is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// End a run: what is done stays, what is not is not begun any more.
    Cancel {
        /// The run; the newest open one without it.
        run: Option<String>,
        #[command(flatten)]
        stack: StackArgs,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Try items of a run again that it has not done, or that would come out otherwise today, as a new
    /// run, with the job as the stack file has it now.
    Retry(Retry),
    /// Remove the records of runs that ended long ago; outputs stay.
    #[command(long_about = "Remove the records of runs that ended long ago; outputs stay.

An open run's are never removed. A run that was cancelled, ran out of time or stalled keeps its records for 31 days: so \
                            long its messages may be in the queue.")]
    Prune {
        /// How long ago: `90d`.
        #[arg(long, value_name = "TIME", value_parser = time)]
        older_than: Duration,
        #[command(flatten)]
        stack: StackArgs,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
        /// How the list is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

impl Runs {
    pub(super) async fn run(self) -> Result<Exit> {
        let stack = self.stack().clone();
        stack.or_why(self.carry_out()).await
    }

    fn stack(&self) -> &StackArgs {
        match &self.command {
            Command::List { stack, .. }
            | Command::Show { stack, .. }
            | Command::Report { stack, .. }
            | Command::Watch { stack, .. }
            | Command::Cancel { stack, .. }
            | Command::Retry(Retry { stack, .. })
            | Command::Prune { stack, .. } => stack,
        }
    }

    async fn carry_out(self) -> Result<Exit> {
        let session = match &self.command {
            Command::Retry(retry) => retry.stack.open_to_run().await?,
            _ => self.stack().open().await?,
        };
        match self.command {
            Command::List { format, .. } => list(&session, format).await,
            Command::Show { run, format, .. } => show(&session, run.as_deref(), format).await,
            Command::Report { run, format, out, .. } => {
                account(&session, run.as_deref(), format, out.as_deref()).await
            }
            Command::Watch { run, format, .. } => watch(&session, run.as_deref(), format).await,
            Command::Cancel { run, yes, .. } => cancel(&session, run.as_deref(), yes).await,
            Command::Retry(retry) => retry.run(&session).await,
            Command::Prune { older_than, yes, format, .. } => prune(&session, older_than, yes, format).await,
        }
    }
}

async fn list(session: &Session, format: Format) -> Result<Exit> {
    let mut runs = Vec::new();
    for store in session.stores().await? {
        for summary in store.runs().await? {
            runs.push(store.status(summary).await?);
        }
    }
    runs.sort_by_key(|run| run.created);
    match format {
        Format::Text => report::data(&runs_list(&runs)),
        Format::Json => report::json(&runs),
    }
    Ok(Exit::Done)
}

async fn show(session: &Session, run: Option<&str>, format: Format) -> Result<Exit> {
    let (store, summary) = session.run(run, |_| true).await?;
    let details = details(session, &store, summary).await?;
    match format {
        Format::Text => report::data(&run_show(&details)),
        Format::Json => report::json(&details),
    }
    Ok(Exit::Done)
}

async fn account(
    session: &Session,
    run: Option<&str>,
    format: AccountFormat,
    out: Option<&Path>,
) -> Result<Exit> {
    let (store, summary) = session.run(run, |_| true).await?;
    let account = store.account(summary, Timestamp::now()).await?;
    let text = match format {
        AccountFormat::Text => account_text(&account),
        AccountFormat::Html => account_html(&account),
        AccountFormat::Json => serde_json::to_string_pretty(&account)? + "\n",
    };
    match out {
        None => report::data(&text),
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(Exit::Done)
}

/// A run with what is in flight, as far as its cluster still tells.
async fn details(session: &Session, store: &Store, summary: Summary) -> Result<Details> {
    let record = summary.record.clone();
    let cluster = match summary.closed {
        None => session.cluster_of(&record).await?,
        Some(_) => None,
    };
    let alive = match &cluster {
        Some(cluster) => cluster.alive(&record.run).await?,
        None => HashSet::new(),
    };
    let mut details = store.details(summary, &alive).await?;
    details.reasons = reasons(session, &record, &details.status).await?;
    if details.status.stands_still(Timestamp::now()) {
        details.reasons.extend(backing_off(&store.bucket, &record.run).await?);
    }
    Ok(details)
}

/// Why a run stands still, if it does.
pub(super) async fn reasons(session: &Session, run: &RunRecord, status: &RunStatus) -> Result<Vec<String>> {
    if !status.stands_still(Timestamp::now()) {
        return Ok(Vec::new());
    }
    match session.cluster_of(run).await? {
        Some(cluster) => why_nothing_moves(&cluster, &run.run).await,
        None if session.job(Some(&run.job)).is_err() => {
            Ok(vec![format!("job.{} is not in the file any more, and no cluster has the run's Job", run.job)])
        }
        None => Ok(vec![format!("the cluster of job.{} is not there", run.job)]),
    }
}

async fn watch(session: &Session, run: Option<&str>, format: Format) -> Result<Exit> {
    let found = match run {
        None => session.run(None, |run| run.closed.is_none()).await,
        Some(run) => session.run(Some(run), |_| true).await,
    };
    let (store, summary) = match (found, run) {
        (Err(_), None) => session.run(None, |_| true).await?,
        (found, _) => found?,
    };
    match &summary.closed {
        Some(closed) => ended(session, &store, &summary.record, closed, format).await,
        None => follow(session, &store, &summary.record, format).await,
    }
}

async fn cancel(session: &Session, run: Option<&str>, yes: bool) -> Result<Exit> {
    let found = session.run(run, |run| run.closed.is_none()).await;
    let (store, Summary { record, closed, cancelled }) = match run {
        Some(_) => found?,
        None => found.context("no run is open")?,
    };
    let closed = match (closed, cancelled) {
        (Some(closed), _) if closed.outcome == Outcome::Cancelled => closed,
        (Some(_), _) => bail!("run {} has ended already: `provision runs show` tells how", record.run),
        (None, cancelled) => {
            if cancelled.is_none() && !yes {
                agree(&format!("cancel run {} of {} items", record.run, record.count))?;
            }
            let cancelled = runs::cancel(&store, &record.run).await?;
            report::note(&format!("run {}: cancelled; waiting for its workers to leave", record.run));
            let cluster = session.cluster_of(&record).await?;
            runs::wind_up(&store, cluster.as_ref(), &record, &cancelled).await?
        }
    };
    let rejected = store.rejected(&record.run).await?;
    report::data(&run_text(&record, &closed, rejected, &session.words));
    Ok(Exit::Done)
}

async fn prune(session: &Session, older_than: Duration, yes: bool, format: Format) -> Result<Exit> {
    let mut old = Vec::new();
    for store in session.stores().await? {
        let found = runs::old(&store, older_than, Timestamp::now()).await?;
        old.extend(found.into_iter().map(|run| (store.clone(), run)));
    }
    let listed: Vec<_> = old.iter().map(|(_, run)| run).collect();
    match format {
        Format::Text => report::data(&old_runs(&listed)),
        Format::Json => report::json(&listed),
    }
    if old.is_empty() {
        return Ok(Exit::Done);
    }
    if !yes {
        agree(&format!("remove the records of {} runs", old.len()))?;
    }
    for (store, run) in &old {
        runs::remove(store, run).await?;
    }
    report::note(&format!("removed the records of {} runs; outputs stay", old.len()));
    Ok(Exit::Done)
}
