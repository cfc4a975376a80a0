//! `provision permissions`.

use anyhow::Result;
use clap::Args;

use super::show::somewhere;
use crate::exit::Exit;
use crate::kinds;
use crate::permissions::{self, Doing};
use crate::report::{self, Format, permissions_json, permissions_text};
use crate::stack::{Source, Stack};

/// Prints the least roles that a command needs on the project, without any cloud.
#[derive(Args)]
#[command(after_help = "Examples:
  provision permissions plan                    who looks at pull requests
  provision permissions apply --env prod        who applies
  provision permissions run                     who runs jobs of a stack that is applied
  provision permissions apply --format json     with the permissions that each role is taken for")]
pub(super) struct Permissions {
    /// What is to be done.
    #[arg(value_enum)]
    doing: Doing,
    #[command(flatten)]
    source: Source,
    /// How they are written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Permissions {
    pub(super) fn run(self) -> Result<Exit> {
        let stack = Stack::read(&self.source)?;
        let project = somewhere(&stack);
        let desired = kinds::with_apis(stack.resources(&project)?, &project.id)?;
        let roles = permissions::least_roles(&permissions::of(self.doing, &desired));
        match self.format {
            Format::Json => report::json(&permissions_json(self.doing, stack.owner(), &roles)),
            Format::Text => report::data(&permissions_text(&roles)),
        }
        Ok(Exit::Done)
    }
}
