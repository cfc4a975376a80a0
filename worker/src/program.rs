//! The `worker` program, whose handlers may be a library user's: runs in a Job's pods, checks a
//! configuration, or copies itself into a pod.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use contract::exit;

use crate::etl::{self, Host};
use crate::handlers::Make;
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::worker::BadConfiguration;
use crate::{check, install, log};

/// How long threads that are still computing may hold up the end of the process.
const LINGER: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "Examples:
  worker                       work on a run; the settings are PROVISION_* variables, set by the run's Job
  worker check < config.json   say what is wrong with {\"config\": …}, as JSON
  worker install /provision/worker   copy this program, for an image that does not have it

Exit codes: 0 nothing left to do, 78 wrong configuration, 143 asked to stop, 1 anything else.";

/// Works the items of a run off: pull, extract, transform, load, acknowledge.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Work on a run until nothing is left to do (the default).
    Run,
    /// Check a configuration, read as JSON from standard input: {"config": {"handler": {"etl": …}, …}}.
    Check,
    /// Ask the web what became of inputs, read as JSON from standard input: {"http": {…}, "inputs": […]}.
    Revisit,
    /// Copy this program, and the certificates that it trusts beside it.
    Install {
        /// The copy's path.
        to: PathBuf,
    },
}

/// The whole program. `library` makes the handler that was compiled in, if one was.
pub fn run(library: Option<Arc<Make>>) -> ExitCode {
    // The main thread's stack is the system's choice; a query's depth is the user's.
    let all = std::thread::Builder::new().stack_size(crate::STACK).spawn(|| program(library));
    match all.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // A panic has said its own.
        Ok(Err(_)) | Err(_) => ExitCode::FAILURE,
    }
}

fn program(library: Option<Arc<Make>>) -> ExitCode {
    let arguments = Arguments::parse();
    log::start();
    let result = match arguments.command {
        None | Some(Command::Run) => work(library),
        Some(Command::Check) => answer(),
        Some(Command::Revisit) => revisit(),
        Some(Command::Install { to }) => install::install(&to).map(|()| exit::DONE),
    };
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            let bad = error.downcast_ref::<BadConfiguration>().is_some();
            tracing::error!("{error:#}");
            if bad { exit::BAD_CONFIGURATION } else { 1 }.into()
        }
    }
}

fn work(library: Option<Arc<Make>>) -> Result<u8> {
    install::trust()?;
    let settings = Settings::read(|name| std::env::var(name).ok()).map_err(BadConfiguration)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Handlers that compute bring threads of their own.
        .worker_threads(2)
        .thread_stack_size(crate::STACK)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let code = runtime.block_on(crate::worker::run(settings, library));
    runtime.shutdown_timeout(LINGER);
    code
}

fn revisit() -> Result<u8> {
    let question: etl::Revisit = question("no question about inputs")?;
    let root = std::env::var_os(contract::environment::LOCAL_ROOT).map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let host = Host::of_worker(root, Secrets::default());
    let states = runtime.block_on(etl::revisit(&question, &host));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&states)?).context("cannot write the answer")?;
    Ok(exit::DONE)
}

/// A JSON document from standard input.
fn question<T: serde::de::DeserializeOwned>(or_else: &str) -> Result<T> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    let question = serde_json::from_str(&text)
        .map_err(|error| BadConfiguration(format!("standard input is {or_else}: {error}")))?;
    Ok(question)
}

fn answer() -> Result<u8> {
    let question = question("no configuration")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(check::check(&question));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&answer)?).context("cannot write the answer")?;
    Ok(if answer.ok { exit::DONE } else { exit::BAD_CONFIGURATION })
}
