//! `provision plan`.

use anyhow::Result;
use clap::Args;

use super::session::StackArgs;
use crate::exit::Exit;
use crate::plan::{self, Allowed};
use crate::report::{self, PlanFormat};

/// Shows what apply would change.
#[derive(Args)]
#[command(after_help = "Examples:
  provision plan --env prod --project my-project
  provision plan --set cluster.main.pool.workers.max_nodes=20
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
}

impl Plan {
    pub(super) async fn run(self) -> Result<Exit> {
        let session = self.stack.open().await?;
        session.stack.secrets_are_here()?;
        let plan = plan::of(&session.stack, &session.cloud).await?;
        report::plan(&plan, self.format);
        if let Err(refused) = plan.check(Allowed::default()) {
            report::note(&format!("apply would refuse this without leave:\n{}", refused.0.join("\n")));
        }
        Ok(if self.detailed_exitcode && !plan.is_empty() { Exit::Changes } else { Exit::Done })
    }
}
