//! A program of the user's as a handler: one process for each attempt, told of its item by variables
//! and standard input, its files taken from a folder when it has exited with 0.
//!
//! The program is hostile as far as this worker is concerned: it may fill the disk, print without
//! end, leave processes behind or put anything into its folder. Its item fails then, and nothing else.

mod capture;
mod environment;
mod group;
mod outputs;
mod program;
mod room;
#[cfg(test)]
mod tests;
mod tree;
mod workplace;

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use contract::{CommandConfig, Item, Stage, exit};
use futures::future::BoxFuture;
use secrecy::SecretString;
use tokio::time::timeout;

use self::capture::Capture;
use self::group::Group;
use self::workplace::Workplace;
use crate::etl::{Diagnostic, Host, ObjectTemplate};
use crate::handler::{Destination, Handler, HandlerError, Product, Work, permanent};

/// How long the last output is awaited after the last process is dead: one that could not be found
/// could hold the pipe for ever.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// A program with one configuration, made once for a run.
pub struct Command {
    config: CommandConfig,
    program: PathBuf,
    target: Option<ObjectTemplate>,
    /// The secrets that the program is given, by variable.
    secrets: Vec<(String, SecretString)>,
}

/// Without the secrets.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("config", &self.config).finish_non_exhaustive()
    }
}

/// How a program came to its end.
enum Ended {
    ByItself(ExitStatus),
    /// It was ended for what it did to the disk.
    Stopped(HandlerError),
}

impl Command {
    /// Checks a configuration whole. A worker's host has the program and the secrets at hand.
    pub fn prepare(config: &CommandConfig, host: &Host) -> Result<Self, Vec<Diagnostic>> {
        let mut wrong = Vec::new();
        let target = config.load.as_deref().map(prefix).transpose();
        let target = target.map_err(|message| wrong.push(Diagnostic::new("load", message))).ok().flatten();
        let program = program::find(config, host);
        let program = program.map_err(|message| wrong.push(Diagnostic::new("argv", message))).ok();
        wrong.extend(environment::problems(config).map(|message| Diagnostic::new("env", message)));
        if !(1..=CommandConfig::MOST_FILES).contains(&config.max_files) {
            let message = format!("it is from 1 to {}", CommandConfig::MOST_FILES);
            wrong.push(Diagnostic::new("max_files", message));
        }
        let mut secrets = Vec::new();
        for secret in &config.secrets {
            match host.secret(secret) {
                Ok(known) => secrets.push(known),
                Err(message) => wrong.push(Diagnostic::new("secrets", message)),
            }
        }
        match program {
            Some(program) if wrong.is_empty() => {
                Ok(Self { config: config.clone(), program, target, secrets })
            }
            _ => Err(wrong),
        }
    }

    async fn make(&self, work: &Work<'_>) -> Result<Product, HandlerError> {
        (work.stage)(Stage::Transform);
        let place = Workplace::new(work)?;
        let mut capture = Capture::new(work.output);
        let ended = self.run(work, &place, &mut capture).await?;
        let last = capture.finish();
        match ended {
            Ended::ByItself(status) => self.judge(status, &last)?,
            Ended::Stopped(error) => return Err(error),
        }
        let outputs = self.outputs(&place, work.item).await?;
        Ok(Product::of(outputs))
    }

    /// Runs the program to its end. When this returns, or is dropped, all its processes are dead.
    async fn run(
        &self,
        work: &Work<'_>,
        place: &Workplace,
        capture: &mut Capture<'_>,
    ) -> Result<Ended, HandlerError> {
        let variables = environment::variables(&self.config, &self.secrets, work, place)?;
        let (mut child, pipe) = self.start(variables, place)?;
        let group = Group::led_by(&child, place.mark())?;
        let mut reading = pin!(capture.follow(pipe));
        let mut stopped = pin!(room::exceeded(place, &self.config));
        let mut is_read = false;
        let ended = loop {
            tokio::select! {
                status = child.wait() => break Ended::ByItself(status.context("cannot wait for the command")?),
                () = &mut reading, if !is_read => is_read = true,
                error = &mut stopped => break Ended::Stopped(error),
            }
        };
        group.end(&mut child).await;
        if !is_read && timeout(LAST_OUTPUT, &mut reading).await.is_err() {
            tracing::warn!("something that the command started still holds its output");
        }
        Ok(ended)
    }

    fn start(
        &self,
        variables: Vec<environment::Variable>,
        place: &Workplace,
    ) -> Result<(tokio::process::Child, tokio::net::unix::pipe::Receiver), HandlerError> {
        let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
        let reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into());
        let reader = reader.context("cannot read from a pipe")?;
        let (name, arguments) = self.config.argv.split_first().context("the command is empty")?;
        let mut command = tokio::process::Command::new(&self.program);
        command
            .arg0(name)
            .args(arguments)
            .env_clear()
            .envs(variables)
            .stdin(place.stdin()?)
            // One pipe for both keeps the order in which things were printed.
            .stdout(writer.try_clone().context("cannot share a pipe")?)
            .stderr(writer)
            .process_group(0);
        let child = command.spawn().map_err(|error| self.not_started(&error))?;
        // The command's own ends of the pipe close here, so that the pipe ends with the program.
        Ok((child, reader))
    }

    fn not_started(&self, error: &std::io::Error) -> HandlerError {
        use std::io::ErrorKind;
        let name = &self.config.argv[0];
        match error.kind() {
            ErrorKind::ArgumentListTooLong => {
                permanent!("cannot start `{name}`: the item is too long for an environment variable")
            }
            ErrorKind::NotFound | ErrorKind::PermissionDenied => {
                permanent!("cannot start `{name}` ({}): {error}", self.program.display())
            }
            // ENOEXEC has no kind of its own.
            _ if error.raw_os_error() == Some(8) => {
                permanent!(
                    "cannot start `{name}`: it is no program of this machine, and names no interpreter"
                )
            }
            _ => HandlerError::Retry(anyhow!("cannot start `{name}`: {error}")),
        }
    }

    /// What the program says by its end.
    fn judge(&self, status: ExitStatus, last: &str) -> Result<(), HandlerError> {
        let name = &self.config.argv[0];
        let said = if last.is_empty() { String::new() } else { format!(": {last}") };
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) if code == i32::from(exit::PERMANENT) => {
                Err(permanent!("`{name}` exited with {code}, so this item can never be done{said}"))
            }
            (Some(code), _) => Err(HandlerError::Retry(anyhow!("`{name}` exited with {code}{said}"))),
            (None, signal) => {
                let signal = signal_name(signal.unwrap_or_default());
                Err(HandlerError::Retry(anyhow!("`{name}` was ended by {signal}{said}")))
            }
        }
    }

    /// Takes the files that the program left. Reading folders may block, so threads for that do it.
    async fn outputs(
        &self,
        place: &Workplace,
        item: &Item,
    ) -> Result<Vec<crate::handler::Artifact>, HandlerError> {
        let folder = place.output()?;
        let (target, item, config) = (self.target.clone(), item.clone(), self.config.clone());
        let taken = move || outputs::take(&folder, target.as_ref(), &item, &config);
        tokio::task::spawn_blocking(taken).await.context("the output folder could not be looked at")?
    }
}

impl Handler for Command {
    fn destination(&self, _: &Item) -> Result<Destination, HandlerError> {
        Ok(Destination::Several)
    }

    fn process<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Result<Product, HandlerError>> {
        Box::pin(async move { self.make(&work).await })
    }
}

/// `load` as a prefix: `gs://BUCKET/…{item}…/`.
fn prefix(load: &str) -> Result<ObjectTemplate, String> {
    let target = ObjectTemplate::parse(load)?.without_columns()?;
    if !target.names_the_item() {
        return Err("there is no {item} in it: all items would have the same outputs".to_owned());
    }
    if !load.ends_with('/') {
        return Err(format!("`{load}` is a prefix of names, and must end in `/`"));
    }
    Ok(target)
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        25 => "SIGXFSZ",
        _ => return format!("signal {signal}"),
    };
    format!("signal {signal} ({name})")
}
