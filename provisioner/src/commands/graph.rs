//! `provision graph`.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::show::somewhere;
use crate::exit::Exit;
use crate::report::{self, graph_json, graph_mermaid};
use crate::stack::{Source, Stack};

/// Prints the graph of the stack's resources: what is made before what, and what implies what.
#[derive(Args)]
#[command(after_help = "Examples:
  provision graph > stack.mmd                  Mermaid; GitHub draws it between ```mermaid and ```
  provision graph --env prod --format json | jq '.resources[] | {address, order}'")]
pub(super) struct Graph {
    #[command(flatten)]
    source: Source,
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    format: GraphFormat,
}

/// How a graph is written.
#[derive(Clone, Copy, Default, ValueEnum)]
enum GraphFormat {
    /// A Mermaid flowchart.
    #[default]
    Mermaid,
    /// For programs.
    Json,
}

impl Graph {
    pub(super) fn run(self) -> Result<Exit> {
        let stack = Stack::read(&self.source)?;
        let resources = stack.resources(&somewhere(&stack))?;
        match self.format {
            GraphFormat::Mermaid => report::data(&graph_mermaid(&resources)),
            GraphFormat::Json => report::json(&graph_json(stack.owner(), &resources)),
        }
        Ok(Exit::Done)
    }
}
