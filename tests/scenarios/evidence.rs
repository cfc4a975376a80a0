//! What a worker does on its own evidence: a lease that it lost, a signal to leave, an item that
//! kills it. The workers are started by hand, so that each signal and each exit code is seen.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use contract::{
    Attempt, AttemptEnd, EndReason, Failure, FailureKind, Item, Receipt, RunId, environment, layout,
};
use rustix::process::Signal;
use scenarios::{Scenario, program, until};
use serde::de::DeserializeOwned;

const BUCKET: &str = "local-cloud-fx-data";
/// As the example's subscription has it.
const LEASE: Duration = Duration::from_secs(10);

/// An open run whose own workers wait for a node that does not come.
struct Stage {
    scenario: Scenario,
    run: RunId,
    url: String,
}

impl Stage {
    fn with(scenario: Scenario, items: &[&str]) -> Self {
        scenario.expect(0, &["apply", "--local", "--yes"]);
        scenario.expect(0, &["local", "stockout", "add", "--spot"]);
        let args = [&["run", "--local", "--yes", "--"], items].concat();
        let mut command = scenario.start(&args);
        until("the run is published", || {
            let names = scenario.objects(BUCKET, "runs");
            names.iter().any(|name| name.ends_with("/published.json")).then_some(())
        });
        signal(command.id(), Signal::KILL);
        command.wait().expect("it is gone");
        let url = scenario.json(0, &["local", "status"])["url"].as_str().expect("a url").to_owned();
        Self { run: scenario.only_run(BUCKET), scenario, url }
    }

    fn of(items: &[&str]) -> Self {
        Self::with(Scenario::fx_on_a_fast_cloud(), items)
    }

    /// Starts a worker of the run's Job by hand.
    fn worker(&self, pod: &str, index: u32, more: &[(&str, &str)]) -> Hand {
        let log = std::fs::File::create(self.scenario.path(pod)).expect("a log");
        let mut command = Command::new(program("worker"));
        let own = [
            (environment::BUCKET, BUCKET),
            (environment::SUBSCRIPTION, "projects/local-cloud/subscriptions/fx-work"),
            (environment::TOPIC, "projects/local-cloud/topics/fx-items"),
            (environment::LEASE_SECONDS, "10"),
            (environment::RUN, &self.run.0),
            (environment::POD, pod),
            (environment::NODE, "by-hand"),
            (environment::INDEX, &index.to_string()),
            ("STORAGE_EMULATOR_HOST", &self.url),
            ("PUBSUB_EMULATOR_HOST", &self.url),
        ];
        command.env_remove("GCE_METADATA_HOST").envs(own).envs(more.iter().copied()).stderr(log);
        Hand(command.spawn().expect("the worker starts"))
    }

    fn log(&self, pod: &str) -> String {
        std::fs::read_to_string(self.scenario.path(pod)).unwrap_or_default()
    }

    fn fault(&self, item: &str, what: &[&str]) {
        let resource = format!("*features/{item}.csv");
        let fault = ["local", "fault", "add", "storage.objects.insert", "--resource", &resource];
        self.scenario.expect(0, &[&fault, what].concat());
    }

    fn record<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let text = std::fs::read(self.scenario.object(BUCKET, name)).ok()?;
        Some(serde_json::from_slice(&text).expect("a record"))
    }

    fn attempt(&self, item: &str, number: u32) -> Option<Attempt> {
        self.record(&layout::attempt(&self.run, &Item(item.into()), number))
    }

    fn yielded(&self, item: &str, number: u32) -> Option<AttemptEnd> {
        self.record(&layout::attempt_yielded(&self.run, &Item(item.into()), number))
    }

    fn receipt(&self, item: &str) -> Option<Receipt> {
        self.record(&layout::receipt(&self.run, &Item(item.into())))
    }

    /// Everything that is recorded of the run but for workers' progress, and its outputs.
    fn everything(&self) -> Vec<(String, Vec<u8>)> {
        let names = ["runs", "features"].map(|prefix| self.scenario.objects(BUCKET, prefix)).concat();
        let workers = layout::workers(&self.run);
        let kept = names.into_iter().filter(|name| !name.starts_with(&workers));
        kept.map(|name| {
            (name.clone(), std::fs::read(self.scenario.object(BUCKET, &name)).expect("an object"))
        })
        .collect()
    }

    /// Long enough for a lease and the subscription's back-off.
    fn let_leases_end(&self) {
        self.scenario.expect(0, &["local", "clock", "advance", "75s"]);
    }
}

/// A worker started by hand, which ends with the test.
struct Hand(Child);

impl std::ops::Deref for Hand {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Hand {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, signal).expect("it runs");
}

#[test]
fn a_worker_that_was_stopped_past_its_lease_changes_nothing_when_it_goes_on() {
    let stage = Stage::of(&["USD"]);
    stage.fault("USD", &["--stall", "--next", "1"]);
    let mut late = stage.worker("late", 0, &[]);
    until("the upload is under way", || {
        let faults = stage.scenario.json(0, &["local", "fault", "list"]);
        (faults[0]["struck"] == 1).then_some(())
    });
    signal(late.id(), Signal::STOP);
    let stopped = Instant::now();

    stage.let_leases_end();
    // Another pod of the same index: it may not leave while the item is open.
    let other = stage.worker("other", 0, &[]).wait().expect("it ends");
    assert_eq!(other.code(), Some(0), "{}", stage.log("other"));
    let receipt = stage.receipt("USD").expect("a receipt");
    assert_eq!((receipt.attempt, receipt.pod.as_str()), (2, "other"));
    let before = stage.everything();

    // The lease is one by the clock of the machine: nothing but time ends it.
    std::thread::sleep((LEASE + Duration::from_secs(2)).saturating_sub(stopped.elapsed()));
    signal(late.id(), Signal::CONT);
    let end = until("the late one notices", || stage.yielded("USD", 1));
    assert_eq!(end.reason, EndReason::LeaseLost);
    assert_eq!(late.wait().expect("it ends").code(), Some(0), "{}", stage.log("late"));

    let ours = layout::attempt_yielded(&stage.run, &Item("USD".into()), 1);
    let after: Vec<_> = stage.everything().into_iter().filter(|(name, _)| *name != ours).collect();
    assert!(before == after, "the late worker changed something:\n{}", stage.log("late"));
    assert_eq!(stage.receipt("USD"), Some(receipt));
    let output = stage.scenario.json(0, &["local", "calls", "--method", "storage.objects.insert"]);
    let stored = output.as_array().expect("calls").iter().filter(|call| {
        call["resource"].as_str().is_some_and(|resource| resource.ends_with("features/USD.csv"))
            && call["status"] == "200"
    });
    assert_eq!(stored.count(), 1, "one generation: {output:#}");
}

#[test]
fn a_worker_asked_to_stop_finishes_what_can_finish_and_returns_the_rest_early() {
    let stage = Stage::of(&["USD", "GBP", "JPY", "CHF", "SEK"]);
    // Two at a time: the first two are its history when the last two are in flight.
    for (item, latency) in [("USD", "1s"), ("GBP", "9s"), ("JPY", "11s"), ("CHF", "60s")] {
        stage.fault(item, &["--latency", latency]);
    }
    let two_at_a_time = [(environment::CONCURRENCY, "2"), (environment::GRACE_SECONDS, "10")];
    let mut worker = stage.worker("leaving", 0, &two_at_a_time);
    until("the long one has begun", || stage.attempt("CHF", 1));
    assert!(stage.receipt("GBP").is_some() && stage.receipt("JPY").is_none(), "{}", stage.log("leaving"));

    let asked = Instant::now();
    signal(worker.id(), Signal::TERM);
    let end = until("the long one is returned", || stage.yielded("CHF", 1));
    let returned = asked.elapsed();
    assert_eq!(end.reason, EndReason::Terminated);
    assert!(stage.receipt("JPY").is_none(), "at once, not after the others");
    assert_eq!(worker.wait().expect("it ends").code(), Some(143), "{}", stage.log("leaving"));
    let left = asked.elapsed();
    println!("returned after {} ms, left after {} ms", returned.as_millis(), left.as_millis());
    assert!(returned < Duration::from_secs(2) && left < Duration::from_secs(10), "{returned:?}, {left:?}");
    assert_eq!(stage.receipt("JPY").expect("it finished").pod, "leaving");
    assert!(stage.yielded("JPY", 1).is_none() && stage.attempt("SEK", 1).is_none());
}

#[test]
fn an_item_that_kills_its_worker_again_and_again_ends_as_a_failure_and_the_others_finish() {
    let stage = Stage::of(&["USD", "GBP", "JPY"]);
    stage.fault("USD", &["--kill", "before", "--caller", "worker"]);
    let mut killed = 0;
    loop {
        let pod = format!("pod-{killed}");
        let status = stage.worker(&pod, 0, &[]).wait().expect("it ends");
        if status.code().is_some() {
            assert_eq!(status.code(), Some(0), "{}", stage.log(&pod));
            break;
        }
        killed += 1;
        assert!(killed <= 5, "it is tried for ever");
        stage.let_leases_end();
    }
    assert_eq!(killed, 5);
    let failure: Failure =
        stage.record(&layout::failure(&stage.run, &Item("USD".into()))).expect("a failure");
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Vanished, 5));
    assert!(failure.message.contains("five attempts in a row"), "{}", failure.message);
    assert!(stage.receipt("GBP").is_some() && stage.receipt("JPY").is_some());
}

#[test]
fn a_lease_holds_while_every_core_is_busy_with_other_items() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    let mut others = Vec::new();
    for entry in std::fs::read_dir(scenario.path("examples/fx/rates")).expect("rates").flatten() {
        let name = entry.path().file_stem().expect("a name").to_string_lossy().into_owned();
        if name != "USD" {
            let text = std::fs::read_to_string(entry.path()).expect("rates");
            let (header, rows) = text.split_once('\n').expect("a header");
            std::fs::write(entry.path(), format!("{header}\n{}", rows.repeat(30))).expect("rates");
            others.push(name);
        }
    }
    let items: Vec<&str> = std::iter::once("USD").chain(others.iter().map(String::as_str)).collect();
    let stage = Stage::with(scenario, &items);
    // USD is in flight for longer than its lease, whatever the others do meanwhile.
    stage.fault("USD", &["--latency", "14s"]);
    let worker = stage.worker("busy", 0, &[(environment::CONCURRENCY, "16")]);
    let receipt = until("the item is done", || stage.receipt("USD"));
    let meanwhile = others.iter().filter(|item| stage.receipt(item).is_some()).count();
    let busy = others.iter().filter(|item| stage.attempt(item, 1).is_some()).count() - meanwhile;
    println!("{meanwhile} items were done meanwhile, {busy} in work at the end");
    drop(worker);
    assert_eq!(receipt.attempt, 1);
    let seconds = receipt.finished.duration_since(receipt.started).as_secs();
    assert!(seconds >= 14, "{seconds}");
    assert!(stage.attempt("USD", 2).is_none(), "it was delivered again");
    assert!(!stage.log("busy").contains("leases were lost"), "{}", stage.log("busy"));
}
