//! `provision show`.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::session::LOCAL_PROJECT;
use crate::exit::Exit;
use crate::report::{self, stack_json, stack_toml};
use crate::stack::{Project, Source, Stack};

/// Prints the effective stack: all texts laid over one another, every default in place, and where
/// each value comes from.
#[derive(Args)]
#[command(after_help = "Examples:
  provision show --env prod
  provision show --env prod --set job.fx.max_workers=3 --implied
  provision show --format json | jq .origins")]
pub(super) struct Show {
    #[command(flatten)]
    source: Source,
    /// How it is written; the TOML is a valid stack file again.
    #[arg(long, value_enum, default_value_t)]
    format: ShowFormat,
    /// Also list the resources that the stack implies.
    #[arg(long)]
    implied: bool,
}

/// How a stack is written.
#[derive(Clone, Copy, Default, ValueEnum)]
enum ShowFormat {
    /// As stack.toml.
    #[default]
    Toml,
    /// For programs.
    Json,
}

impl Show {
    pub(super) fn run(self) -> Result<Exit> {
        let stack = Stack::read(&self.source)?;
        let implied = match self.implied {
            true => stack.resources(&somewhere(&stack))?,
            false => Vec::new(),
        };
        let implied: Vec<_> = implied.into_iter().filter(|r| r.implied_by.is_some()).collect();
        let effective = stack.effective()?;
        match self.format {
            ShowFormat::Toml => report::data(&stack_toml(&effective, &implied)?),
            ShowFormat::Json => report::json(&stack_json(&effective, &implied)),
        }
        Ok(Exit::Done)
    }
}

/// The project of a stack for commands that ask no cloud.
pub(super) fn somewhere(stack: &Stack) -> Project {
    let id = stack.header.project.clone().unwrap_or_else(|| LOCAL_PROJECT.to_owned());
    Project { id, number: 0, local: true }
}
