//! `provision local fault`: what goes wrong on purpose.

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use localcloud::calls::{Failure, Fault, Latency, Moment, Point, What, When};

use super::Folder;
use crate::report::{self, Format, faults_text};

/// Make calls fail, wait, hang or kill their callers.
#[derive(Args)]
pub(super) struct FaultCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Set a fault; prints its number.
    #[command(after_help = EXAMPLES)]
    Add(Box<Add>),
    /// Show the faults that are set, and how often they struck.
    List {
        #[command(flatten)]
        folder: Folder,
        /// How it is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Let the calls go on that wait at a fault, and all that come there later.
    Release {
        #[command(flatten)]
        folder: Folder,
        /// The fault's number.
        id: u64,
    },
    /// Remove a fault, or all; calls that wait there go on.
    Clear {
        #[command(flatten)]
        folder: Folder,
        /// The fault's number; without it, all.
        id: Option<u64>,
    },
}

const EXAMPLES: &str = "Examples:
  provision local fault add pubsub.topics.publish --fail unavailable --next 3
  provision local fault add container.nodePools.create --fail gke-quota --next 2
  provision local fault add 'storage.objects.*' --probability 0.05 --seed 7 --fail 503 --caller worker
  provision local fault add storage.objects.insert --resource '*/receipts/*' --kill after --caller worker --next 1
  provision local fault add kubernetes.jobs.create --drop after --every 2
  provision local fault add 'storage.*' --latency 10ms..200ms
  provision local fault add pubsub.subscriptions.acknowledge --stall

`provision local calls` shows methods and resources as they are called. In patterns * stands for any text.";

#[derive(Args)]
#[group(id = "what", required = true, multiple = false, args = ["fail", "drop", "latency", "stall", "kill"])]
struct Add {
    #[command(flatten)]
    folder: Folder,
    /// The method, or a pattern of methods: `pubsub.topics.publish`, `kubernetes.jobs.*`.
    method: String,
    /// Only on resources of this pattern: `*/topics/fx-items`.
    #[arg(long, value_name = "PATTERN", default_value = "")]
    resource: String,
    /// Only calls of a principal, a program (`worker`), a process id or a pod.
    #[arg(long, value_name = "PATTERN", default_value = "")]
    caller: String,

    /// Answer with an error: a name (`unavailable`, `gke-quota` …) or a status (503).
    #[arg(long, value_name = "ERROR", value_parser = failure)]
    fail: Option<Failure>,
    /// What the error says instead of its usual text.
    #[arg(long, value_name = "TEXT", requires = "fail")]
    message: Option<String>,
    /// Seconds after which the error says to try again.
    #[arg(long, value_name = "SECONDS", requires = "fail")]
    retry_after: Option<u64>,
    /// Cut the connection, before or after the effect.
    #[arg(long, value_name = "WHEN")]
    drop: Option<At>,
    /// Take longer: `50ms`, anything in `10ms..200ms`, or `~50ms`: on average, seldom much more.
    #[arg(long, value_name = "TIME", value_parser = latency)]
    latency: Option<Latency>,
    /// Wait until `provision local fault release`.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, default_missing_value = "before", require_equals = true)]
    stall: Option<At>,
    /// Kill the calling process (SIGKILL), before or after the effect.
    #[arg(long, value_name = "WHEN")]
    kill: Option<At>,
    /// The error or the delay comes after the effect.
    #[arg(long, conflicts_with_all = ["drop", "stall", "kill"])]
    after: bool,

    /// Only the next so many calls.
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["every", "probability"])]
    next: Option<u64>,
    /// Only every so many calls.
    #[arg(long, value_name = "COUNT", conflicts_with = "probability", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
    /// Each call with this probability, from 0 to 1.
    #[arg(long, value_name = "P", value_parser = probability)]
    probability: Option<f64>,
    /// The same seed strikes the same calls, and gives the same delays.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum At {
    Before,
    After,
}

impl From<At> for Moment {
    fn from(at: At) -> Self {
        match at {
            At::Before => Self::Before,
            At::After => Self::After,
        }
    }
}

impl FaultCommand {
    pub(super) async fn run(self) -> Result<()> {
        match self.action {
            Action::Add(add) => add.run().await,
            Action::List { folder, format } => {
                let faults = folder.running().await?.faults().await?;
                match format {
                    Format::Text => report::data(&faults_text(&faults)),
                    Format::Json => report::json(&faults),
                }
                Ok(())
            }
            Action::Release { folder, id } => {
                if !folder.running().await?.release(id).await? {
                    bail!("there is no fault {id}: `provision local fault list` shows those that are set");
                }
                Ok(())
            }
            Action::Clear { folder, id } => {
                let cleared = folder.running().await?.clear(id).await?;
                if let (Some(id), 0) = (id, cleared) {
                    bail!("there is no fault {id}: `provision local fault list` shows those that are set");
                }
                report::note(&format!("removed {cleared}"));
                Ok(())
            }
        }
    }
}

impl Add {
    async fn run(self) -> Result<()> {
        let daemon = self.folder.running().await?;
        let format = self.format;
        let id = daemon.fault(&self.fault()?).await?;
        match format {
            Format::Text => report::data(&format!("{id}\n")),
            Format::Json => report::json(&daemon.faults().await?.into_iter().find(|set| set.id == id)),
        }
        Ok(())
    }

    fn fault(self) -> Result<Fault> {
        let of_after = if self.after { Moment::After } else { Moment::Before };
        let (moment, what) = match (self.fail, self.drop, self.latency, self.stall, self.kill) {
            (Some(failure), ..) => {
                let failure = match self.message {
                    Some(message) => failure.saying(message),
                    None => failure,
                };
                (of_after, What::Fail(Failure { retry_after: self.retry_after, ..failure }))
            }
            (_, Some(at), ..) => (at.into(), What::Drop),
            (_, _, Some(latency), ..) => (of_after, What::Delay(seeded(latency, self.seed))),
            (_, _, _, Some(at), _) => (at.into(), What::Stall),
            (.., Some(at)) => (at.into(), What::Kill),
            _ => bail!("say what happens: --fail, --drop, --latency, --stall or --kill"),
        };
        let when = match (self.next, self.every, self.probability) {
            (Some(count), ..) => When::Next(count),
            (_, Some(each), _) => When::Every(each),
            (.., Some(p)) => When::Probability { p, seed: self.seed },
            _ => When::Always,
        };
        let point = Point { method: self.method, resource: self.resource, caller: self.caller, moment };
        Ok(Fault { point, when, what })
    }
}

fn seeded(latency: Latency, seed: u64) -> Latency {
    match latency {
        Latency::Fixed(time) => Latency::Fixed(time),
        Latency::Uniform { from, to, .. } => Latency::Uniform { from, to, seed },
        Latency::Exponential { mean, .. } => Latency::Exponential { mean, seed },
    }
}

fn failure(text: &str) -> Result<Failure, String> {
    let names = || Failure::names().collect::<Vec<_>>().join(", ");
    Failure::named(text).ok_or_else(|| format!("it is a status that errors have, or one of: {}", names()))
}

fn probability(text: &str) -> Result<f64, String> {
    let p = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
    p.ok_or_else(|| "it is a number from 0 to 1".to_owned())
}

fn latency(text: &str) -> Result<Latency, String> {
    let time = |text: &str| super::time(text).ok();
    let parsed = match (text.strip_prefix('~'), text.split_once("..")) {
        (Some(mean), _) => time(mean).map(|mean| Latency::Exponential { mean, seed: 0 }),
        (_, Some((from, to))) => time(from).and_then(|from| {
            let to = time(to).filter(|to| *to >= from)?;
            Some(Latency::Uniform { from, to, seed: 0 })
        }),
        _ => time(text).map(Latency::Fixed),
    };
    parsed.ok_or_else(|| "it is a time (50ms, 2s), a range (10ms..200ms) or an average (~50ms)".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        add: Add,
    }

    fn fault(line: &str) -> Result<Fault, String> {
        let words = std::iter::once("add").chain(line.split(' '));
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.add.fault().map_err(|error| error.to_string())
    }

    #[test]
    fn flags_say_where_how_often_and_what() {
        let unavailable = || What::Fail(Failure::named("503").expect("a failure"));
        let publish = Point::before("pubsub.topics.publish");
        let wanted = Fault::next(3, publish.clone(), unavailable());
        assert_eq!(fault("pubsub.topics.publish --fail unavailable --next 3"), Ok(wanted));
        let wanted = Fault::always(Point::after("a.*").on("*/x").by("worker"), What::Kill);
        assert_eq!(fault("a.* --kill after --resource */x --caller worker"), Ok(wanted));
        let when = When::Probability { p: 0.05, seed: 7 };
        let wanted = Fault { point: publish, when, what: What::Drop };
        assert_eq!(fault("pubsub.topics.publish --drop before --probability 0.05 --seed 7"), Ok(wanted));
        assert_eq!(
            fault("a --stall").map(|fault| (fault.point, fault.what)),
            Ok((Point::before("a"), What::Stall))
        );
        let ms = Duration::from_millis;
        for (text, latency) in [
            ("50ms", Latency::Fixed(ms(50))),
            ("10ms..2s", Latency::Uniform { from: ms(10), to: ms(2000), seed: 1 }),
            ("~50ms", Latency::Exponential { mean: ms(50), seed: 1 }),
        ] {
            assert_eq!(
                fault(&format!("a --latency {text}")).map(|fault| fault.what),
                Ok(What::Delay(latency))
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "a",
            "a --fail nonsense",
            "a --fail 503 --kill after",
            "a --kill after --after",
            "a --drop sideways",
            "a --fail 503 --next 1 --every 2",
            "a --fail 503 --every 0",
            "a --fail 503 --probability 2",
            "a --latency 2s..1s",
        ] {
            assert!(fault(line).is_err(), "{line}");
        }
    }
}
