//! What goes wrong, drawn by chance, and what it hit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contract::environment::{NODE, POD};
use jiff::Timestamp;
use localcloud::calls::{Entry, Fault, Point, What};
use scenarios::evidence::{Evidence, Run};
use scenarios::{Random, kill, resume, stop, variable_of, workers_in};

use super::Size;
use super::stage::Stage;

/// Longer than a lease.
const STOPPED: Duration = Duration::from_secs(13);
/// A command needs no lease.
const COMMAND_STOPPED: Duration = Duration::from_secs(4);
/// Longest that a worker is waited for where one is to be killed.
const PATIENCE: Duration = Duration::from_secs(4);

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    WorkerKilled,
    WorkerStopped,
    /// Between an item's first upload and its ack.
    WorkerKilledLate,
    NodePreempted,
    NodeWithoutPower,
    CommandKilled,
    CommandStopped,
    ItemPublishedAgain,
    AckDropped,
}

/// Each as often as it stands here.
const KINDS: [Kind; 16] = [
    Kind::WorkerKilled,
    Kind::WorkerKilled,
    Kind::WorkerKilled,
    Kind::WorkerKilled,
    Kind::WorkerKilled,
    Kind::WorkerKilledLate,
    Kind::WorkerKilledLate,
    Kind::WorkerKilledLate,
    Kind::WorkerStopped,
    Kind::NodePreempted,
    Kind::NodeWithoutPower,
    Kind::NodeWithoutPower,
    Kind::CommandKilled,
    Kind::CommandStopped,
    Kind::ItemPublishedAgain,
    Kind::AckDropped,
];

/// Something that went wrong.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) kind: Kind,
    at: Timestamp,
    /// Workers' pods that it struck.
    pods: Vec<String>,
}

/// How many disruptions hit an item in flight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hits {
    pub(super) all: usize,
    /// Between its first upload and its ack.
    pub(super) late: usize,
}

pub(super) struct Havoc {
    random: Random,
    pub(super) done: Vec<Done>,
    stopped: Vec<(u32, Instant)>,
    /// Workers that have an item in work.
    busy: Vec<u32>,
}

impl Havoc {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), done: Vec::new(), stopped: Vec::new(), busy: Vec::new() }
    }

    /// Whether more than enough has gone wrong: not all of it hits.
    pub(super) fn is_enough(&self, size: Size) -> bool {
        let worker = self.done.iter().filter(|done| !done.pods.is_empty()).count();
        self.done.len() >= size.disruptions && worker >= size.hits * 5 / 4 && self.is_late_enough(size)
    }

    fn is_late_enough(&self, size: Size) -> bool {
        let late = self.done.iter().filter(|done| done.kind == Kind::WorkerKilledLate).count();
        late >= size.late * 5 / 4
    }

    /// Waits a moment, and lets something go wrong; every other time it is what is still too rare.
    pub(super) fn disrupt(&mut self, size: Size, stage: &mut Stage) {
        let mark = stage.cloud.mark();
        let moment = 200 + self.random.below(600) as u64;
        std::thread::sleep(Duration::from_millis(moment));
        self.busy = busy(&stage.cloud.calls(mark));
        self.resume(Instant::now());
        stage.look_after_commands();
        let is_late = !self.is_late_enough(size) && self.random.below(2) == 0;
        let drawn = if is_late { Some(Kind::WorkerKilledLate) } else { self.random.one(&KINDS).copied() };
        let Some(kind) = drawn else { return };
        let at = Timestamp::now();
        if let Some(pods) = self.strike(kind, stage) {
            self.done.push(Done { kind, at, pods });
        }
    }

    /// Nothing goes wrong any more.
    pub(super) fn calm(&mut self, stage: &mut Stage) {
        while !self.stopped.is_empty() {
            self.resume(Instant::now());
            std::thread::sleep(Duration::from_millis(100));
        }
        stage.cloud.clear(None);
    }

    /// Lets those go on that were stopped for long enough.
    fn resume(&mut self, now: Instant) {
        self.stopped.retain(|(pid, until)| {
            let is_over = *until <= now;
            if is_over {
                resume(*pid);
            }
            !is_over
        });
    }

    /// The pods that were struck; none if there was nobody to strike.
    fn strike(&mut self, kind: Kind, stage: &Stage) -> Option<Vec<String>> {
        match kind {
            Kind::WorkerKilled => {
                let worker = self.worker(stage)?;
                let pod = variable_of(worker, POD)?;
                kill(worker).then(|| vec![pod])
            }
            Kind::WorkerStopped => {
                let worker = self.worker(stage)?;
                let pod = variable_of(worker, POD)?;
                self.stop(worker, STOPPED).then(|| vec![pod])
            }
            Kind::WorkerKilledLate => self.kill_late(stage),
            Kind::NodePreempted | Kind::NodeWithoutPower => {
                let node = variable_of(self.worker(stage)?, NODE)?;
                let pods = pods_on(stage, &node);
                let grace = (kind == Kind::NodeWithoutPower).then_some(Duration::ZERO);
                stage.cloud.preempt(Some(&node), grace).then_some(pods)
            }
            Kind::CommandKilled => kill(self.command(stage)?).then(Vec::new),
            Kind::CommandStopped => {
                let command = self.command(stage)?;
                self.stop(command, COMMAND_STOPPED).then(Vec::new)
            }
            Kind::ItemPublishedAgain => stage.publish_again(&mut self.random).then(Vec::new),
            Kind::AckDropped => {
                let ack = Point::before("pubsub.subscriptions.acknowledge").by("worker");
                let (mark, fault) = (stage.cloud.mark(), stage.cloud.fault(&Fault::next(1, ack, What::Drop)));
                let struck = stage.cloud.struck_within(fault, mark, PATIENCE);
                stage.cloud.clear(Some(fault));
                struck.map(|_| Vec::new())
            }
        }
    }

    fn kill_late(&mut self, stage: &Stage) -> Option<Vec<String>> {
        let points = [
            Point::after("storage.objects.insert").on("*/objects/out/*"),
            Point::after("storage.objects.insert").on("*/commits/*"),
            Point::before("storage.objects.rewrite").on("*/objects/out/*"),
            Point::after("storage.objects.rewrite").on("*/objects/out/*"),
            Point::before("storage.objects.insert").on("*/receipts/*"),
            Point::after("storage.objects.insert").on("*/receipts/*"),
        ];
        // Every item passes the last one.
        let drawn = [self.random.one(&points)?, points.last()?];
        let struck = drawn.into_iter().find_map(|point| {
            let mark = stage.cloud.mark();
            let fault = stage.cloud.fault(&Fault::next(1, point.clone().by("worker"), What::Kill));
            let struck = stage.cloud.struck_within(fault, mark, PATIENCE);
            stage.cloud.clear(Some(fault));
            struck
        });
        Some(vec![struck?.pod?])
    }

    /// A worker that has an item in work, or else any.
    fn worker(&mut self, stage: &Stage) -> Option<u32> {
        let can_be_struck = |pid: &u32| !self.stopped.iter().any(|(stopped, _)| stopped == pid);
        let all: Vec<u32> = workers_in(&stage.scenario.path("")).into_iter().filter(can_be_struck).collect();
        let busy: Vec<u32> = all.iter().copied().filter(|pid| self.busy.contains(pid)).collect();
        self.random.one(if busy.is_empty() { &all } else { &busy }).copied()
    }

    fn command(&mut self, stage: &Stage) -> Option<u32> {
        let commands: Vec<u32> = stage.commands.iter().filter_map(super::stage::Command::pid).collect();
        self.random.one(&commands).copied()
    }

    fn stop(&mut self, pid: u32, time: Duration) -> bool {
        let is_stopped = stop(pid);
        if is_stopped {
            self.stopped.push((pid, Instant::now() + time));
        }
        is_stopped
    }

    /// Disruptions of workers that had begun an item then which somebody had to take up again.
    pub(super) fn hits(&self, evidence: &Evidence) -> Hits {
        let mut hits = Hits::default();
        for done in &self.done {
            let begun = evidence.runs.iter().flat_map(Run::taken_up_again);
            let mut begun = begun.filter(|attempt| attempt.started <= done.at);
            let in_flight = begun.any(|attempt| done.pods.contains(&attempt.pod));
            // Where one was killed late, the call that it was killed at is the proof.
            let is_late = done.kind == Kind::WorkerKilledLate;
            hits.all += usize::from(in_flight || is_late);
            hits.late += usize::from(is_late);
        }
        hits
    }
}

/// Workers that began more items than they have written receipts for.
fn busy(calls: &[Entry]) -> Vec<u32> {
    let mut open: BTreeMap<u32, isize> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.method == "storage.objects.insert") {
        let step = match &call.resource {
            name if name.contains("/attempts/") => 1,
            name if name.contains("/receipts/") => -1,
            _ => 0,
        };
        if let Some(pid) = call.pid {
            *open.entry(pid).or_default() += step;
        }
    }
    open.into_iter().filter(|(_, open)| *open > 0).map(|(pid, _)| pid).collect()
}

fn pods_on(stage: &Stage, node: &str) -> Vec<String> {
    let workers = workers_in(&stage.scenario.path("")).into_iter();
    let on_it = workers.filter(|pid| variable_of(*pid, NODE).as_deref() == Some(node));
    on_it.filter_map(|pid| variable_of(pid, POD)).collect()
}
