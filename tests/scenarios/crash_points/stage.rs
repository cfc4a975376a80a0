//! What commands are killed in: a stack with one of each kind, and local clouds that hold it or nothing of
//! it, made once and copied for each kill. In all of them time stands still, and new accounts are not
//! seen by others for a while.

use std::time::Duration;

use scenarios::census::Census;
use scenarios::stopped::INVISIBLE;
use scenarios::{Cloud, Scenario};
use serde_json::json;

const STACK: &str = r#"
[stack]
name = "crash"
region = "europe-west1"
zone = "europe-west1-b"

[topic.items]

[subscription.work]
topic = "items"
ack_deadline = "10s"

[bucket.data]
files = { "in/" = "in" }

[service_account.reader]
display_name = "reads what was made"

[grant.reads]
member = "service_account.reader"
role = "roles/storage.objectViewer"
on = "bucket.data"

[grant.watches]
member = "service_account.reader"
role = "roles/monitoring.viewer"
on = "project"

[secret.token]
file = "token.txt"

[cluster.main]
[cluster.main.pool.steady]
machine_type = "e2-medium"
nodes = 1
[cluster.main.pool.workers]
machine_type = "e2-standard-2"
spot = true
max_nodes = 2
"#;

const JOB: &str = r#"
[job.crash]
subscription = "work"
bucket = "data"
pool = "main/workers"
[job.crash.command]
argv = ["true"]
secrets = ["token"]
"#;

/// Somebody else, who holds a role on the project that the stack's account holds, too.
pub(super) const ANN: &str = "user:ann@example.com";
/// Until what was ordered of an API has happened.
const LONG: Duration = Duration::from_secs(30);
const PROJECT: &str = "/v1/projects/local-cloud";

/// Commands that change a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Makes all of it, and enables an API that it needs.
    Apply,
    /// Takes all of it down.
    Teardown,
    /// Gives a pool more nodes, at least and at most.
    Resize,
    /// Makes anew what cannot be changed in place: a bucket with its file, a subscription, a pool.
    Replace,
    /// Takes out of a cluster what left the file.
    Shrink,
    /// Makes all of it, from a file that is corrected before the command is given again.
    Correct,
}

/// Those of which the suite takes a part.
pub(super) const CHANGES: [Change; 4] = [Change::Apply, Change::Teardown, Change::Resize, Change::Replace];

impl Change {
    /// The file as it is when the command is given again.
    pub(super) fn corrected(self) -> Option<String> {
        (self == Self::Correct).then(|| self.file().replace("reads what was made", "reads what is made"))
    }

    /// The command that is killed, and given again.
    pub(super) fn command(self) -> &'static [&'static str] {
        match self {
            Self::Apply | Self::Correct | Self::Resize | Self::Shrink => &["apply", "--local", "--yes"],
            Self::Teardown => &["teardown", "--local", "--yes", "--delete-data"],
            Self::Replace => &["apply", "--local", "--yes", "--delete-data"],
        }
    }

    /// The command that says afterwards that nothing is left to do: its end, and what it prints of it.
    pub(super) fn question(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Teardown => (&["stacks", "--local", "--format", "json"], "[]\n"),
            _ => (&["plan", "--local", "--detailed-exitcode"], "no changes"),
        }
    }

    /// What is so afterwards, beside all that was so before.
    pub(super) fn facts(self) -> &'static [&'static str] {
        match self {
            Self::Apply => &[
                "/cluster/status: 2",
                "services.set local-cloud/pubsub.googleapis.com/enable: true",
                r#"iam.accounts crash-reader@local-cloud.iam.gserviceaccount.com/displayName: "reads what was made""#,
            ],
            Self::Correct => &[r#"/displayName: "reads what is made""#],
            Self::Teardown => &[],
            Self::Resize => &[
                "/nodePools/1/autoscaling/totalMinNodeCount: 3",
                "/nodePools/1/autoscaling/totalMaxNodeCount: 5",
                "/nodes workers #3/",
            ],
            Self::Replace => &[
                r#"local-cloud-crash-data/bucket/location: "EU""#,
                r#"crash-work/settings/filter: "attributes:run""#,
                r#"/nodePools/1/name: "workers""#,
            ],
            Self::Shrink => &["kubernetes/crash-main/objects /namespaces//default/"],
        }
    }

    /// What is not so any more.
    pub(super) fn gone(self) -> &'static [&'static str] {
        match self {
            Self::Apply | Self::Correct | Self::Resize => &[],
            Self::Teardown => &["crash"],
            Self::Replace => &["/spot: true", "EUROPE-WEST1\""],
            Self::Shrink => &["/namespaces//crash", "cronjobs", "secrets", "subject/ns/crash"],
        }
    }

    fn file(self) -> String {
        let whole = [STACK, JOB].concat();
        match self {
            Self::Apply | Self::Correct | Self::Teardown => whole,
            Self::Resize => whole.replace("max_nodes = 2", "min_nodes = 3\nmax_nodes = 5"),
            Self::Replace => whole
                .replace("[bucket.data]", "[bucket.data]\nlocation = \"EU\"")
                .replace("topic = \"items\"", "topic = \"items\"\nfilter = \"attributes:run\"")
                .replace("spot = true", "spot = false"),
            Self::Shrink => STACK.replace("[secret.token]\nfile = \"token.txt\"\n", ""),
        }
    }
}

/// Local clouds that do not run, to be copied.
pub(super) struct Stages {
    empty: Scenario,
    applied: Scenario,
}

impl Stages {
    pub(super) fn build() -> Self {
        let empty = Scenario::with(&Change::Apply.file());
        empty.write("in/a.csv", "x\n1\n");
        empty.write("token.txt", "hush");
        empty.expect(0, &["local", "up"]);
        let policy =
            json!({ "policy": { "bindings": [{ "role": "roles/monitoring.viewer", "members": [ANN] }] } });
        empty.call("POST", &format!("{PROJECT}:setIamPolicy"), &policy);
        empty.expect(0, &["local", "down"]);
        let applied = empty.copy();
        applied.expect(0, &["apply", "--local", "--yes"]);
        applied.expect(0, &["local", "down"]);
        Self { empty, applied }
    }

    /// The local cloud in which a command is to be killed.
    pub(super) fn of(&self, change: Change) -> Stage {
        let is_first = matches!(change, Change::Apply | Change::Correct);
        let scenario = if is_first { self.empty.copy() } else { self.applied.copy() };
        scenario.write("stack.toml", change.file());
        scenario.expect(0, &["local", "up"]);
        let cloud = Cloud::of(&scenario);
        cloud.hide_new_accounts(INVISIBLE);
        if change == Change::Apply {
            let pubsub = format!("{PROJECT}/services/pubsub.googleapis.com:disable");
            scenario.call("POST", &pubsub, &json!({}));
            cloud.advance(LONG);
        }
        scenario.expect(0, &["local", "down"]);
        Stage(scenario)
    }

    /// What is there when there is no stack.
    pub(super) fn nothing(&self) -> Census {
        Census::of(&self.empty)
    }
}

/// A local cloud to be copied.
pub(super) struct Stage(Scenario);

impl Stage {
    /// A copy that runs, and whose time stands still.
    pub(super) fn set(&self) -> (Scenario, Cloud) {
        let scenario = self.0.copy();
        scenario.expect(0, &["local", "up"]);
        let cloud = Cloud::of(&scenario);
        cloud.freeze();
        (scenario, cloud)
    }
}
