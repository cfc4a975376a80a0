//! The stack that chaos breaks out in, and the commands that follow its runs; one that is gone is
//! simply given again.

use std::process::Child;
use std::time::{Duration, Instant};

use contract::{Item, ItemLine, Message, ReceiptKind, RunId, layout};
use localcloud::calls::{Failure, Fault, Latency, Moment, Point, What, When};
use scenarios::evidence::Evidence;
use scenarios::{Cloud, Random, Scenario, is_running};

pub(super) const BUCKET: &str = "local-cloud-chaos-data";
const TOPIC: &str = "projects/local-cloud/topics/chaos-items";
/// Of calls that fail, before their effect and after it.
const FAILING: f64 = 0.025;
/// How long the input of an item takes to read, on average.
const READING: Duration = Duration::from_millis(150);
/// Longest that the runs may take.
const PATIENCE: Duration = Duration::from_mins(40);
const JOBS: [&str; 2] = ["first", "second"];

const STACK: &str = r#"
[stack]
name = "chaos"
region = "europe-west1"
zone = "europe-west1-b"

[topic.items]

[subscription.work]
topic = "items"
ack_deadline = "10s"
retry = { min = "1s", max = "5s" }

[bucket.data]
files = { "in/" = "in" }

[cluster.main]
[cluster.main.pool.steady]
machine_type = "e2-medium"
nodes = 1
[cluster.main.pool.workers]
machine_type = "e2-standard-2"
spot = true
max_nodes = 5
"#;

/// The stack, applied, and its runs.
pub(super) struct Stage {
    pub(super) scenario: Scenario,
    pub(super) cloud: Cloud,
    pub(super) commands: Vec<Command>,
    items: usize,
    started: Instant,
}

/// A `provision run`, given again whenever it is gone before its run is done.
pub(super) struct Command {
    job: &'static str,
    child: Option<Child>,
    starts: usize,
    is_done: bool,
}

impl Stage {
    pub(super) fn of(items: usize) -> Self {
        let jobs = JOBS.map(|job| {
            format!(
                "[job.{job}]\nsubscription = 'work'\nbucket = 'data'\npool = 'main/workers'\n\
                 concurrency = 2\ncpu_millis = 200\nmemory_mib = 512\n\
                 [job.{job}.etl]\nextract = 'gs://data/in/one.csv'\nschema = {{ x = 'int' }}\n\
                 sql = \"SELECT $item AS item, x, '{job}' AS config FROM input\"\n\
                 load = 'gs://data/out/{{item}}.csv'\n"
            )
        });
        let scenario = Scenario::with(&[STACK, &jobs.concat()].concat());
        scenario.write("in/one.csv", "x\n1\n");
        // Of five fifths the first run has three, the second the last three.
        for (job, from, to) in [(JOBS[0], 0, items * 3 / 5), (JOBS[1], items * 2 / 5, items)] {
            let keys: Vec<String> = (from..to).map(|at| format!("item-{at}")).collect();
            scenario.write(&format!("{job}.txt"), keys.join("\n"));
        }
        scenario.expect(0, &["apply", "--local", "--yes"]);
        let cloud = Cloud::of(&scenario);
        let command = |job| Command { job, child: None, starts: 0, is_done: false };
        Self { scenario, cloud, commands: JOBS.map(command).into(), items, started: Instant::now() }
    }

    /// Lets 5 % of the programs' calls fail, half of them when their effect is done, and takes care
    /// that items take a while.
    pub(super) fn make_calls_fail(&self, seed: u64) {
        let unavailable = Failure::named("unavailable").expect("an error that has a name");
        for (at, program) in ["worker", "provision"].into_iter().enumerate() {
            for moment in [Moment::Before, Moment::After] {
                let point = Point { method: "*".into(), caller: program.into(), moment, ..Point::default() };
                let when = When::Probability { p: FAILING, seed: seed.wrapping_add(at as u64) };
                let _ = self.cloud.fault(&Fault { point, when, what: What::Fail(unavailable.clone()) });
            }
        }
        let delay = What::Delay(Latency::Exponential { mean: READING, seed });
        let input = Point::before("storage.objects.get").on("*/objects/in/*").by("worker");
        let _ = self.cloud.fault(&Fault::always(input, delay));
    }

    pub(super) fn start(&mut self) {
        self.look_after_commands();
    }

    /// Gives a command again that is gone.
    pub(super) fn look_after_commands(&mut self) {
        for command in &mut self.commands {
            command.look_after(&self.scenario);
        }
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.look_after_commands();
        self.commands.iter().all(|command| command.is_done)
    }

    /// # Panics
    /// If the runs do not end.
    pub(super) fn until_the_end(&mut self) {
        while !self.has_ended() {
            assert!(self.started.elapsed() < PATIENCE, "the runs do not end");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Publishes a random item of a random run once more.
    pub(super) fn publish_again(&self, random: &mut Random) -> bool {
        let runs = std::fs::read_dir(self.scenario.object(BUCKET, layout::RUNS)).into_iter().flatten();
        let runs: Vec<_> =
            runs.flatten().map(|run| RunId(run.file_name().to_string_lossy().into())).collect();
        let Some(run) = random.one(&runs) else { return false };
        let list = std::fs::read(self.scenario.object(BUCKET, &layout::items(run))).unwrap_or_default();
        let lines = ItemLine::parse_all(&list).unwrap_or_default();
        let Some(ItemLine { item, payload }) = random.one(&lines).cloned() else { return false };
        self.cloud.publish(TOPIC, [Message { run: run.clone(), item, payload }]);
        true
    }

    pub(super) fn evidence(&self) -> Evidence {
        Evidence::read(&self.scenario, &self.cloud, BUCKET, &[layout::RUNS, "out/"])
    }

    /// Outputs that are not there, or not what the newest run that has the item makes of it.
    pub(super) fn wrong_outputs(&self, evidence: &Evidence) -> Vec<String> {
        let wrong = |at: usize| {
            let item = Item(format!("item-{at}"));
            let newest =
                evidence.runs.iter().rev().find(|run| {
                    run.receipt(&item).is_some_and(|receipt| receipt.kind == ReceiptKind::Stored)
                });
            let job = newest.map_or("nobody", |run| run.record.job.as_str());
            let right = format!("item,x,config\n{},1,{job}\n", item.0);
            let name = format!("out/{}.csv", item.0);
            let is = std::fs::read_to_string(self.scenario.object(BUCKET, &name)).unwrap_or_default();
            (is != right).then(|| format!("{name} is {is:?}, not {right:?}"))
        };
        (0..self.items).filter_map(wrong).collect()
    }

    pub(super) fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    pub(super) fn starts(&self) -> usize {
        self.commands.iter().map(|command| command.starts).sum()
    }
}

impl Command {
    fn look_after(&mut self, scenario: &Scenario) {
        if self.is_done {
            return;
        }
        if let Some(child) = &mut self.child {
            let Some(status) = child.try_wait().expect("a child") else { return };
            self.is_done = status.success();
        }
        if !self.is_done {
            let items = format!("{}.txt", self.job);
            let args = ["run", "--local", "--yes", "--job", self.job, "--items", &items];
            self.child = Some(scenario.start_as(&format!("{}-{}.log", self.job, self.starts), &args));
            self.starts += 1;
        }
    }

    /// The process, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id).filter(|pid| is_running(*pid))
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
