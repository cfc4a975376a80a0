//! `provision completions`.

use anyhow::Result;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use crate::exit::Exit;
use crate::report;

/// Prints completions for a shell.
#[derive(Args)]
#[command(after_help = "Examples:
  provision completions bash > ~/.local/share/bash-completion/completions/provision
  provision completions zsh > \"${fpath[1]}/_provision\"
  provision completions fish > ~/.config/fish/completions/provision.fish")]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "provision", &mut script);
        report::data(&String::from_utf8(script)?);
        Ok(Exit::Done)
    }
}
