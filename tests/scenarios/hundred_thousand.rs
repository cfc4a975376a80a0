//! A run of 100,000 items, followed by the real `provision`: what it costs to know when it is done.
//! Its receipts are written by simulated workers, since what workers do is measured elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clients::{Bucket, Metadata, Target};
use contract::{Item, Receipt, ReceiptKind, RunId, WorkerProgress, WorkerState, layout};
use jiff::Timestamp;
use scenarios::{Scenario, until};
use serde_json::Value;

const ITEMS: u64 = 100_000;
const WRITERS: u64 = 8;
const BUCKET: &str = "local-cloud-fx-data";
/// US dollars for 10,000 calls, as `provisioner/src/prices.toml` has them.
const CLASS_A: f64 = 0.05;
const CLASS_B: f64 = 0.004;

/// The calls of `provision`, by method.
#[derive(Default)]
struct Calls(BTreeMap<String, u64>);

impl Calls {
    /// Takes in those since `mark`; the next mark.
    fn read(&mut self, scenario: &Scenario, mark: u64) -> u64 {
        let since = mark.to_string();
        let calls = scenario.json(0, &["local", "calls", "--caller", "provision", "--since", &since]);
        let calls: &Vec<Value> = calls.as_array().expect("calls");
        for call in calls {
            *self.0.entry(call["method"].as_str().expect("a method").to_owned()).or_default() += 1;
        }
        calls.last().map_or(mark, |call| call["number"].as_u64().expect("a number") + 1)
    }

    /// Calls that write or list, and calls that read.
    fn classes(&self) -> (u64, u64) {
        let of = |methods: &[&str]| methods.iter().filter_map(|method| self.0.get(*method)).sum();
        let writes = of(&["storage.objects.list", "storage.objects.insert"]);
        (writes, of(&["storage.objects.get"]))
    }
}

#[test]
#[ignore = "it takes minutes: `just hundred-thousand`"]
fn a_run_of_100_000_items_costs_few_calls() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["local", "stockout", "add", "--spot"]);
    let items = (0..ITEMS).map(|item| format!("item-{item:06}")).collect::<Vec<_>>().join("\n");
    scenario.write("many.txt", items);

    let (mut calls, mut mark) = (Calls::default(), 0);
    mark = Calls::default().read(&scenario, mark);
    let started = Instant::now();
    let mut command = scenario.start(&["run", "--local", "--yes", "--items", "many.txt"]);
    until("the run is published", || {
        mark = calls.read(&scenario, mark);
        std::thread::sleep(Duration::from_secs(1));
        scenario.objects(BUCKET, "runs").iter().any(|name| name.ends_with("/published.json")).then_some(())
    });
    let published = started.elapsed();
    let run = scenario.only_run(BUCKET);
    let work = start_workers(&scenario, &run);
    let (mut memory, mut told) = (0, None);
    let code = loop {
        memory = memory.max(peak_memory(command.id()));
        mark = calls.read(&scenario, mark);
        if let Some(code) = command.try_wait().expect("a process") {
            break code.code();
        }
        if told.is_none() && work.ended.load(Ordering::Relaxed) {
            told = Some(Instant::now());
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    let late = told.map_or(Duration::ZERO, |told| told.elapsed());
    calls.read(&scenario, mark);
    let log = scenario.started_log();
    assert_eq!(code, Some(0), "{log}");

    let (class_a, class_b) = calls.classes();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let dollars = (class_a as f64 * CLASS_A + class_b as f64 * CLASS_B) / 10_000.0;
    println!(
        "{ITEMS} items: published after {published:.1?}, known to be done {late:.1?} after the last receipt"
    );
    println!("the whole run took {:.1?}; provision held at most {memory} MiB", started.elapsed());
    println!("calls of provision on objects: {class_a} of class A, {class_b} of class B: ${dollars:.4}");
    for (method, count) in &calls.0 {
        println!("  {count:>7} {method}");
    }
    assert!(class_a < 2_000, "{class_a} calls that write or list");
}

/// Simulated workers.
struct Work {
    ended: Arc<AtomicBool>,
}

fn start_workers(scenario: &Scenario, run: &RunId) -> Work {
    let status = scenario.json(0, &["local", "status"]);
    let url = status["url"].as_str().expect("a url").to_owned();
    let (ended, run) = (Arc::new(AtomicBool::new(false)), run.clone());
    let work = Work { ended: ended.clone() };
    std::thread::spawn(move || {
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let storage = Target::anonymous(&url).storage().await.expect("clients");
            let bucket = Bucket::new(storage, BUCKET);
            let next = Arc::new(AtomicU64::new(0));
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| tokio::spawn(write(bucket.clone(), run.clone(), writer, next.clone())))
                .collect();
            for writer in writers {
                writer.await.expect("a writer");
            }
        });
        ended.store(true, Ordering::Relaxed);
    });
    work
}

/// Writes receipts, and tells of it every two seconds, as workers do.
async fn write(bucket: Bucket, run: RunId, writer: u64, next: Arc<AtomicU64>) {
    let (pod, started) = (format!("pod-{writer}"), Timestamp::now());
    let mut progress = WorkerProgress {
        pod: pod.clone(),
        node: format!("node-{writer}"),
        index: u32::try_from(writer).expect("small"),
        state: WorkerState::Running,
        at: started,
        started,
        done: 0,
        failed: 0,
        retried: 0,
        in_flight: Vec::new(),
    };
    let mut told = Instant::now();
    loop {
        let item = next.fetch_add(1, Ordering::Relaxed);
        let is_last = item >= ITEMS;
        if is_last || told.elapsed() > Duration::from_secs(2) {
            progress.at = Timestamp::now();
            bucket.overwrite_json(&layout::worker(&run, &pod), &progress).await.expect("written");
            told = Instant::now();
        }
        if is_last {
            return;
        }
        let receipt = receipt(&run, Item(format!("item-{item:06}")), &pod);
        let name = layout::receipt(&run, &receipt.item);
        bucket.create_json(&name, &receipt, Metadata::new()).await.expect("written");
        progress.done += 1;
    }
}

fn receipt(run: &RunId, item: Item, pod: &str) -> Receipt {
    let now = Timestamp::now();
    Receipt {
        run: run.clone(),
        item,
        kind: ReceiptKind::Stored,
        execution: "0123456789abcdef".into(),
        attempt: 1,
        pod: pod.into(),
        node: String::new(),
        started: now,
        finished: now,
        inputs: Vec::new(),
        outputs: Vec::new(),
        rows_in: None,
        rows_rejected: None,
        rows_out: None,
        config_sha256: String::new(),
        image: None,
    }
}

/// The most memory that a process has held, in MiB, by `/proc`.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
