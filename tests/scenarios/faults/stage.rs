//! A small stack with a resource of nearly every kind, and its local cloud.

use std::collections::BTreeSet;

use localcloud::calls::{Fault, Passed, Point, What};
use scenarios::{Cloud, Said, Scenario};

use super::errors::Blow;

const STACK: &str = "[stack]
name = 'frail'
region = 'europe-west1'
zone = 'europe-west1-b'

[topic.items]

[subscription.work]
topic = 'items'

[bucket.data]
files = { 'in/' = 'in' }

[service_account.worker]
display_name = 'Worker'

[grant.reads]
member = 'service_account.worker'
role = 'roles/browser'
on = 'project'
";

/// What takes a cluster.
const CLUSTER: &str = "
[secret.token]
file = 'in/a.txt'

[cluster.main.pool.steady]
nodes = 1

[job.load]
subscription = 'work'
bucket = 'data'
pool = 'main/steady'
service_account = 'worker'
[job.load.command]
argv = ['true']
secrets = ['token']
";

/// What the stack begins with, so that an apply also changes and deletes.
const BEFORE: &str = "
[topic.gone]

[subscription.gone-too]
topic = 'gone'
";
const BEFORE_IN_CLUSTER: &str = "
[cluster.main.pool.more]
max_nodes = 2
";

/// Every field of these is another one in the file that is applied.
const EDITS: [(&str, &str); 6] = [
    ("[topic.items]", "[topic.items]\nretention = '1d'"),
    ("topic = 'items'", "topic = 'items'\nack_deadline = '30s'"),
    ("files = {", "versioning = true\nfiles = {"),
    ("'Worker'", "'Another'"),
    ("nodes = 1", "nodes = 2\ndisk_gb = 64"),
    ("argv = ['true']", "argv = ['false']"),
];

pub(super) const APPLY: [&str; 4] = ["apply", "--local", "--yes", "--delete-data"];
pub(super) const TEARDOWN: [&str; 4] = ["teardown", "--local", "--yes", "--delete-data"];

/// What is done to the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// All of it is made.
    Make,
    /// Much of it is changed, and some of it goes.
    Change,
    /// All of it goes.
    End,
}

impl Act {
    pub(super) const ALL: [Self; 3] = [Self::Make, Self::Change, Self::End];

    pub(super) fn args(self) -> &'static [&'static str] {
        match self {
            Self::Make | Self::Change => &APPLY,
            Self::End => &TEARDOWN,
        }
    }
}

/// How large the stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Without a cluster: quickly made.
    Small,
    /// With all.
    Whole,
}

pub(super) struct Stage {
    pub(super) scenario: Scenario,
    pub(super) cloud: Cloud,
    size: Size,
}

impl Stage {
    pub(super) fn new(size: Size) -> Self {
        let scenario = Scenario::with(STACK);
        scenario.write("in/a.txt", "a");
        scenario.expect(0, &["local", "up"]);
        let cloud = Cloud::of(&scenario);
        Self { scenario, cloud, size }
    }

    /// Brings the cloud and the file to where `act` begins.
    pub(super) fn set(&self, act: Act) {
        let (stack, before) = match self.size {
            Size::Small => (STACK.to_owned(), BEFORE.to_owned()),
            Size::Whole => (STACK.to_owned() + CLUSTER, BEFORE.to_owned() + BEFORE_IN_CLUSTER),
        };
        let edited = EDITS.iter().fold(stack.clone(), |text, (from, to)| text.replacen(from, to, 1));
        match act {
            Act::Make => {
                // What is left of the act before.
                self.scenario.expect(0, &TEARDOWN);
                self.scenario.write("stack.toml", stack + &before);
            }
            Act::Change => {
                self.scenario.write("stack.toml", stack + &before);
                self.scenario.write("in/a.txt", "a");
                self.scenario.expect(0, &APPLY);
                self.scenario.write("in/a.txt", "another");
                self.scenario.write("stack.toml", edited);
            }
            Act::End => {
                self.scenario.write("stack.toml", edited);
                self.scenario.expect(0, &APPLY);
            }
        }
    }

    /// The calls that `act` makes when nothing is wrong.
    pub(super) fn calls_of(&self, act: Act) -> Vec<Passed> {
        self.set(act);
        let mark = self.cloud.mark();
        self.scenario.expect(0, act.args());
        let passed = self.cloud.coverage(mark).into_iter();
        let of_provision = passed.filter(|passed| passed.callers.contains("provision"));
        let before: BTreeSet<Passed> =
            of_provision.filter(|passed| passed.moment == localcloud::calls::Moment::Before).collect();
        before.into_iter().collect()
    }

    /// Sets a blow at the next of these calls.
    pub(super) fn strike_next(&self, call: &Passed, blow: &Blow) -> u64 {
        let point = Point {
            method: call.method.clone(),
            resource: call.resource.clone(),
            caller: "provision".into(),
            moment: blow.moment,
        };
        self.cloud.fault(&Fault::next(1, point, blow.what.clone()))
    }

    pub(super) fn run(&self, act: Act) -> Said {
        self.scenario.provision(act.args())
    }

    /// The same, told for programs.
    pub(super) fn told(&self, act: Act) -> Said {
        self.scenario.provision(&[act.args(), &["--format", "json"]].concat())
    }

    /// Whether all is as the file says, or gone.
    pub(super) fn is_settled(&self, act: Act) -> Result<(), String> {
        let said = match act {
            Act::Make | Act::Change => self.scenario.provision(&["plan", "--local", "--detailed-exitcode"]),
            // Once more there is nothing to do.
            Act::End => self.scenario.provision(&TEARDOWN),
        };
        let is_done = said.code == Some(0) && (act != Act::End || said.stdout.contains("no changes"));
        is_done.then_some(()).ok_or_else(|| format!("{:?}\n{}\n{}", said.code, said.stdout, said.stderr))
    }
}

/// The same blow with words of its own, by which it is known again.
pub(super) fn tagged(blow: &Blow, tag: usize) -> Blow {
    let what = match &blow.what {
        What::Fail(failure) => What::Fail(
            failure.clone().saying(format!("{} (blow {tag})", failure.message.trim_end_matches('.'))),
        ),
        other => other.clone(),
    };
    Blow { what, ..blow.clone() }
}
