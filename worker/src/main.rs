//! The `worker` program: runs in a Job's pods, or checks a configuration.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use contract::exit;
use worker::etl::Host;
use worker::settings::Settings;
use worker::worker::BadConfiguration;
use worker::{check, log};

/// How long threads that are still computing may hold up the end of the process.
const LINGER: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "Examples:
  worker                       work on a run; the settings are PROVISION_* variables, set by the run's Job
  worker check < config.json   say what is wrong with {\"config\": …}, as JSON

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
}

fn main() -> ExitCode {
    // The main thread's stack is the system's choice; a query's depth is the user's.
    let all = std::thread::Builder::new().stack_size(worker::STACK).spawn(program);
    match all.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // A panic has said its own.
        Ok(Err(_)) | Err(_) => ExitCode::FAILURE,
    }
}

fn program() -> ExitCode {
    let result = match Arguments::parse().command {
        None | Some(Command::Run) => work(),
        Some(Command::Check) => answer(),
        Some(Command::Revisit) => revisit(),
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

fn work() -> Result<u8> {
    log::start();
    let settings = Settings::read(|name| std::env::var(name).ok()).map_err(BadConfiguration)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Handlers that compute bring threads of their own.
        .worker_threads(2)
        .thread_stack_size(worker::STACK)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let code = runtime.block_on(worker::worker::run(settings));
    runtime.shutdown_timeout(LINGER);
    code
}

fn revisit() -> Result<u8> {
    log::start();
    let question: worker::etl::Revisit = question("no question about inputs")?;
    let root = std::env::var_os(contract::environment::LOCAL_ROOT).map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let states = runtime.block_on(worker::etl::revisit(&question, &Host::of_worker(root)));
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
    log::start();
    let question = question("no configuration")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(check::check(&question));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&answer)?).context("cannot write the answer")?;
    Ok(if answer.ok { exit::DONE } else { exit::BAD_CONFIGURATION })
}
