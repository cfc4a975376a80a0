//! `provision check`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::sql;
use crate::exit::Exit;
use crate::report;
use crate::stack::Stack;

/// Checks stack.toml and plans its queries, without any cloud.
#[derive(Args)]
pub(super) struct Check {
    /// The stack file.
    #[arg(short, long, default_value = "stack.toml", value_name = "PATH")]
    file: PathBuf,
}

impl Check {
    pub(super) async fn run(self) -> Result<Exit> {
        let stack = Stack::read(&self.file)?;
        if !sql::check(&stack).await? {
            report::warning("no `worker` lies beside `provision`: the jobs' SQL was not planned");
        }
        report::note(&format!("{}: the stack `{}` is valid", self.file.display(), stack.owner()));
        Ok(Exit::Done)
    }
}
