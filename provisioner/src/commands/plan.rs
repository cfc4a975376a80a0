//! `provision plan`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use super::grow::with_growths;
use super::guard::{Look, refusals};
use super::session::StackArgs;
use crate::exit::Exit;
use crate::options::Options;
use crate::plan::{self, Allowed};
use crate::report::{self, PlanFormat};
use crate::saved;

/// Shows what apply would change.
#[derive(Args)]
#[command(after_help = "Examples:
  provision plan --env prod --project my-project
  provision plan --set cluster.main.pool.workers.max_nodes=20
  provision plan --out plan.json && provision apply plan.json    exactly what was shown
  provision plan --format markdown | gh pr comment --body-file -")]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// How the plan is written.
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
    /// Exit with 2 if there are changes, 0 if there are none, 1 on an error.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Write the plan to a file, too: `provision apply FILE` carries out exactly it.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only what may have been changed outside of the file: not what was edited in it, nor what
    /// left it.
    #[arg(long, conflicts_with = "out")]
    drift_only: bool,
    #[command(flatten)]
    asked: AskedArgs,
    #[command(flatten)]
    leave: LeaveInFile,
}

/// What a plan in a file may do.
#[derive(Args)]
struct LeaveInFile {
    /// The plan in the file may delete or replace buckets with their objects.
    #[arg(long, requires = "out")]
    delete_data: bool,
    /// The plan in the file may delete or replace what an open run needs.
    #[arg(long, requires = "out")]
    interrupt_runs: bool,
}

/// What is asked for beside what the file says.
#[derive(Args, Clone)]
pub(super) struct AskedArgs {
    /// Take over what is there already and belongs to no stack; `*` stands for any characters. May be
    /// given again.
    #[arg(long, value_name = "ADDRESS")]
    adopt: Vec<String>,
    /// Delete what was adopted like all the rest, instead of letting it go.
    #[arg(long)]
    delete_adopted: bool,
    /// Take back grants on the stack's resources that the file says nothing of.
    #[arg(long)]
    prune_grants: bool,
    /// Only this resource, and what it needs. May be given again.
    #[arg(long, value_name = "ADDRESS")]
    target: Vec<String>,
    /// Write as this version does what a newer version of provision wrote.
    #[arg(long)]
    downgrade: bool,
}

impl AskedArgs {
    pub(super) fn asked(&self) -> Options {
        let Self { adopt, delete_adopted, prune_grants, target: targets, downgrade } = self.clone();
        Options { adopt, delete_adopted, prune_grants, targets, downgrade }
    }
}

impl Plan {
    pub(super) async fn run(self) -> Result<Exit> {
        let session = self.stack.open().await?;
        session.stack.secrets_are_here()?;
        let asked = self.asked.asked();
        let planning = plan::of(&session.stack, &session.cloud, &asked);
        let mut plan = match self.drift_only {
            true => planning.await?.only_drift(),
            false => with_growths(&session, &asked.targets, planning).await?,
        };
        let LeaveInFile { delete_data, interrupt_runs } = self.leave;
        let allowed = Allowed { delete_data, interrupt_runs };
        plan.refused = refusals(&session, &plan, allowed, Look::Reading).await?;
        report::plan(&plan, self.format);
        if let Some(path) = &self.out {
            plan.readiness()?;
            let text = saved::written(&plan, allowed)?;
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
            report::note(&format!("`provision apply{} {}` does exactly this", session.words, path.display()));
        }
        Ok(if self.detailed_exitcode && !plan.is_idle() { Exit::Changes } else { Exit::Done })
    }
}
