//! A stack and its local cloud, and what a command of `provision` took there.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use localcloud::calls::{Fault, Latency, Point, What};
use scenarios::{Cloud, Scenario};

/// A stack whose cloud answers as late as it is told to.
pub(crate) struct Session {
    pub(crate) scenario: Scenario,
    cloud: Cloud,
}

/// What one command took.
pub(crate) struct Took {
    pub(crate) milliseconds: f64,
    /// By their methods.
    pub(crate) calls: BTreeMap<String, usize>,
    /// Most that the process has held.
    pub(crate) mebibytes: u64,
    pub(crate) stdout: String,
}

impl Session {
    /// The cloud is there, and nothing of the stack.
    pub(crate) fn begin(scenario: Scenario) -> Self {
        scenario.expect(0, &["local", "up"]);
        let cloud = Cloud::of(&scenario);
        Self { scenario, cloud }
    }

    /// From here on every call takes so much longer.
    pub(crate) fn latency(&self, milliseconds: u64) {
        self.cloud.clear(None);
        if milliseconds > 0 {
            let latency = Latency::Fixed(Duration::from_millis(milliseconds));
            let _ = self.cloud.fault(&Fault::always(Point::before("*"), What::Delay(latency)));
        }
    }

    /// Runs a command, which must succeed.
    pub(crate) fn run(&self, args: &[&str]) -> Took {
        let mark = self.cloud.mark();
        let log = self.scenario.path("stdout.log");
        let mut command = self.scenario.command(args);
        command.stdout(std::fs::File::create(&log).expect("a log")).stderr(Stdio::null());
        let began = Instant::now();
        let mut child = command.spawn().expect("provision starts");
        let mut mebibytes = 0;
        let status = loop {
            mebibytes = mebibytes.max(peak_memory(child.id()));
            match child.try_wait().expect("a child") {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        let milliseconds = began.elapsed().as_secs_f64() * 1e3;
        let stdout = std::fs::read_to_string(&log).expect("a log");
        assert!(status.success(), "provision {}: {status}\n{stdout}", args.join(" "));
        let mut calls = BTreeMap::new();
        for call in self.cloud.calls(mark).into_iter().filter(|call| call.pid == Some(child.id())) {
            *calls.entry(call.method).or_default() += 1;
        }
        Took { milliseconds, calls, mebibytes, stdout }
    }

    /// The same, some times over.
    pub(crate) fn rounds(&self, rounds: usize, args: &[&str]) -> Vec<Took> {
        (0..rounds).map(|_| self.run(args)).collect()
    }
}

impl Took {
    pub(crate) fn count(&self) -> usize {
        self.calls.values().sum()
    }
}

/// The median of what rounds took, in milliseconds.
pub(crate) fn median(rounds: &[Took]) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(|took| took.milliseconds).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

pub(crate) fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

/// The most memory that a process has held, in MiB, by `/proc`.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
