//! The command line: arguments, and a few lines for each command.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use interrupt::Interrupted;

use crate::exit::Exit;
use crate::plan::Refused;
use crate::report;

mod apply;
mod beside;
mod carry_out;
mod check;
mod completions;
#[cfg(test)]
mod documented;
mod failed;
mod files;
mod graph;
mod grow;
mod guard;
mod import;
mod interrupt;
mod items;
mod launch;
mod local;
mod logs;
mod permissions;
mod plan;
mod rename;
mod retry;
mod run;
mod runs;
mod session;
mod show;
mod sql;
mod stacks;
mod status;
mod teardown;

/// Plans, applies and runs fault-tolerant batch stacks on cheap machines that may vanish.
#[derive(Parser)]
#[command(name = "provision", version, about, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// When to colour what is printed.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  provision run --local --yes --items examples/fx/items.txt   the whole thing, on this machine
  provision plan                                              what would change in the cloud
  provision plan --env prod --set job.fx.max_workers=3        with stack.prod.toml over stack.toml
  provision apply --yes                                       change it
  provision teardown --yes --delete-data                      leave nothing billing

Exit codes: 0 done, 1 error, 2 changes (plan --detailed-exitcode), 3 out of date:
plan again, 4 something remains, 5 refused as destructive, 6 failed items, 7 stalled, timed out, cancelled or gone with what it stands on, 130 interrupted (a run goes on).";

#[derive(Clone, Copy, ValueEnum)]
enum Color {
    /// Where there is a terminal, unless `NO_COLOR` is set.
    Auto,
    Always,
    Never,
}

impl Color {
    /// What the arguments ask for, for what is said of the arguments themselves.
    fn asked(arguments: impl Iterator<Item = std::ffi::OsString>) -> clap::ColorChoice {
        let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
        let joined = words.iter().filter_map(|word| word.strip_prefix("--color="));
        let apart = words.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1].as_str());
        match joined.chain(apart).last() {
            Some("always") => clap::ColorChoice::Always,
            Some("never") => clap::ColorChoice::Never,
            _ => clap::ColorChoice::Auto,
        }
    }
}

/// The arguments of this process.
fn arguments() -> Result<Cli, clap::Error> {
    let command = Cli::command().color(Color::asked(std::env::args_os()));
    Cli::from_arg_matches(&command.try_get_matches()?)
}

#[derive(Subcommand)]
enum Command {
    /// Check stack.toml and plan its queries; --live asks the cloud what stands in the way.
    Check(check::Check),
    /// Print the effective stack: overlay, --set and defaults in place, and where each value comes from.
    Show(show::Show),
    /// Print the graph of the stack's resources, as a Mermaid flowchart.
    Graph(graph::Graph),
    /// Print the JSON Schema of stack.toml.
    Schema,
    /// Print completions for a shell.
    Completions(completions::Completions),
    /// Print the least roles that plan, apply, run, rename or teardown needs.
    Permissions(permissions::Permissions),
    /// Show what apply would change.
    Plan(plan::Plan),
    /// Make the cloud match stack.toml.
    Apply(apply::Apply),
    /// Push items through a job: apply, start, follow, report.
    Run(run::Run),
    /// List, show, watch, cancel, retry and prune runs.
    Runs(runs::Runs),
    /// List and show failed items, and try them again.
    Failed(failed::Failed),
    /// Show the stack's resources, nodes and open runs.
    Status(status::Status),
    /// Print the logs of a run's workers.
    Logs(logs::Logs),
    /// List the stacks of a project, without any file.
    Stacks(stacks::Stacks),
    /// Write a stack file for what is in a project already.
    Import(import::Import),
    /// Give a stack another name, and keep all that it has.
    Rename(rename::Rename),
    /// Delete everything that the stack owns.
    Teardown(teardown::Teardown),
    /// The local cloud of this folder.
    Local(local::Local),
}

/// Stack of the threads that commands run on. It is reserved, and taken as it is needed.
const ROOM: usize = 64 << 20;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match arguments() {
        Ok(cli) => cli,
        Err(told) => {
            // clap's own code for a wrong word, 2, means "there are changes" here.
            let exit = if told.use_stderr() { Exit::Error } else { Exit::Done };
            let _ = told.print();
            return exit.into();
        }
    };
    match cli.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    // Whoever installs first wins; everybody here means ring.
    drop(rustls::crypto::ring::default_provider().install_default());
    let result = with_room(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(ROOM).build();
        let runtime = runtime.context("cannot start the async runtime")?;
        let result = runtime.block_on(heard(cli.command));
        runtime.shutdown_timeout(std::time::Duration::from_secs(1));
        result
    });
    let exit = result.unwrap_or_else(|error| {
        report::error(&error);
        exit_of(&error)
    });
    as_printed(exit).into()
}

/// How a command ended, seen by whoever reads what it printed.
fn as_printed(exit: Exit) -> Exit {
    let Some(error) = report::unwritten() else { return exit };
    report::error(&anyhow::anyhow!("cannot write to stdout: {error}"));
    if matches!(exit, Exit::Done | Exit::Changes) { Exit::Error } else { exit }
}

/// Carries something out on a thread that has room for it: what commands wait for lies on the stack while
/// it is polled, and without optimisation that is more than a main thread has.
fn with_room(work: impl FnOnce() -> anyhow::Result<Exit> + Send + 'static) -> anyhow::Result<Exit> {
    let thread = std::thread::Builder::new().stack_size(ROOM).spawn(work).context("cannot start a thread")?;
    // A panic has been told where it happened.
    thread.join().unwrap_or(Ok(Exit::Error))
}

/// What an error comes to.
fn exit_of(error: &anyhow::Error) -> Exit {
    match () {
        () if error.is::<Refused>() => Exit::Refused,
        () if error.is::<session::Gone>() => Exit::Stalled,
        () if error.is::<Interrupted>() => Exit::Interrupted,
        () => Exit::Error,
    }
}

/// Carries a command out, and hears Ctrl-C meanwhile.
async fn heard(command: Command) -> anyhow::Result<Exit> {
    // The local cloud has its own way to end.
    let is_the_cloud = matches!(command, Command::Local(_));
    // They tell programs how they end, too.
    let tells_its_end = matches!(command, Command::Apply(_) | Command::Teardown(_) | Command::Rename(_));
    // Boxed: what a command holds is large, and a stack is not.
    let work = Box::pin(run(command));
    if is_the_cloud {
        return work.await;
    }
    let _listening = interrupt::listen().context("cannot listen for Ctrl-C")?;
    if tells_its_end { work.await } else { interrupt::or_stop(work).await }
}

async fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Check(command) => command.stack.clone().or_why(command.run()).await,
        Command::Show(command) => command.run(),
        Command::Graph(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Schema => {
            report::json(&crate::stack::json_schema());
            Ok(Exit::Done)
        }
        Command::Permissions(command) => command.run(),
        Command::Plan(command) => command.stack.clone().or_why(command.run()).await,
        Command::Apply(command) => command.stack.clone().or_why(command.run()).await,
        Command::Run(command) => command.stack.clone().or_why(command.run()).await,
        Command::Runs(command) => command.run().await,
        Command::Failed(command) => command.run().await,
        Command::Status(command) => command.stack.clone().or_why(command.run()).await,
        Command::Logs(command) => command.stack.clone().or_why(command.run()).await,
        Command::Stacks(command) => command.run().await,
        Command::Import(command) => command.run().await,
        Command::Rename(command) => command.stack.clone().or_why(command.run()).await,
        Command::Teardown(command) => command.stack.clone().or_why(command.run()).await,
        Command::Local(command) => command.run().await,
    }
}
