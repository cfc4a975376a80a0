//! The stack that chaos breaks out in, and the commands that follow its runs; one that is gone is
//! simply given again.

use std::process::Child;
use std::time::{Duration, Instant};

use contract::{Item, ItemLine, Message, Receipt, RunId, layout};
use localcloud::calls::{Failure, Fault, Latency, Moment, Point, What, When};
use scenarios::evidence::{Evidence, Run};
use scenarios::small::stack_without_jobs;
use scenarios::{Cloud, Random, Scenario, is_running};

pub(super) const BUCKET: &str = "local-cloud-chaos-data";
const TOPIC: &str = "projects/local-cloud/topics/chaos-items";
/// Of calls that fail, before their effect and after it.
const FAILING: f64 = 0.025;
/// How long the input of an item takes to read, on average.
const READING: Duration = Duration::from_millis(150);
/// Longest that the runs may take.
const PATIENCE: Duration = Duration::from_mins(40);

/// The runs: the job, and the tenths of the items that it has. The first makes one output of an item,
/// the others make two, and whoever makes an output of that name makes another one.
const JOBS: [(&str, std::ops::Range<usize>); 3] = [("one", 0..5), ("pair", 4..8), ("other", 7..10)];

/// Leaves two files, each with the try's run and number and a number that nobody else has.
const PAIR: &str = "read nonce </proc/sys/kernel/random/uuid; sleep 0.15\n\
     for name in item.csv nonce.txt; do\n\
     echo $CONFIG $PROVISION_RUN $PROVISION_ATTEMPT $nonce >$PROVISION_OUTPUT/$name; done";

/// The stack, applied, and its runs.
pub(super) struct Stage {
    pub(super) scenario: Scenario,
    pub(super) cloud: Cloud,
    pub(super) commands: Vec<Command>,
    items: usize,
    started: Instant,
    /// Whether a run that has ended is followed by another one over the same items.
    goes_on: bool,
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
        let scenario = Scenario::with(
            &(stack_without_jobs("chaos", "5s", 5) + &JOBS.map(|(job, _)| job_of(job)).concat()),
        );
        scenario.write("in/one.csv", "x\n1\n");
        scenario.write("pair.sh", PAIR);
        for (job, tenths) in JOBS {
            let keys = items * tenths.start / 10..items * tenths.end / 10;
            let keys: Vec<String> = keys.map(|at| key(at).0).collect();
            scenario.write(&format!("{job}.txt"), keys.join("\n"));
        }
        scenario.expect(0, &["apply", "--local", "--yes"]);
        let cloud = Cloud::of(&scenario);
        let command = |(job, _)| Command { job, child: None, starts: 0, is_done: false };
        Self {
            scenario,
            cloud,
            commands: JOBS.map(command).into(),
            items,
            started: Instant::now(),
            goes_on: true,
        }
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

    /// Gives a command again that is gone, or done while there is more to come.
    pub(super) fn look_after_commands(&mut self) {
        assert!(self.started.elapsed() < PATIENCE, "the runs do not end");
        for command in &mut self.commands {
            command.look_after(&self.scenario, self.goes_on);
        }
    }

    /// Waits for the runs that are open, and begins no others.
    pub(super) fn until_the_end(&mut self) {
        self.goes_on = false;
        while !self.commands.iter().all(|command| command.is_done) {
            std::thread::sleep(Duration::from_millis(100));
            self.look_after_commands();
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

    /// Outputs that are not there, or not what the receipt says of the newest run that makes them.
    pub(super) fn wrong_outputs(&self, evidence: &Evidence) -> Vec<String> {
        (0..self.items).flat_map(|at| self.wrong_outputs_of(&key(at), evidence)).collect()
    }

    fn wrong_outputs_of(&self, item: &Item, evidence: &Evidence) -> Vec<String> {
        let newest = |makes: &dyn Fn(&str) -> bool| {
            let mut runs = evidence.runs.iter().rev().filter(|run| makes(&run.record.job));
            runs.find_map(|run| Some((run, run.receipt(item)?)))
        };
        let read = |name: &str| {
            let name = format!("out/{}/{name}", item.0);
            std::fs::read_to_string(self.scenario.object(BUCKET, &name)).unwrap_or_default()
        };
        let said = |run: &Run, receipt: &Receipt| {
            format!("{} {} {} ", run.record.job, run.record.run, receipt.attempt)
        };
        let (csv, nonce) = (read("item.csv"), read("nonce.txt"));
        let mut wrong = Vec::new();
        let (by, paired) = (newest(&|_| true), newest(&|job| job != JOBS[0].0));
        let is_right = match by {
            None => false,
            Some((run, _)) if run.record.job == JOBS[0].0 => csv == format!("item,x\n{},1\n", item.0),
            Some((run, receipt)) => csv.starts_with(&said(run, receipt)) && csv == nonce,
        };
        if !is_right {
            wrong.push(format!("{item:?}: item.csv is {csv:?} beside {nonce:?}"));
        }
        if paired.is_some_and(|(run, receipt)| !nonce.starts_with(&said(run, receipt))) {
            wrong.push(format!("{item:?}: nonce.txt is {nonce:?}"));
        }
        wrong
    }

    pub(super) fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    pub(super) fn starts(&self) -> usize {
        self.commands.iter().map(|command| command.starts).sum()
    }
}

fn key(at: usize) -> Item {
    Item(format!("item-{at}"))
}

fn job_of(job: &str) -> String {
    let handler = if job == JOBS[0].0 {
        "etl]\nextract = 'gs://data/in/one.csv'\nschema = { x = 'int' }\n\
         sql = 'SELECT $item AS item, x FROM input'\nload = 'gs://data/out/{item}/item.csv'\n"
            .to_owned()
    } else {
        format!(
            "command]\nargv = ['sh', 'pair.sh']\nenv = {{ CONFIG = '{job}' }}\n\
             load = 'gs://data/out/{{item}}/'\n"
        )
    };
    format!(
        "[job.{job}]\nsubscription = 'work'\nbucket = 'data'\npool = 'main/workers'\n\
         concurrency = 2\ncpu_millis = 200\nmemory_mib = 512\n[job.{job}.{handler}"
    )
}

impl Command {
    fn look_after(&mut self, scenario: &Scenario, goes_on: bool) {
        if let Some(child) = &mut self.child {
            let Some(status) = child.try_wait().expect("a child") else { return };
            self.is_done = status.success();
        }
        if !self.is_done || goes_on {
            self.is_done = false;
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
