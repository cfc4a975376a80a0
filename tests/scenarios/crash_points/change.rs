//! One command that changes a stack, killed at one point of it each time, in a cloud of its own, and given
//! again.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use localcloud::calls::{Entry, Passed, Point};
use scenarios::census::Census;
use scenarios::{Cloud, Random, Scenario};

use super::point::{CrashPoint, Report};
use super::stage::{ANN, Change, Stage, Stages};
use super::victim::Victim;

/// Times that a point is tried which the command did not come to.
const TRIES: usize = 4;
/// Kills at the same time: a killed command and its cloud mostly wait.
const AT_ONCE: usize = 2;
/// The log of calls may have a death later than its parent.
const MOMENT: Duration = Duration::from_secs(2);
/// After so many findings no more are looked for, and of each only so many differences are told.
const ENOUGH: usize = 8;

/// What shows that a process was killed.
const SIGKILL: i32 = 9;
/// How a command ends that found something not as it was planned.
const STALE: i32 = 3;

/// A command, and what it should come to.
pub(super) struct Campaign {
    change: Change,
    stage: Stage,
    right: Census,
    points: Vec<CrashPoint>,
    pub(super) begun: Instant,
}

/// How one kill went.
struct Struck {
    /// GKE's operations that were under way when it died.
    under_way: usize,
    wrong: Vec<String>,
}

impl Campaign {
    /// Has the command go undisturbed: what it comes to, and by which points, in order.
    pub(super) fn begin(change: Change, stages: &Stages) -> Self {
        let begun = Instant::now();
        let stage = stages.of(change);
        let (scenario, cloud) = stage.set();
        let mark = cloud.mark();
        let status = cloud.attend(scenario.start(change.command()), mark);
        let points = points(&cloud, mark);
        if change.corrected().is_some() {
            give_again(change, &scenario, &cloud);
        }
        let right = Census::of(&scenario);
        let mut report = Report::default();
        match status.success() {
            true => report.wrong.extend(wrong_of(change, &right, stages)),
            false => report.wrong.push(format!("it ended with {status}\n{}", scenario.started_log())),
        }
        report.wrong.extend(answer(change, &scenario));
        report.wrong.iter_mut().for_each(|wrong| wrong.insert_str(0, &format!("{change:?}, undisturbed: ")));
        report.assert_right();
        Self { change, stage, right, points, begun }
    }

    /// The points that the undisturbed command passed.
    pub(super) fn points(&self) -> &[CrashPoint] {
        &self.points
    }

    /// Kills it at each of these points, and judges what becomes of it.
    pub(super) fn strike_all(&self, points: &[CrashPoint]) -> Report {
        let report = Mutex::new(Report::default());
        let (rest, under_way) = (Mutex::new(points.iter()), Mutex::new(0));
        let next = || locked(&rest).next();
        std::thread::scope(|lanes| {
            for _ in 0..AT_ONCE {
                lanes.spawn(|| {
                    while let Some(point) = next() {
                        if locked(&report).wrong.len() >= ENOUGH {
                            return;
                        }
                        let struck = (0..TRIES).find_map(|_| self.strike(point));
                        let mut report = locked(&report);
                        report.runs += 1;
                        let Some(struck) = struck else {
                            report.missed.push(point.clone());
                            continue;
                        };
                        *locked(&under_way) += usize::from(struck.under_way > 0);
                        report.struck.insert(point.clone());
                        let seconds = self.begun.elapsed().as_secs();
                        let how = if struck.wrong.is_empty() { "right" } else { "WRONG" };
                        println!("{seconds:>4} s {:?}: {point}: {how}", self.change);
                        if !struck.wrong.is_empty() {
                            let wrong = struck.wrong.join("\n    ");
                            report.wrong.push(format!("{:?}: {point}: {wrong}", self.change));
                        }
                    }
                });
            }
        });
        let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        println!(
            "{:?}: killed at {} of {} points, at {} of them with an operation under way, {} s",
            self.change,
            report.struck.len(),
            self.points.len(),
            locked(&under_way),
            self.begun.elapsed().as_secs()
        );
        report
    }

    /// Kills it there, gives it again, and looks at what is there then; none if it did not come there.
    fn strike(&self, point: &CrashPoint) -> Option<Struck> {
        let (scenario, cloud) = self.stage.set();
        let trap = point.victim.trap(&cloud, point);
        let died = cloud.attend(scenario.start(self.change.command()), trap.mark);
        if died.success() {
            return None;
        }
        if died.signal() != Some(SIGKILL) {
            let wrong = format!("it ended with {died} before it came there\n{}", scenario.started_log());
            return Some(Struck { under_way: 0, wrong: vec![wrong] });
        }
        let call = trap.sprung_within(&cloud, point.at.moment, MOMENT).expect("what killed it is in the log");
        assert!(point.victim.strike(&cloud, &trap, &call, || ()));
        trap.remove(&cloud);
        let under_way = Census::of(&scenario).under_way();

        let ended = give_again(self.change, &scenario, &cloud);
        Some(Struck { under_way, wrong: self.wrong(&scenario, ended) })
    }

    /// What is wrong after the command was given again.
    fn wrong(&self, scenario: &Scenario, ended: ExitStatus) -> Vec<String> {
        if !ended.success() {
            return vec![format!("given again it ended with {ended}\n{}", scenario.started_log())];
        }
        let mut wrong = Vec::new();
        let is = Census::of(scenario);
        if is.under_way() > 0 {
            wrong.push(format!("it says that all is done, with {} operations under way", is.under_way()));
        }
        let differences = is.differences(&self.right);
        wrong.extend(differences.into_iter().take(ENOUGH));
        wrong.extend(answer(self.change, scenario));
        wrong
    }
}

/// Gives the command again. With a file that was corrected meanwhile, what could not be seen yet may turn
/// out to be as the old one had it: then it says so, and is given once more.
fn give_again(change: Change, scenario: &Scenario, cloud: &Cloud) -> ExitStatus {
    let give = || cloud.attend(scenario.start(change.command()), cloud.mark());
    let Some(file) = change.corrected() else { return give() };
    scenario.write("stack.toml", file);
    let ended = give();
    if ended.code() == Some(STALE) { give() } else { ended }
}

/// What a stack's own commands find left to do.
fn answer(change: Change, scenario: &Scenario) -> Vec<String> {
    let (question, answer) = change.question();
    let said = scenario.provision(question);
    let is_right = said.code == Some(0) && said.stdout.contains(answer);
    let told = format!(
        "`provision {}` ended with {:?}\n{}{}",
        question.join(" "),
        said.code,
        said.stdout,
        said.stderr
    );
    if is_right { Vec::new() } else { vec![told] }
}

/// What an undisturbed command did not come to, or left.
fn wrong_of(change: Change, census: &Census, stages: &Stages) -> Vec<String> {
    let facts = census.facts();
    let has = |part: &str| facts.iter().any(|fact| fact.contains(part));
    let missing = change.facts().iter().chain([&ANN]).filter(|fact| !has(fact));
    let left = change.gone().iter().filter(|fact| has(fact));
    let mut wrong: Vec<String> = missing.map(|fact| format!("not {fact}")).collect();
    wrong.extend(left.map(|fact| format!("still {fact}")));
    if change == Change::Teardown {
        wrong.extend(census.differences(&stages.nothing()));
    }
    wrong
}

/// The points that a command passed since a mark, in order. Where it changed something, each time that
/// it did counts; where it only looked, the first.
fn points(cloud: &Cloud, mark: u64) -> Vec<CrashPoint> {
    let calls = cloud.calls(mark);
    let victim = Victim::Command;
    let passed = cloud.coverage(mark).into_iter().filter(|at| at.callers.contains(victim.program()));
    let mut points: Vec<(u64, CrashPoint)> = passed.flat_map(|at| times(&at, victim, &calls)).collect();
    points.sort_by_key(|(call, point)| (*call, point.at.moment));
    points.into_iter().map(|(_, point)| point).collect()
}

fn times(at: &Passed, victim: Victim, calls: &[Entry]) -> Vec<(u64, CrashPoint)> {
    let point = Point { method: at.method.clone(), resource: at.resource.clone(), ..Point::default() };
    let point = point.by(victim.program());
    let point_of = |nth| CrashPoint { victim, at: at.clone(), nth };
    let came: Vec<&Entry> = calls.iter().filter(|call| call.is_at(&point)).collect();
    if point_of(1).is_look() {
        return came.first().map(|call| (call.number, point_of(1))).into_iter().collect();
    }
    // How often a call is refused before it is done differs from time to time.
    let done = came.iter().filter(|call| call.status.as_deref() != Some("400"));
    done.zip(1..).map(|(call, nth)| (call.number, point_of(nth))).collect()
}

/// A tenth of the points at which something changes, drawn by the seed.
pub(super) fn tenth(points: &[CrashPoint], random: &mut Random) -> Vec<CrashPoint> {
    let mut changes: Vec<_> = points.iter().filter(|point| !point.is_look()).cloned().collect();
    random.shuffle(&mut changes);
    changes.truncate(changes.len().div_ceil(10));
    changes
}

fn locked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What a failed lane leaves is whole.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
