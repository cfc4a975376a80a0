//! `provision stacks`.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;

use super::session::ProjectArgs;
use crate::exit::Exit;
use crate::report::{self, Format, stacks_text};
use crate::stack::Source;
use crate::stacks;

/// Lists the stacks of a project by the marks on its resources: no file is needed.
#[derive(Args)]
#[command(after_help = "Examples:
  provision stacks --project my-project                          every stack, its age and its open runs
  provision teardown --stack fx --project my-project             delete one without its file
  provision teardown --expired --project my-project --yes        delete what is older than its [stack] expires")]
pub(super) struct Stacks {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// How they are written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Stacks {
    pub(super) async fn run(self) -> Result<Exit> {
        let cloud = self.project.connect(&Source::file(Path::new("stack.toml"))).await?;
        let stacks = stacks::with_open_runs(&cloud).await?;
        match self.format {
            Format::Json => report::json(&stacks),
            Format::Text => {
                report::data(&stacks_text(&stacks, &cloud.project.id, Timestamp::now()));
            }
        }
        Ok(Exit::Done)
    }
}
