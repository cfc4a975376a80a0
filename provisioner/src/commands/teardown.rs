//! `provision teardown`.

use anyhow::Result;
use clap::Args;

use super::apply::{Leave, carry_out};
use super::session::StackArgs;
use crate::exit::Exit;
use crate::plan;
use crate::report::{self, PlanFormat, Style, plan_text};

/// Deletes everything that the stack owns.
#[derive(Args)]
pub(super) struct Teardown {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// How the plan is written.
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
    #[command(flatten)]
    leave: Leave,
    /// Delete what was adopted, too, instead of letting it go.
    #[arg(long)]
    delete_adopted: bool,
}

impl Teardown {
    pub(super) async fn run(self) -> Result<Exit> {
        let session = self.stack.open().await?;
        let plan = plan::teardown(&session.stack, &session.cloud, self.delete_adopted).await?;
        report::plan(&plan, self.format);
        let exit = carry_out(&session, &plan, self.leave.allowed(), self.leave.yes, "delete").await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
        // Looked for again: nothing is left billing because something said that it was deleted.
        let left = plan::teardown(&session.stack, &session.cloud, self.delete_adopted).await?;
        if left.is_empty() {
            report::note(&format!("nothing of the stack {} remains", session.stack.owner()));
            return Ok(Exit::Done);
        }
        report::note("this remains; run the same command again:");
        report::note(&plan_text(&left, Style::of_stderr()));
        Ok(Exit::Remains)
    }
}
