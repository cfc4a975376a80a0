//! `provision failed`: the dead letters, and how they are tried again.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use contract::Failure;

use super::launch::LaunchArgs;
use super::session::{Session, StackArgs};
use crate::exit::Exit;
use crate::report::{self, Format, failure_show, failures_list};
use crate::runs::{self, Items, Store, Summary, matches};

/// Lists and shows failed items, and tries them again. What a retry has done since is not failed.
#[derive(Args)]
pub(super) struct Failed {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Failed items, a line each.
    List {
        #[command(flatten)]
        stack: StackArgs,
        #[command(flatten)]
        filter: Filter,
        /// How the list is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Everything about failed items: the whole error, and the last that they printed.
    Show {
        #[command(flatten)]
        stack: StackArgs,
        #[command(flatten)]
        filter: Filter,
        /// How they are written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Try failed items again, as a new run for each run that they failed in.
    Requeue {
        #[command(flatten)]
        stack: StackArgs,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        launch: LaunchArgs,
    },
}

/// Which failures.
#[derive(Args)]
struct Filter {
    /// Of this run; of all without it.
    #[arg(long)]
    run: Option<String>,
    /// Of items like this: `*` is any text, `?` any character.
    #[arg(long, value_name = "GLOB")]
    item: Option<String>,
    /// Whose error has this text in it, in upper or lower case.
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
}

/// The failures of one run that are asked for.
struct Group {
    store: Store,
    run: Summary,
    failures: Vec<Failure>,
}

impl Failed {
    pub(super) async fn run(self) -> Result<Exit> {
        let stack = match &self.command {
            Command::List { stack, .. } | Command::Show { stack, .. } | Command::Requeue { stack, .. } => {
                stack
            }
        };
        stack.clone().or_why(self.carry_out(&stack.clone())).await
    }

    async fn carry_out(&self, stack: &StackArgs) -> Result<Exit> {
        match &self.command {
            Command::List { filter, format, .. } => {
                list(&filter.failures(&stack.open().await?).await?, *format);
                Ok(Exit::Done)
            }
            Command::Show { filter, format, .. } => {
                show(&filter.failures(&stack.open().await?).await?, *format);
                Ok(Exit::Done)
            }
            Command::Requeue { filter, launch, .. } => {
                let session = stack.open_to_run().await?;
                requeue(&session, filter.failures(&session).await?, launch).await
            }
        }
    }
}

impl Filter {
    async fn failures(&self, session: &Session) -> Result<Vec<Group>> {
        if let Some(run) = &self.run {
            // Says so if there is no such run.
            session.run(Some(run), |_| true).await?;
        }
        session.take_dead_letters().await?;
        let mut groups = Vec::new();
        for store in session.stores().await? {
            let all = store.runs().await?;
            for run in all.iter().filter(|run| self.run.as_ref().is_none_or(|id| *id == run.record.run.0)) {
                let mut failures = runs::failures(&store, &all, &run.record.run, self.run.is_none()).await?;
                failures.retain(|failure| self.wants(failure));
                if !failures.is_empty() {
                    groups.push(Group { store: store.clone(), run: run.clone(), failures });
                }
            }
        }
        groups.sort_by_key(|group| group.run.record.created);
        Ok(groups)
    }

    fn wants(&self, failure: &Failure) -> bool {
        let says = |text: &String| failure.message.to_lowercase().contains(&text.to_lowercase());
        self.item.as_ref().is_none_or(|pattern| matches(pattern, &failure.item.0))
            && self.error.as_ref().is_none_or(says)
    }
}

fn list(groups: &[Group], format: Format) {
    tell(groups, format, failures_list);
}

fn show(groups: &[Group], format: Format) {
    tell(groups, format, |failures| match failures {
        [] => failures_list(failures),
        failures => failures.iter().map(|failure| failure_show(failure)).collect::<Vec<_>>().join("\n"),
    });
}

fn tell(groups: &[Group], format: Format, text: impl Fn(&[&Failure]) -> String) {
    let failures: Vec<&Failure> = groups.iter().flat_map(|group| &group.failures).collect();
    match format {
        Format::Text => report::data(&text(&failures)),
        Format::Json => report::json(&failures),
    }
}

/// One run after the other; the worst end is the command's.
async fn requeue(session: &Session, groups: Vec<Group>, launch: &LaunchArgs) -> Result<Exit> {
    if let Some(open) = groups.iter().find(|group| group.run.closed.is_none()) {
        bail!("run {} is open: wait for its end, or name another with --run", open.run.record.run);
    }
    if groups.is_empty() {
        report::note("no failed item is like that");
    }
    let mut worst = Exit::Done;
    for Group { store, run, failures } in groups {
        let (old, job) = (run.record.run, run.record.job);
        let items = Items::again(runs::lines_of(&store, &old, &failures).await?);
        let exit = launch.launch(session, Some(&job), &items, Some(old), std::future::pending()).await?;
        if exit == Exit::Interrupted {
            return Ok(exit);
        }
        if exit as u8 > worst as u8 {
            worst = exit;
        }
    }
    Ok(worst)
}
