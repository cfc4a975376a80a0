//! One stack, one small job, run again and again with somebody struck at one point each time.

use std::collections::BTreeSet;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use contract::{RunId, layout};
use localcloud::calls::{Moment, Passed};
use scenarios::evidence::Evidence;
use scenarios::oracle::{self, Waste};
use scenarios::{Cloud, Random, Scenario, until};

use super::victim::{VICTIMS, Victim};

pub(super) const BUCKET: &str = "local-cloud-proof-data";
const ITEMS: [&str; 6] = ["a", "b", "c", "e", "f", "g"];
/// Times that a point is tried which a run did not come to.
const TRIES: usize = 4;
/// Longest that others are waited for while a worker is stopped.
const OTHERS: Duration = Duration::from_secs(20);

const STACK: &str = r#"
[stack]
name = "proof"
region = "europe-west1"
zone = "europe-west1-b"

[topic.items]

[subscription.work]
topic = "items"
ack_deadline = "10s"
retry = { min = "1s", max = "30s" }

[bucket.data]
files = { "in/" = "in" }

[cluster.main]
[cluster.main.pool.steady]
machine_type = "e2-medium"
nodes = 1
[cluster.main.pool.workers]
machine_type = "e2-standard-2"
spot = true
max_nodes = 2

[job.small]
subscription = "work"
bucket = "data"
pool = "main/workers"

[job.small.etl]
extract = "gs://data/in/{item}.csv"
schema = { x = "int" }
sql = "SELECT x, x * x AS square FROM input ORDER BY x"
load = "gs://data/out/{item}.csv"
"#;

const RUN: [&str; 5] = ["run", "--local", "--yes", "--items", "items.txt"];

/// A point at which somebody is struck.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CrashPoint {
    pub(super) victim: Victim,
    pub(super) at: Passed,
}

impl std::fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let moment = if self.at.moment == Moment::Before { "before" } else { "after" };
        write!(f, "{:?} {moment} {} {}", self.victim, self.at.method, self.at.resource)
    }
}

/// What a campaign found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) struck: BTreeSet<CrashPoint>,
    pub(super) missed: Vec<CrashPoint>,
    pub(super) wrong: Vec<String>,
    pub(super) runs: usize,
}

/// The stack, applied, and its local cloud.
pub(super) struct Campaign {
    scenario: Scenario,
    pub(super) cloud: Cloud,
    pub(super) begun: Instant,
}

impl Campaign {
    pub(super) fn begin() -> Self {
        let begun = Instant::now();
        let scenario = Scenario::with(STACK);
        scenario.write("items.txt", ITEMS.join("\n"));
        for (at, item) in ITEMS.iter().enumerate() {
            scenario.write(&format!("in/{item}.csv"), format!("x\n{at}\n{}\n", at + 10));
        }
        scenario.expect(0, &["apply", "--local", "--yes"]);
        let cloud = Cloud::of(&scenario);
        Self { scenario, cloud, begun }
    }

    /// The points that an undisturbed run passes, each for everybody who may be struck there.
    pub(super) fn points(&self, report: &mut Report) -> Vec<CrashPoint> {
        let mark = self.cloud.mark();
        let mut run = self.start();
        let status = until("the undisturbed run ends", || run.try_wait().expect("a child"));
        self.judge("undisturbed", mark, status, report);
        let passed = self.cloud.coverage(mark);
        let point = |victim: Victim| {
            let by = move |at: &&Passed| at.callers.contains(victim.program());
            passed.iter().filter(by).map(move |at| CrashPoint { victim, at: at.clone() })
        };
        VICTIMS.into_iter().flat_map(point).collect()
    }

    /// Runs the job with somebody struck there, and judges what came of it.
    pub(super) fn strike(&self, point: &CrashPoint, report: &mut Report) {
        for _ in 0..TRIES {
            if self.try_to_strike(point, report) {
                report.struck.insert(point.clone());
                return;
            }
        }
        report.missed.push(point.clone());
    }

    fn try_to_strike(&self, point: &CrashPoint, report: &mut Report) -> bool {
        let trap = point.victim.trap(&self.cloud, &point.at);
        let mark = trap.mark;
        let mut run = self.start();
        let mut ended = None;
        let struck = until("somebody is struck, or the run ends", || {
            if let Some(struck) = trap.sprung(&self.cloud, point.at.moment) {
                return Some(Some(struck));
            }
            ended = run.try_wait().expect("a child");
            ended.map(|_| trap.sprung(&self.cloud, point.at.moment))
        });
        let is_struck = struck.is_some_and(|struck| {
            point.victim.strike(&self.cloud, &trap, &struck, || self.wait_for_others())
        });
        let mut status = match ended {
            Some(status) => status,
            None => until("the run ends", || run.try_wait().expect("a child")),
        };
        trap.remove(&self.cloud);
        if point.victim == Victim::Command && is_struck {
            assert!(!status.success(), "{point}: it was killed, and says that all is done");
            let mut again = self.start();
            status = until("the run ends", || again.try_wait().expect("a child"));
        }
        self.judge(&point.to_string(), mark, status, report);
        is_struck
    }

    fn start(&self) -> std::process::Child {
        self.scenario.start(&RUN)
    }

    /// Until every item of the newest run has a receipt, or nothing of it can move.
    fn wait_for_others(&self) {
        let since = Instant::now();
        let mut last = (0, Instant::now());
        while since.elapsed() < OTHERS && last.1.elapsed() < Duration::from_secs(3) {
            let Some(run) = self.newest() else { return };
            let prefix = layout::receipts(&run);
            let done = self.scenario.objects(BUCKET, prefix.trim_end_matches('/')).len();
            if done == ITEMS.len() {
                return;
            }
            if done != last.0 {
                last = (done, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn newest(&self) -> Option<RunId> {
        let runs = std::fs::read_dir(self.scenario.object(BUCKET, "runs")).ok()?;
        let names = runs.flatten().map(|run| RunId(run.file_name().to_string_lossy().into_owned()));
        // Names begin with the same job and go on with the time.
        names.filter(|run| self.scenario.object(BUCKET, &layout::run(run)).exists()).max()
    }

    /// Adds what is wrong with the newest run to the report.
    fn judge(&self, what: &str, mark: u64, status: ExitStatus, report: &mut Report) {
        report.runs += 1;
        let mut wrong = Vec::new();
        if !status.success() {
            let log = std::fs::read_to_string(self.scenario.path("started.log")).unwrap_or_default();
            wrong.push(format!("the run ended with {status}\n{log}"));
        }
        match self.newest() {
            None => wrong.push("there is no run".to_owned()),
            Some(run) => {
                let evidence = Evidence::read(&self.scenario, &self.cloud, BUCKET).of(&[&run]);
                wrong.extend(oracle::wrong(&evidence));
                wrong.extend(self.wrong_outputs());
                println!("{:>3} s {what}: {}", self.begun.elapsed().as_secs(), Waste::of(&evidence));
            }
        }
        let calls = self.cloud.calls(mark);
        wrong.extend(oracle::acked_too_early(&calls));
        // What the queue was given it gives back: nobody has to publish it again.
        let published = |call: &&localcloud::calls::Entry| {
            call.method == "pubsub.topics.publish" && call.program.as_deref() == Some("worker")
        };
        if let Some(call) = calls.iter().find(published) {
            wrong.push(format!("the queue had lost an item, a worker published it again: {call:?}"));
        }
        report.wrong.extend(wrong.into_iter().map(|wrong| format!("{what}: {wrong}")));
    }

    fn wrong_outputs(&self) -> Vec<String> {
        let wrong = |(at, item): (usize, &&str)| {
            let name = format!("out/{item}.csv");
            let (x, y) = (at, at + 10);
            let right = format!("x,square\n{x},{}\n{y},{}\n", x * x, y * y);
            let is = std::fs::read_to_string(self.scenario.object(BUCKET, &name)).unwrap_or_default();
            (is != right).then(|| format!("{name} is {is:?}"))
        };
        ITEMS.iter().enumerate().filter_map(wrong).collect()
    }

    /// What is left to do for the stack.
    pub(super) fn end(&self) {
        self.scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    }
}

/// A few points of each victim, drawn by the seed; for each, one at a write of the protocol.
pub(super) fn handful(points: &[CrashPoint], each: usize, random: &mut Random) -> Vec<CrashPoint> {
    let mut drawn = Vec::new();
    for victim in VICTIMS {
        let mut all: Vec<_> = points.iter().filter(|point| point.victim == victim).collect();
        random.shuffle(&mut all);
        // What changes something first.
        all.sort_by_key(|point| {
            let reads = [".get", ".list", ".watch", ".getIamPolicy"];
            reads.iter().any(|reads| point.at.method.ends_with(reads))
        });
        drawn.extend(all.into_iter().take(each).cloned());
    }
    drawn
}
