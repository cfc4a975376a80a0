//! `provision check`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::exit::Exit;
use crate::report;
use crate::stack::Stack;

/// Checks stack.toml.
#[derive(Args)]
pub(super) struct Check {
    /// The stack file.
    #[arg(short, long, default_value = "stack.toml", value_name = "PATH")]
    file: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> Result<Exit> {
        let stack = Stack::read(&self.file)?;
        report::note(&format!("{}: the stack `{}` is valid", self.file.display(), stack.owner()));
        Ok(Exit::Done)
    }
}
