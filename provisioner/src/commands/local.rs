//! `provision local`: the local cloud of this folder.

mod calls;
mod clock;
mod fault;
mod gke;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use localcloud::daemon::{self, Daemon};
use localcloud::{Propagation, Settings};
use serde_json::json;

use super::session::{LOCAL_PROJECT, ensure, local_folder};
use crate::exit::Exit;
use crate::report::{self, Format, grants_text, local_text};
use crate::stack::{Source, Stack};

/// The local cloud of this folder.
#[derive(Args)]
pub(super) struct Local {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start it, if it does not run.
    Up(Folder),
    /// Stop it; what it holds stays.
    Down(Folder),
    /// What it runs, and where.
    Status {
        #[command(flatten)]
        folder: Folder,
        /// How it is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Take a Spot node away, as Google would: SIGTERM, 15 seconds, SIGKILL.
    Preempt {
        #[command(flatten)]
        folder: Folder,
        /// The node; without it one at random, busy ones first.
        #[arg(long)]
        node: Option<String>,
        /// Seconds between SIGTERM and SIGKILL instead of what the pods ask for; 0 cuts the power.
        #[arg(long, value_name = "SECONDS")]
        grace: Option<f64>,
    },
    /// Make calls fail, wait, hang or kill their callers.
    Fault(fault::FaultCommand),
    /// Show the calls that it was asked for.
    Calls(calls::CallsCommand),
    /// Move its time on, stop it, let it run.
    Clock(clock::ClockCommand),
    /// Have new service accounts and changes of policies count only after a while, as with Google;
    /// 0s makes them count at once again.
    Propagation {
        #[command(flatten)]
        folder: Folder,
        /// Until a new service account can be read, and named in a policy.
        #[arg(long, value_name = "TIME", value_parser = time, default_value = "0s")]
        accounts: Duration,
        /// Until a grant, or its end, has effect.
        #[arg(long, value_name = "TIME", value_parser = time, default_value = "0s")]
        grants: Duration,
    },
    /// The grants that pods and Google's service agents made use of, and for what.
    Grants {
        #[command(flatten)]
        folder: Folder,
        /// How it is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Let GKE's operations wait, or fail.
    Operations(gke::OperationsCommand),
    /// Let Google run out of machines.
    Stockout(gke::StockoutCommand),
    /// Let an image be one that can't be pulled.
    Image(gke::ImageCommand),
    /// Set limits of CPUs, which plans are told of; no machine is refused for them.
    Quota(gke::QuotaCommand),
    /// End a pod's containers as the kernel does when they use too much memory.
    Starve(gke::StarveCommand),
    /// Take a node away without a word.
    CutPower(gke::CutPowerCommand),
    /// Print the `export` lines that point gcloud, kubectl and Google's libraries at it.
    Env(Folder),
    /// Be it: run in the foreground until it is stopped.
    #[command(hide = true)]
    Serve,
}

#[derive(Args)]
struct Folder {
    /// The stack file beside which it keeps what it holds.
    #[arg(short, long, default_value = "stack.toml", value_name = "PATH")]
    file: PathBuf,
}

impl Folder {
    fn stack(&self) -> &Path {
        self.file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    async fn running(&self) -> Result<Daemon> {
        let found = Daemon::find(&local_folder(self.stack())).await?;
        found.context("no local cloud runs here: `provision local up` starts one")
    }

    /// The project that the stack has there.
    fn project(&self) -> String {
        let named = Stack::read(&Source::file(&self.file)).ok().and_then(|stack| stack.header.project);
        named.unwrap_or_else(|| LOCAL_PROJECT.to_owned())
    }
}

impl Local {
    pub(super) async fn run(self) -> Result<Exit> {
        match self.command {
            Command::Up(folder) => {
                let daemon = ensure(folder.stack()).await?;
                report::note(&format!("the local cloud answers at {}", daemon.endpoints().url));
            }
            Command::Down(folder) => match Daemon::find(&local_folder(folder.stack())).await? {
                Some(daemon) => {
                    daemon.down().await?;
                    report::note("the local cloud has left; what it holds stays");
                }
                None => report::note("no local cloud runs here"),
            },
            Command::Status { folder, format } => status(&folder, format).await?,
            Command::Preempt { folder, node, grace } => preempt(&folder, node.as_deref(), grace).await?,
            Command::Fault(command) => command.run().await?,
            Command::Calls(command) => command.run().await?,
            Command::Clock(command) => command.run().await?,
            Command::Propagation { folder, accounts, grants } => {
                folder.running().await?.set_propagation(Propagation { accounts, grants }).await?;
            }
            Command::Grants { folder, format } => grants(&folder, format).await?,
            Command::Operations(command) => command.run().await?,
            Command::Stockout(command) => command.run().await?,
            Command::Image(command) => command.run().await?,
            Command::Quota(command) => command.run().await?,
            Command::Starve(command) => command.run().await?,
            Command::CutPower(command) => command.run().await?,
            Command::Env(folder) => {
                let daemon = ensure(folder.stack()).await?;
                let variables = daemon.endpoints().variables(&folder.project());
                let lines =
                    variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value)));
                report::data(&lines.collect::<String>());
            }
            Command::Serve => serve().await?,
        }
        Ok(Exit::Done)
    }
}

async fn status(folder: &Folder, format: Format) -> Result<()> {
    let Some(daemon) = Daemon::find(&local_folder(folder.stack())).await? else {
        match format {
            Format::Text => report::data("no local cloud runs here\n"),
            Format::Json => report::json(&json!({ "running": false })),
        }
        return Ok(());
    };
    let (endpoints, status) = (daemon.endpoints(), daemon.status().await?);
    let variables: serde_json::Map<String, serde_json::Value> =
        endpoints.variables(&folder.project()).into_iter().map(|(k, v)| (k, v.into())).collect();
    match format {
        Format::Text => report::data(&local_text(&endpoints.url, &status)?),
        Format::Json => report::json(&json!({
            "running": true,
            "url": endpoints.url,
            "folder": endpoints.folder,
            "pid": daemon.pid(),
            "environment": variables,
            "status": status,
        })),
    }
    Ok(())
}

async fn grants(folder: &Folder, format: Format) -> Result<()> {
    let uses = folder.running().await?.uses().await?;
    match format {
        Format::Json => report::json(&uses),
        Format::Text => report::data(&grants_text(&uses)),
    }
    Ok(())
}

fn time(text: &str) -> Result<Duration, String> {
    let time = match text.strip_suffix("ms") {
        Some(number) => number.parse().ok().map(Duration::from_millis),
        None => crate::stack::parse_time(text),
    };
    time.ok_or_else(|| "write it as \"50ms\", \"1s\" or \"1m30s\"".to_owned())
}

async fn preempt(folder: &Folder, node: Option<&str>, grace: Option<f64>) -> Result<()> {
    let grace =
        grace.map(Duration::try_from_secs_f64).transpose().context("--grace is a number of seconds")?;
    let nodes = folder.running().await?.preempt(node, grace).await?;
    if nodes.is_empty() {
        bail!("there is no Spot node to preempt");
    }
    for node in &nodes {
        report::data(&format!("{node}\n"));
    }
    Ok(())
}

/// Runs in the stack's folder, where whoever started it put it.
async fn serve() -> Result<()> {
    // Into `daemon.log`, which whoever started it gave it as stderr.
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    let program = std::env::current_exe().context("cannot tell which program this is")?;
    let working_folder = std::env::current_dir().context("the current folder is gone")?;
    let worker_program = program.with_file_name("worker");
    let settings =
        Settings { folder: local_folder(&working_folder), working_folder, worker_program, port: 0 };
    daemon::serve(settings, &program).await
}

/// As a shell reads it back.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-=".contains(c);
    if value.chars().all(plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', "'\\''")) }
}
