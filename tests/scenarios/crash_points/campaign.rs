//! One stack, one small job, run again and again with somebody struck at one point each time.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use localcloud::calls::{Entry, Passed, Point};
use scenarios::oracle::{self, Waste};
use scenarios::small::{Outputs, RUN, Small};
use scenarios::{Random, until};

use super::point::{CrashPoint, Report};
use super::victim::{Trap, VICTIMS, Victim};

const ITEMS: usize = 6;
/// Acks that a worker has under way at a time.
const UNDER_WAY: usize = 2;
/// Times that a point is tried which a run did not come to.
const TRIES: usize = 4;
/// Longest that others are waited for while a worker is stopped.
const OTHERS: Duration = Duration::from_secs(20);
/// When nothing has moved for so long, nothing can: what is left is the stopped one's.
const STILL: Duration = Duration::from_secs(3);

/// The small stack, applied.
pub(super) struct Campaign {
    small: Small,
    pub(super) begun: Instant,
}

impl Campaign {
    pub(super) fn begin(outputs: Outputs) -> Self {
        Self { begun: Instant::now(), small: Small::of(ITEMS, outputs) }
    }

    /// The points that an undisturbed run passes, in the order in which it comes to them, each for
    /// everybody who may be struck there.
    pub(super) fn points(&self, report: &mut Report) -> Vec<CrashPoint> {
        let mark = self.small.cloud.mark();
        let status = until_it_ends(self.start());
        self.judge("undisturbed", mark, status, 0, report);
        let calls = self.small.cloud.calls(mark);
        let mut passed = self.small.cloud.coverage(mark);
        passed.sort_by_cached_key(|at| {
            let point =
                Point { method: at.method.clone(), resource: at.resource.clone(), ..Point::default() };
            let first = calls.iter().find(|call| call.is_at(&point)).map(|call| call.number);
            (first, at.moment)
        });
        let point = |victim: Victim| {
            let by = move |at: &&Passed| at.callers.contains(victim.program());
            passed.iter().filter(by).map(move |at| CrashPoint { victim, at: at.clone(), nth: 1 })
        };
        VICTIMS.into_iter().flat_map(point).collect()
    }

    /// Strikes at all points, and judges what comes of every run; after something went wrong, no more.
    pub(super) fn strike_all(&self, points: &[CrashPoint], report: &mut Report) {
        let is_command = |point: &&CrashPoint| point.victim == Victim::Command;
        for point in points.iter().filter(|point| !is_command(point)) {
            if report.wrong.is_empty() {
                self.strike(point, report);
            }
        }
        if report.wrong.is_empty() {
            self.strike_the_command(points.iter().filter(is_command), report);
        }
    }

    /// Runs the job with somebody struck there, and judges what came of it.
    fn strike(&self, point: &CrashPoint, report: &mut Report) {
        for _ in 0..TRIES {
            let trap = point.victim.trap(&self.small.cloud, point);
            let mark = trap.mark;
            let (run, struck) = self.run_into(&trap, point);
            let is_struck = struck.is_some_and(|struck| {
                point.victim.strike(&self.small.cloud, &trap, &struck, || self.wait_for_others())
            });
            let status = until_it_ends(run);
            trap.remove(&self.small.cloud);
            // What a stopped worker hears too late it asks for again.
            let again = if point.victim == Victim::Stopped { UNDER_WAY } else { 0 };
            self.judge(&point.to_string(), mark, status, again, report);
            if is_struck {
                report.struck.insert(point.clone());
                return;
            }
        }
        report.missed.push(point.clone());
    }

    /// Gives the same command again and again, killed one point further each time, and lets it end at
    /// last.
    fn strike_the_command<'a>(&self, points: impl Iterator<Item = &'a CrashPoint>, report: &mut Report) {
        let mut mark = self.small.cloud.mark();
        let mut killed = 0;
        for point in points {
            for _ in 0..TRIES {
                let trap = point.victim.trap(&self.small.cloud, point);
                let (run, struck) = self.run_into(&trap, point);
                let is_struck = struck
                    .is_some_and(|struck| point.victim.strike(&self.small.cloud, &trap, &struck, || ()));
                let status = until_it_ends(run);
                trap.remove(&self.small.cloud);
                if is_struck {
                    assert!(!status.success(), "{point}: it was killed, and says that all is done");
                    report.struck.insert(point.clone());
                    killed += 1;
                    break;
                }
                // The run has ended before it came there.
                self.judge(&format!("the command was killed {killed} times"), mark, status, 0, report);
                (mark, killed) = (self.small.cloud.mark(), 0);
            }
            if !report.struck.contains(point) {
                report.missed.push(point.clone());
            }
        }
        let status = until_it_ends(self.start());
        self.judge(&format!("the command was killed {killed} times"), mark, status, 0, report);
    }

    /// Starts the run; the call that stands in the trap, or none if it ended before.
    fn run_into(&self, trap: &Trap, point: &CrashPoint) -> (Child, Option<Entry>) {
        let mut run = self.start();
        let struck = until("somebody is struck, or the run ends", || {
            let ended = run.try_wait().expect("a child");
            let struck = trap.sprung(&self.small.cloud, point.at.moment);
            // One that was killed may be gone a moment before the log of calls has it.
            let has_left = ended.is_some_and(|status| status.signal().is_none());
            (has_left || struck.is_some()).then_some(struck)
        });
        (run, struck)
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
    fn judge(&self, what: &str, mark: u64, status: ExitStatus, again: usize, report: &mut Report) {
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
        wrong.extend(oracle::acked_too_early(&calls, again));
        // What the queue was given it gives back: nobody has to publish it again.
        let published = |call: &&Entry| {
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

fn until_it_ends(mut run: Child) -> ExitStatus {
    until("the run ends", || run.try_wait().expect("a child"))
}

/// A few points of each victim, drawn by the seed; for each, one at a write of the protocol.
pub(super) fn handful(points: &[CrashPoint], each: usize, random: &mut Random) -> Vec<CrashPoint> {
    let mut drawn = Vec::new();
    for victim in VICTIMS {
        let mut all: Vec<_> = points.iter().filter(|point| point.victim == victim).collect();
        random.shuffle(&mut all);
        // What changes something first.
        all.sort_by_key(|point| point.is_look());
        drawn.extend(all.into_iter().take(each).cloned());
    }
    drawn
}
