//! The whole protocol, item by item: how fast, against what concurrency and round trips allow; how
//! many calls; and the same by a subscriber in Python.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use contract::RunId;
use localcloud::calls::Entry;
use serde_json::{Value, json};

use crate::cloud::{BUCKET, Cloud, topic};
use crate::python;
use crate::queue::{median, round};

const CONCURRENCY: u32 = 32;
/// Each is measured so often.
const ROUNDS: usize = 3;
/// Round trips of an item that the next one in its place has to wait for: attempt, look, upload,
/// receipt; and the ack, upon which another message comes.
const ROUND_TRIPS: u32 = 5;

const CASES: [Case; 3] = [
    Case { latency: 0, item: 0, items: 2_000 },
    Case { latency: 0, item: 200, items: 1_000 },
    Case { latency: 50, item: 200, items: 600 },
];

/// What is measured; times in milliseconds.
#[derive(Clone, Copy)]
struct Case {
    latency: u64,
    item: u64,
    items: usize,
}

/// One measurement.
struct Figures {
    items_per_second: f64,
    calls_per_item: f64,
    calls_besides: usize,
    /// Milliseconds of each item beside its own time, sorted.
    overhead: Vec<f64>,
}

pub(crate) async fn measure(cloud: &Cloud) -> Value {
    let python = python::interpreter();
    let mut told = Vec::new();
    for case in CASES {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            ours.push(case.run(cloud, round, None).await);
            if let Some(python) = &python {
                theirs.push(case.run(cloud, round, Some(python)).await);
            }
        }
        let (worker, python) = (case.tell(&ours), (!theirs.is_empty()).then(|| case.tell_rates(&theirs)));
        let rate = |figures: &Value| figures["items_per_second"].as_f64().unwrap_or(f64::NAN);
        let times = python.as_ref().map(|python| self::round(rate(&worker) / rate(python), 2));
        told.push(json!({
            "latency_milliseconds": case.latency,
            "item_milliseconds": case.item,
            "concurrency": CONCURRENCY,
            "items": case.items,
            "bound_items_per_second": case.bound().map(|bound| self::round(bound, 1)),
            "worker": worker,
            "python": python,
            "times_python": times,
        }));
        eprintln!("{}", told[told.len() - 1]);
    }
    told.into()
}

impl Case {
    /// Concurrency ÷ (item time + round trips); none where neither takes any time.
    fn bound(self) -> Option<f64> {
        let milliseconds = self.item + self.latency * u64::from(ROUND_TRIPS);
        (milliseconds > 0).then(|| f64::from(CONCURRENCY) * 1000.0 / milliseconds as f64)
    }

    async fn run(self, cloud: &Cloud, round: usize, python: Option<&Path>) -> Figures {
        let who = if python.is_some() { "python" } else { "worker" };
        let name = format!("{who}-{}-{}-{round}", self.latency, self.item);
        let folder = format!("out/{name}");
        let config = json!({ "bucket": BUCKET, "folder": folder, "milliseconds": self.item });
        let run = cloud.run(&name, config.as_object().cloned().unwrap_or_default()).await;
        let subscription = cloud.queue(&name).await;
        cloud.publish(&name, &run, self.items).await;
        cloud.slow_down(Duration::from_millis(self.latency)).await;
        let mark = cloud.mark().await;
        let process = match python {
            Some(python) => self.python(cloud, python, &run, &subscription, &folder),
            None => worker(cloud, &run, &subscription),
        };
        let _process = Process(process);
        cloud.drained(&subscription).await;
        let calls = cloud.calls(mark).await;
        cloud.speed_up().await;
        self.figures(&calls)
    }

    fn python(self, cloud: &Cloud, python: &Path, run: &RunId, subscription: &str, folder: &str) -> Child {
        let url = cloud.url();
        let host = url.strip_prefix("http://").unwrap_or(&url);
        let mut command = Command::new(python);
        command.arg(python::script());
        command.env("PUBSUB_EMULATOR_HOST", host).env("STORAGE_EMULATOR_HOST", &url);
        command.env("RUN", &run.0).env("BUCKET", BUCKET).env("FOLDER", folder);
        command.env("SUBSCRIPTION", subscription).env("CONCURRENCY", CONCURRENCY.to_string());
        command.env("MILLISECONDS", self.item.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("python starts")
    }

    /// What the local cloud's log of calls tells.
    fn figures(self, calls: &[Entry]) -> Figures {
        let mut items: HashMap<&str, (&Entry, &Entry, usize)> = HashMap::new();
        let storage = calls.iter().filter(|call| call.method.starts_with("storage."));
        let mut besides = 0;
        for call in storage {
            let Some(item) = item_of(&call.resource) else {
                besides += 1;
                continue;
            };
            let (_, last, count) = items.entry(item).or_insert((call, call, 0));
            *last = call;
            *count += 1;
        }
        assert_eq!(items.len(), self.items, "every item is done");
        let first = items.values().map(|(first, ..)| first.time).min().expect("an item");
        let last = items.values().map(|(_, last, _)| last.time).max().expect("an item");
        let milliseconds =
            |from: jiff::Timestamp, to: jiff::Timestamp| to.duration_since(from).as_secs_f64() * 1000.0;
        let overhead =
            items.values().map(|(first, last, _)| milliseconds(first.time, last.time) - self.item as f64);
        let mut overhead: Vec<f64> = overhead.collect();
        overhead.sort_by(f64::total_cmp);
        let calls: usize = items.values().map(|(.., count)| count).sum();
        Figures {
            items_per_second: self.items as f64 * 1000.0 / milliseconds(first, last),
            calls_per_item: calls as f64 / self.items as f64,
            calls_besides: besides,
            overhead,
        }
    }

    /// The medians of some measurements.
    fn tell(self, all: &[Figures]) -> Value {
        let of = |read: fn(&Figures) -> f64| median(all.iter().map(read).collect());
        let part = |one: &Figures, percent: usize| one.overhead[(one.overhead.len() - 1) * percent / 100];
        let mut told = self.tell_rates(all);
        told["storage_calls_per_item"] = round(of(|one| one.calls_per_item), 2).into();
        told["other_storage_calls"] = of(|one| one.calls_besides as f64).into();
        for percent in [50, 99] {
            let overhead = median(all.iter().map(|one| part(one, percent)).collect());
            told[format!("overhead_p{percent}_milliseconds")] = round(overhead, 1).into();
        }
        told
    }

    /// Only how fast: the uploads of Python's library name their object in the body, which is not in
    /// the log of calls.
    fn tell_rates(self, all: &[Figures]) -> Value {
        let rate = median(all.iter().map(|one| one.items_per_second).collect());
        json!({
            "items_per_second": round(rate, 1),
            "each": all.iter().map(|one| round(one.items_per_second, 1)).collect::<Vec<_>>(),
            "of_the_bound": self.bound().map(|bound| round(rate / bound, 2)),
        })
    }
}

/// The item that an object is about.
fn item_of(resource: &str) -> Option<&str> {
    let is_item = |part: &&str| {
        part.len() == 7 && part.starts_with('i') && part[1..].bytes().all(|byte| byte.is_ascii_digit())
    };
    resource.split(['/', '.']).find(is_item)
}

fn worker(cloud: &Cloud, run: &RunId, subscription: &str) -> Child {
    use contract::environment as env;
    let program = std::env::current_exe().expect("a program");
    let log = std::fs::File::create(cloud.folder.path().join(format!("{run}.log"))).expect("a log");
    let mut command = Command::new(program);
    command.env("PUBSUB_EMULATOR_HOST", cloud.url()).env("STORAGE_EMULATOR_HOST", cloud.url());
    command.env(env::BUCKET, BUCKET).env(env::TOPIC, topic(&run.0)).env(env::SUBSCRIPTION, subscription);
    command.env(env::RUN, &run.0).env(env::CONCURRENCY, CONCURRENCY.to_string()).env(env::INDEX, "0");
    command.env(env::POD, "bench").env(env::NODE, "bench").env(env::GRACE_SECONDS, "1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the worker starts")
}

/// It ends with this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
