//! `provision import`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::carry_out::agree;
use super::files;
use super::session::{LOCAL_PROJECT, ProjectArgs};
use crate::exit::Exit;
use crate::import::{self, Imported, Order, Wanted};
use crate::report;
use crate::stack::Source;

/// Writes a stack file for what is in a project already.
#[derive(Args)]
#[command(after_help = "Examples:
  provision import --project my-project > stack.toml                  all that belongs to no stack
  provision import --project my-project --stack fx topic/items subscription/work bucket/my-data
  provision import --project my-project --out stack.toml 'topic/fx-*' service_account
  provision plan --adopt '*'                                          what taking it over would change
  provision apply --adopt '*'                                         take it over

A topic, subscription, bucket or account is written so that taking it over changes its marks alone; what the
file cannot say of it is told on stderr. A cluster is referred to (`existing = true`), with its pools, and what
runs in it is not imported. Something that was named and cannot be in a file makes the exit code 1.")]
pub(super) struct Import {
    /// What is meant: `topic/NAME`, `subscription/…`, `bucket/…`, `service_account/…`, `cluster/…`; `*`
    /// stands for any characters, and a kind alone for all of it. Without any, all that no stack owns.
    #[arg(value_name = "RESOURCE", value_parser = Wanted::parse)]
    wanted: Vec<Wanted>,
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// The name of the stack.
    #[arg(long, value_name = "NAME", default_value = "imported", value_parser = crate::stack::stack_name)]
    stack: String,
    /// The region in `[stack]`; without it, that of the first cluster, or of most buckets.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Write to a file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite that file if it is there.
    #[arg(short, long, requires = "out")]
    yes: bool,
}

impl Import {
    pub(super) async fn run(self) -> Result<Exit> {
        let cloud = self.project.connect_as(&Source::file(Path::new("stack.toml")), &self.stack).await?;
        let order = Order {
            names_project: !cloud.project.local || cloud.project.id != LOCAL_PROJECT,
            stack: self.stack.clone(),
            region: self.region.clone(),
            wanted: self.wanted.clone(),
        };
        let Imported { text, tables, notes, left_out } = import::of(&cloud, &order).await?;
        for note in &notes {
            report::note(&report::one_line(note));
        }
        for left_out in &left_out {
            report::warning(&report::one_line(left_out));
        }
        if tables == 0 && left_out.is_empty() {
            bail!("there is nothing to import in the project {}", cloud.project.id);
        }
        match &self.out {
            Some(path) => self.write(path, &text)?,
            None => report::data(&text),
        }
        Ok(if left_out.is_empty() { Exit::Done } else { Exit::Error })
    }

    /// Writes the file whole or not at all, and over none that nobody gave up.
    fn write(&self, path: &Path, text: &str) -> Result<()> {
        let name = path.display();
        if path.symlink_metadata().is_ok() && !self.yes {
            agree(&format!("overwrite {name}"))?;
        }
        files::write(path, text)
    }
}
