//! One stack, one small job, run again and again with somebody struck at one point each time.

use std::collections::BTreeSet;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use localcloud::calls::{Moment, Passed};
use scenarios::oracle::{self, Waste};
use scenarios::small::{RUN, Small};
use scenarios::{Random, until};

use super::victim::{VICTIMS, Victim};

const ITEMS: usize = 6;
/// Times that a point is tried which a run did not come to.
const TRIES: usize = 4;
/// Longest that others are waited for while a worker is stopped.
const OTHERS: Duration = Duration::from_secs(20);
/// When nothing has moved for so long, nothing can: what is left is the stopped one's.
const STILL: Duration = Duration::from_secs(3);

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

/// The small stack, applied.
pub(super) struct Campaign {
    small: Small,
    pub(super) begun: Instant,
}

impl Campaign {
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), small: Small::of(ITEMS) }
    }

    /// The points that an undisturbed run passes, each for everybody who may be struck there.
    pub(super) fn points(&self, report: &mut Report) -> Vec<CrashPoint> {
        let mark = self.small.cloud.mark();
        let mut run = self.start();
        let status = until("the undisturbed run ends", || run.try_wait().expect("a child"));
        self.judge("undisturbed", mark, status, report);
        let passed = self.small.cloud.coverage(mark);
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
        let trap = point.victim.trap(&self.small.cloud, &point.at);
        let mark = trap.mark;
        let mut run = self.start();
        let mut ended = None;
        let struck = until("somebody is struck, or the run ends", || {
            if let Some(struck) = trap.sprung(&self.small.cloud, point.at.moment) {
                return Some(Some(struck));
            }
            ended = run.try_wait().expect("a child");
            ended.map(|_| trap.sprung(&self.small.cloud, point.at.moment))
        });
        let is_struck = struck.is_some_and(|struck| {
            point.victim.strike(&self.small.cloud, &trap, &struck, || self.wait_for_others())
        });
        let mut status = match ended {
            Some(status) => status,
            None => until("the run ends", || run.try_wait().expect("a child")),
        };
        trap.remove(&self.small.cloud);
        if point.victim == Victim::Command && is_struck {
            assert!(!status.success(), "{point}: it was killed, and says that all is done");
            let mut again = self.start();
            status = until("the run ends", || again.try_wait().expect("a child"));
        }
        self.judge(&point.to_string(), mark, status, report);
        is_struck
    }

    fn start(&self) -> Child {
        self.small.scenario.start(&RUN)
    }

    /// Until every item of the newest run has a receipt, or nothing of it can move.
    fn wait_for_others(&self) {
        let since = Instant::now();
        let (mut done, mut moved) = (0, Instant::now());
        while since.elapsed() < OTHERS && moved.elapsed() < STILL {
            let now = self.small.runs().last().map_or(0, |run| self.small.done(run));
            if now == ITEMS {
                return;
            }
            if now != done {
                (done, moved) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Adds what is wrong with the newest run to the report.
    fn judge(&self, what: &str, mark: u64, status: ExitStatus, report: &mut Report) {
        report.runs += 1;
        let mut wrong = Vec::new();
        if !status.success() {
            let log = std::fs::read_to_string(self.small.scenario.path("started.log")).unwrap_or_default();
            wrong.push(format!("the run ended with {status}\n{log}"));
        }
        match self.small.runs().last() {
            None => wrong.push("there is no run".to_owned()),
            Some(run) => {
                let evidence = self.small.evidence(run);
                wrong.extend(oracle::wrong(&evidence));
                wrong.extend(self.small.wrong_outputs());
                println!("{:>3} s {what}: {}", self.begun.elapsed().as_secs(), Waste::of(&evidence));
            }
        }
        let calls = self.small.cloud.calls(mark);
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

    /// What is left to do for the stack.
    pub(super) fn end(&self) {
        self.small.scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
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
