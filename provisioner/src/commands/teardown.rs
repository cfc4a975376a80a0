//! `provision teardown`.

use anyhow::Result;
use clap::Args;

use super::apply::carry_out;
use super::session::StackArgs;
use crate::exit::Exit;
use crate::plan::{self, Allowed};
use crate::report::{self, Format, Style, plan_json, plan_text};

/// Deletes everything that the stack owns.
#[derive(Args)]
pub(super) struct Teardown {
    #[command(flatten)]
    stack: StackArgs,
    /// How the plan is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Delete buckets with their objects.
    #[arg(long)]
    delete_data: bool,
    /// Even under an open run.
    #[arg(long)]
    interrupt_runs: bool,
}

impl Teardown {
    pub(super) async fn run(self) -> Result<Exit> {
        let session = self.stack.open().await?;
        let plan = plan::teardown(&session.stack, &session.cloud).await?;
        match self.format {
            Format::Text => report::data(&plan_text(&plan, Style::of_stdout())),
            Format::Json => report::json(&plan_json(&plan)),
        }
        let allowed = Allowed { delete_data: self.delete_data, interrupt_runs: self.interrupt_runs };
        let exit = carry_out(&session, &plan, allowed, self.yes, "delete").await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
        // Looked for again: nothing is left billing because something said that it was deleted.
        let left = plan::teardown(&session.stack, &session.cloud).await?;
        if left.is_empty() {
            report::note(&format!("nothing of the stack {} remains", session.stack.owner()));
            return Ok(Exit::Done);
        }
        report::note("this remains; run the same command again:");
        report::note(&plan_text(&left, Style::of_stderr()));
        Ok(Exit::Remains)
    }
}
