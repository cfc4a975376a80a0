//! The same worker against a queue that nobody here wrote: Google's Pub/Sub emulator. Storage is the
//! local cloud's; the workers are processes of this test, which replaces them like an Indexed Job.

#[path = "../../localcloud/tests/conformance/pubsub/emulator.rs"]
mod emulator;

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contract::{ItemLine, Message, RunId, exit, layout};
use emulator::Emulator;
use localcloud::calls::{Fault, Latency, Point, What};
use scenarios::oracle::{self, Waste};
use scenarios::small::{BUCKET, Outputs, RUN, Small};
use scenarios::{Random, kill, program, publish, seed, terminate, until};
use tokio::runtime::Runtime;

const ITEMS: usize = 30;
const WORKERS: u32 = 2;
/// How long the input of an item takes to read, so that there is time to strike.
const READING: Duration = Duration::from_millis(300);
const KILLS: usize = 2;
const TERMINATIONS: usize = 3;
const TOPIC: &str = "projects/local-cloud/topics/items";
const SUBSCRIPTION: &str = "projects/local-cloud/subscriptions/work";

#[test]
fn every_item_is_done_once_with_googles_emulator_for_a_queue() {
    let emulator = match Emulator::start() {
        Ok(emulator) => emulator,
        Err(why) => {
            eprintln!("SKIPPED: the worker against Google's Pub/Sub emulator ({why})");
            return;
        }
    };
    let mut random = Random::new(seed());
    let small = Small::of(ITEMS, Outputs::One);
    // Its own pods find no machine: the run's workers are ours.
    small.scenario.expect(0, &["local", "stockout", "add", "--spot"]);
    let delay = What::Delay(Latency::Fixed(READING));
    let input = Point::before("storage.objects.get").on("*/objects/in/*").by("worker");
    let _ = small.cloud.fault(&Fault::always(input, delay));

    let mut command = small.scenario.start(&RUN);
    let run = until("the run is published", || {
        let run = small.runs().pop()?;
        small.scenario.object(BUCKET, &layout::published(&run)).exists().then_some(run)
    });
    let queue = Queue::fill(&emulator.url(), &small, &run);
    let mut workers: Vec<Worker> =
        (0..WORKERS).map(|index| Worker::start(index, &queue, &small, &run)).collect();

    let started = Instant::now();
    let mut strikes = [vec![true; KILLS], vec![false; TERMINATIONS]].concat();
    random.shuffle(&mut strikes);
    let status = until("the run ends", || {
        for worker in &mut workers {
            worker.replace_if_it_left(&queue, &small, &run);
        }
        // The next strike comes when somebody has an item in work.
        let busy = small.evidence(&run);
        let in_work: Vec<_> = busy.runs.iter().flat_map(scenarios::evidence::Run::lost).collect();
        let struck = workers.iter_mut().find(|worker| {
            let pod = worker.pod();
            worker.struck.is_none() && in_work.iter().any(|attempt| attempt.pod == pod)
        });
        if let Some(worker) = struck
            && random.below(3) == 0
            && let Some(kills) = strikes.pop()
        {
            worker.strike(kills);
        }
        command.try_wait().expect("a child")
    });
    let log = small.scenario.started_log();
    assert!(status.success(), "{log}");
    let left = until("the workers leave", || {
        let codes: Vec<_> = workers.iter_mut().map(Worker::left).collect();
        codes.iter().all(Option::is_some).then_some(codes)
    });
    assert!(strikes.is_empty(), "{} strikes found nobody at work", strikes.len());

    let evidence = small.evidence(&run);
    let wrong = [oracle::wrong(&evidence), small.wrong_outputs()].concat();
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!(
        "{KILLS} kills and {TERMINATIONS} terminations of {WORKERS} workers, {} s: {}; they left with {left:?}",
        started.elapsed().as_secs(),
        Waste::of(&evidence)
    );
}

/// A topic and a subscription of the emulator.
struct Queue {
    url: String,
}

impl Queue {
    /// Makes them, and publishes the items of a run.
    fn fill(url: &str, small: &Small, run: &RunId) -> Self {
        let list = std::fs::read(small.scenario.object(BUCKET, &layout::items(run))).expect("the items");
        let lines = ItemLine::parse_all(&list).expect("an item list");
        let target = clients::Target::anonymous(url);
        let filled = async {
            // First of all a client of ours: it brings the provider of TLS, which the others want too.
            target.publisher().await.expect("a client");
            let builder = google_cloud_pubsub::client::TopicAdmin::builder();
            let admin = builder.with_endpoint(url).with_credentials(target.credentials.clone());
            let admin = admin.build().await.expect("a client");
            admin.create_topic().set_name(TOPIC).send().await.expect("a topic");
            let builder = google_cloud_pubsub::client::SubscriptionAdmin::builder();
            let admin = builder.with_endpoint(url).with_credentials(target.credentials.clone());
            let admin = admin.build().await.expect("a client");
            let create = admin.create_subscription().set_name(SUBSCRIPTION).set_topic(TOPIC);
            create.set_ack_deadline_seconds(10).send().await.expect("a subscription");
            let message = |ItemLine { item, payload }| Message { run: run.clone(), item, payload };
            publish(url, TOPIC, lines.into_iter().map(message)).await;
        };
        Runtime::new().expect("a runtime").block_on(filled);
        Self { url: url.to_owned() }
    }
}

/// One index of the run's workers.
struct Worker {
    index: u32,
    process: Child,
    generation: usize,
    /// Whether it was killed, or else asked to stop.
    struck: Option<bool>,
    code: Option<i32>,
}

impl Worker {
    fn start(index: u32, queue: &Queue, small: &Small, run: &RunId) -> Self {
        let process = Self::spawn(index, 0, queue, small, run);
        Self { index, process, generation: 0, struck: None, code: None }
    }

    fn spawn(index: u32, generation: usize, queue: &Queue, small: &Small, run: &RunId) -> Child {
        use contract::environment as env;
        let log = File::create(small.scenario.path(&format!("worker-{index}-{generation}.log")));
        Command::new(program("worker"))
            .env("PUBSUB_EMULATOR_HOST", &queue.url)
            .env("STORAGE_EMULATOR_HOST", small.cloud.url())
            .env(env::BUCKET, BUCKET)
            .env(env::TOPIC, TOPIC)
            .env(env::SUBSCRIPTION, SUBSCRIPTION)
            .env(env::RUN, &run.0)
            .env(env::CONCURRENCY, "2")
            .env(env::LEASE_SECONDS, "10")
            .env(env::BACKOFF_SECONDS, "10")
            .env(env::INDEX, index.to_string())
            .env(env::POD, pod(index, generation))
            .env(env::NODE, "this-machine")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("the worker starts")
    }

    fn pod(&self) -> String {
        pod(self.index, self.generation)
    }

    fn strike(&mut self, kills: bool) {
        let pid = self.process.id();
        assert!(if kills { kill(pid) } else { terminate(pid) });
        self.struck = Some(kills);
    }

    /// As an Indexed Job does: until it exits 0.
    fn replace_if_it_left(&mut self, queue: &Queue, small: &Small, run: &RunId) {
        let Some(status) = self.process.try_wait().expect("a child") else { return };
        let expected = match self.struck {
            None => Some(i32::from(exit::DONE)),
            Some(true) => None,
            Some(false) => Some(i32::from(exit::TERMINATED)),
        };
        assert_eq!(status.code(), expected, "{}", self.pod());
        self.code = status.code();
        if self.struck.take().is_some() {
            self.generation += 1;
            self.process = Self::spawn(self.index, self.generation, queue, small, run);
            self.code = None;
        }
    }

    /// Its exit code, once nobody is to come in its place.
    fn left(&mut self) -> Option<i32> {
        self.code = self.process.try_wait().expect("a child").and_then(|status| status.code());
        self.code
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pod(index: u32, generation: usize) -> String {
    format!("worker-{index}-{generation}")
}
