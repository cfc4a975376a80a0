//! `provision runs`, and the guard that keeps open runs from being torn down unasked.

use std::collections::HashSet;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use super::session::{Session, StackArgs};
use crate::exit::Exit;
use crate::plan::{Allowed, Plan, Refused};
use crate::report::{self, Format, run_show, runs_list};
use crate::runs::{Details, Store, Summary};

/// Lists and shows runs.
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
}

impl Runs {
    pub(super) async fn run(self) -> Result<Exit> {
        match self.command {
            Command::List { stack, format } => list(&stack.open().await?, format).await,
            Command::Show { run, stack, format } => show(&stack.open().await?, run.as_deref(), format).await,
        }
    }
}

async fn list(session: &Session, format: Format) -> Result<Exit> {
    let mut runs = Vec::new();
    for store in session.stores() {
        for summary in store.runs().await? {
            runs.push(store.standing(summary).await?);
        }
    }
    match format {
        Format::Text => report::data(&runs_list(&runs)),
        Format::Json => report::json(&runs),
    }
    Ok(Exit::Done)
}

async fn show(session: &Session, run: Option<&str>, format: Format) -> Result<Exit> {
    let mut last = None;
    for store in session.stores() {
        match store.named_or_newest(run).await {
            Ok(summary) => last = Some(details(session, &store, summary).await?),
            Err(error) if last.is_none() && session.stores().len() == 1 => return Err(error),
            Err(_) => {}
        }
    }
    let Some(details) = last else { bail!("no such run: `provision runs list` shows them") };
    match format {
        Format::Text => report::data(&run_show(&details)),
        Format::Json => report::json(&details),
    }
    Ok(Exit::Done)
}

/// A run with what is in flight, as far as its cluster still tells.
async fn details(session: &Session, store: &Store, summary: Summary) -> Result<Details> {
    let run = &summary.record.run;
    let alive = match (summary.closed.is_none(), session.job(Some(&summary.record.job))) {
        (true, Ok((_, job))) => session.cluster(job).await?.alive(run).await?,
        _ => HashSet::new(),
    };
    store.details(summary, &alive).await
}

/// What an open run stands on.
const UNDER_A_RUN: [&str; 7] =
    ["topic", "subscription", "bucket", "cluster", "node_pool", "namespace", "job"];

/// Refuses to take away what an open run stands on.
pub(super) async fn guard(session: &Session, plan: &Plan, allowed: Allowed) -> Result<()> {
    let hit: Vec<_> = plan
        .changes()
        .iter()
        .filter(|change| change.is_destructive() && UNDER_A_RUN.contains(&change.address.kind))
        .collect();
    if hit.is_empty() || allowed.interrupt_runs {
        return Ok(());
    }
    let mut refused = Vec::new();
    for store in session.stores() {
        for run in store.open().await? {
            let standing = store.standing(Summary { record: run.clone(), closed: None }).await?;
            if standing.done + standing.failed >= standing.items {
                // Nobody watched it to its end, and nothing of it is left to do.
                continue;
            }
            refused.push(format!(
                "run {} is open ({} items, since {}), and {} would be taken from under it: wait for it, or add --interrupt-runs",
                run.run, run.count, run.created.strftime("%F %T UTC"), hit[0].address
            ));
        }
    }
    if refused.is_empty() { Ok(()) } else { bail!(Refused(refused)) }
}
