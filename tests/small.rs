//! A small stack with a small job, for campaigns: it squares the numbers in tiny files.

use contract::{RunId, layout};

use crate::evidence::Evidence;
use crate::{Cloud, Scenario};

/// The bucket of its runs, inputs and outputs.
pub const BUCKET: &str = "local-cloud-proof-data";
/// The command that runs it.
pub const RUN: [&str; 5] = ["run", "--local", "--yes", "--items", "items.txt"];

/// What its job does. Where an output goes is said where it is applied.
const JOB: &str = r#"
[job.small]
subscription = "work"
bucket = "data"
pool = "main/workers"

[job.small.etl]
extract = "gs://data/in/{item}.csv"
schema = { x = "int" }
sql = "SELECT x, x * x AS square FROM input ORDER BY x"
load = "gs://data/out/LOAD.csv"
"#;

/// A stack without jobs: one queue, whose longest back-off this is, one bucket with the inputs of the
/// folder `in`, one cluster with as many workers' nodes at most.
#[must_use]
pub fn stack_without_jobs(name: &str, back_off: &str, nodes: u32) -> String {
    format!(
        r#"
[stack]
name = "{name}"
region = "europe-west1"
zone = "europe-west1-b"

[topic.items]

[subscription.work]
topic = "items"
ack_deadline = "10s"
retry = {{ min = "1s", max = "{back_off}" }}

[bucket.data]
files = {{ "in/" = "in" }}

[cluster.main]
[cluster.main.pool.steady]
machine_type = "e2-medium"
nodes = 1
[cluster.main.pool.workers]
machine_type = "e2-standard-2"
spot = true
max_nodes = {nodes}
"#
    )
}

/// How many outputs an item has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// One, which has both numbers of the item.
    One,
    /// One for each of the two numbers.
    Two,
}

/// The stack, applied, and its local cloud.
#[derive(Debug)]
pub struct Small {
    /// Its folder.
    pub scenario: Scenario,
    /// Its local cloud.
    pub cloud: Cloud,
    items: usize,
    outputs: Outputs,
}

impl Small {
    /// Applies it, with as many items to run.
    #[must_use]
    pub fn of(items: usize, outputs: Outputs) -> Self {
        let load = if outputs == Outputs::One { "{item}" } else { "{item}-{x}" };
        let stack = stack_without_jobs("proof", "30s", 2) + &JOB.replace("LOAD", load);
        let scenario = Scenario::with(&stack);
        let keys: Vec<String> = (0..items).map(key).collect();
        scenario.write("items.txt", keys.join("\n"));
        for (at, key) in keys.iter().enumerate() {
            scenario.write(&format!("in/{key}.csv"), format!("x\n{at}\n{}\n", at + 10));
        }
        scenario.expect(0, &["apply", "--local", "--yes"]);
        let cloud = Cloud::of(&scenario);
        Self { scenario, cloud, items, outputs }
    }

    /// Names of its runs, the oldest first.
    #[must_use]
    pub fn runs(&self) -> Vec<RunId> {
        let runs = std::fs::read_dir(self.scenario.object(BUCKET, layout::RUNS)).into_iter().flatten();
        let names = runs.flatten().map(|run| RunId(run.file_name().to_string_lossy().into_owned()));
        let is_recorded = |run: &RunId| self.scenario.object(BUCKET, &layout::run(run)).exists();
        // They begin with the same job and go on with the time.
        let mut names: Vec<RunId> = names.filter(is_recorded).collect();
        names.sort();
        names
    }

    /// How many items of a run have a receipt.
    #[must_use]
    pub fn done(&self, run: &RunId) -> usize {
        self.scenario.objects(BUCKET, layout::receipts(run).trim_end_matches('/')).len()
    }

    /// The records of a run, and the outputs that are live.
    #[must_use]
    pub fn evidence(&self, run: &RunId) -> Evidence {
        Evidence::read(&self.scenario, &self.cloud, BUCKET, &[&layout::folder(run), "out/"])
    }

    /// Outputs that are not there or not right.
    #[must_use]
    pub fn wrong_outputs(&self) -> Vec<String> {
        let wrong = |(name, right): (String, String)| {
            let is = std::fs::read_to_string(self.scenario.object(BUCKET, &name)).unwrap_or_default();
            (is != right).then(|| format!("{name} is {is:?}"))
        };
        (0..self.items).flat_map(|at| right_outputs(at, self.outputs)).filter_map(wrong).collect()
    }
}

/// Names and contents of an item's outputs.
fn right_outputs(at: usize, outputs: Outputs) -> Vec<(String, String)> {
    let (key, x, y) = (key(at), at, at + 10);
    let row = |x: usize| format!("{x},{}\n", x * x);
    match outputs {
        Outputs::One => vec![(format!("out/{key}.csv"), ["x,square\n", &row(x), &row(y)].concat())],
        Outputs::Two => {
            let one = |x: usize| (format!("out/{key}-{x}.csv"), ["x,square\n", &row(x)].concat());
            vec![one(x), one(y)]
        }
    }
}

fn key(at: usize) -> String {
    format!("item-{at}")
}
