//! A stack gets another name: everything of it stays what and where it is, and is marked anew.

use std::collections::BTreeSet;

use localcloud::calls::{Fault, Point, What, When};
use scenarios::{Cloud, Random, Scenario, interrupt, seed_or, until};
use serde_json::{Value, json};

/// Kinds of writes at which a rename is killed in one test.
const FEW: usize = 4;

const STACK: &str = "[stack]
name = 'fx' # ours
region = 'europe-west1'
zone = 'europe-west1-b'

[topic.items]
labels = { team = 'x' }

[subscription.work]
topic = 'items'

[bucket.data]

[service_account.worker]

[grant.views]
member = 'service_account.worker'
role = 'roles/pubsub.viewer'
on = 'project'

[secret.token]
file = 'token'

[cluster.main.pool.steady]
nodes = 1

[job.work]
subscription = 'work'
bucket = 'data'
pool = 'main/steady'
service_account = 'worker'
[job.work.command]
argv = ['sh', '-c', 'cp $PROVISION_PAYLOAD $PROVISION_OUTPUT/done']
load = 'gs://data/out/{item}/'
secrets = ['token']
";

fn applied() -> (Scenario, Cloud) {
    let scenario = Scenario::with(STACK);
    scenario.write("token", "canary");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let cloud = Cloud::of(&scenario);
    (scenario, cloud)
}

fn stacks(scenario: &Scenario) -> Value {
    let stacks = scenario.json(0, &["stacks", "--local"]);
    let told = stacks.as_array().expect("stacks").iter().map(|one| json!([one["stack"], one["resources"]]));
    told.collect()
}

/// The methods that a rename writes with.
fn writes(cloud: &Cloud, mark: u64) -> BTreeSet<String> {
    let calls = cloud.calls(mark).into_iter().map(|call| call.method);
    let is_write =
        |method: &String| ["patch", "update", "setResourceLabels"].iter().any(|end| method.ends_with(end));
    calls.filter(is_write).collect()
}

#[test]
fn a_renamed_stack_keeps_all_that_it_has_and_its_plan_is_empty() {
    let (scenario, cloud) = applied();
    scenario.expect(0, &["run", "--local", "--yes", "--item", "a", "--item", "b"]);
    let before = stacks(&scenario);
    let wrong = scenario.provision(&["rename", "--local", "rates", "eur"]);
    assert_eq!(
        (wrong.code, wrong.stderr.as_str()),
        (Some(1), "error: stack.toml is of the stack fx, and this renames rates to eur\n")
    );
    let asked = scenario.provision(&["rename", "--local", "fx", "rates"]);
    assert_eq!(asked.code, Some(1));
    assert!(
        asked.stdout.contains(
            "» subscription.work                            only its marks\n      labels: fx's → rates's"
        ),
        "{}",
        asked.stdout
    );
    assert!(
        asked.stderr.ends_with("error: nobody to ask: add --yes to rename fx to rates\n"),
        "{}",
        asked.stderr
    );
    assert_eq!(stacks(&scenario), before);

    let mark = cloud.mark();
    scenario.expect(0, &["rename", "--local", "--yes", "fx", "rates"]);
    // Nothing is made, replaced or deleted.
    let others = cloud
        .calls(mark)
        .into_iter()
        .filter(|call| ["create", "delete"].iter().any(|end| call.method.ends_with(end)));
    assert_eq!(others.map(|call| call.method).collect::<Vec<_>>(), Vec::<String>::new());
    let text = std::fs::read_to_string(scenario.path("stack.toml")).expect("the file");
    assert_eq!(text, STACK.replace("name = 'fx' # ours", "prefix = \"fx\"\nname = \"rates\" # ours"));
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(stacks(&scenario), json!([["rates", before[0][1]]]));
    let said = scenario.provision(&["rename", "--local", "--yes", "fx", "rates"]);
    assert_eq!(said.code, Some(0), "again there is nothing to do: {}", said.stderr);

    // Its runs are still its runs, and it runs on.
    let runs = scenario.json(0, &["runs", "list", "--local"]);
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "{runs:#}");
    scenario.expect(0, &["run", "--local", "--yes", "--item", "c"]);

    // A second name, and the end without the file.
    scenario.expect(0, &["rename", "--local", "--yes", "rates", "eur"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    std::fs::remove_file(scenario.path("stack.toml")).expect("removed");
    scenario.expect(0, &["teardown", "--local", "--yes", "--delete-data", "--stack", "eur"]);
    assert_eq!(stacks(&scenario), json!([]));
    let policy = scenario.call("POST", "/v1/projects/local-cloud:getIamPolicy", &json!({}));
    assert!(!policy.to_string().contains("fx-"), "{policy:#}");
}

#[test]
fn a_rename_that_is_killed_anywhere_is_finished_by_the_same_command() {
    let (scenario, cloud) = applied();
    let mark = cloud.mark();
    scenario.expect(0, &["rename", "--local", "--yes", "fx", "rates"]);
    let methods = writes(&cloud, mark);
    assert!(methods.len() >= 8, "{methods:?}");
    let mut struck: Vec<&String> = methods.iter().collect();
    // Every one takes seconds: a few of them, others with another seed, or all.
    if std::env::var_os("RENAMES_ALL").is_none() {
        Random::new(seed_or(1)).shuffle(&mut struck);
        struck.truncate(FEW);
    }
    let mut names = ("rates", "fx");
    for (at, method) in struck.iter().enumerate() {
        let point = if at % 2 == 0 { Point::before(method) } else { Point::after(method) };
        let kill = cloud.fault(&Fault { point, when: When::Next(1), what: What::Kill });
        let rename = ["rename", "--local", "--yes", names.0, names.1];
        assert_eq!(scenario.provision(&rename).code, None, "killed at {method}");
        assert_eq!(cloud.strikes(kill), 1, "{method}");
        cloud.clear(Some(kill));
        scenario.expect(0, &rename);
        scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
        names = (names.1, names.0);
    }
    assert_eq!(stacks(&scenario).as_array().map(Vec::len), Some(1));
    println!("renames killed at {} kinds of writes, each finished by the same command", struck.len());
}

#[test]
fn a_name_that_another_stack_has_is_refused() {
    let (scenario, _) = applied();
    scenario.write("other.toml", "[stack]\nname = 'other'\nregion = 'europe-west1'\n[topic.abc]\n");
    scenario.expect(0, &["apply", "--local", "--yes", "--file", "other.toml"]);
    let refused = scenario.provision(&["rename", "--local", "--yes", "fx", "other"]);
    assert_eq!(
        (refused.code, refused.stderr.as_str()),
        (Some(1), "error: there is another stack called other already: choose another name\n")
    );
    scenario.edit("name = 'fx'", "name = 'nobody'");
    let absent = scenario.provision(&["rename", "--local", "--yes", "gone", "nobody"]);
    assert_eq!(absent.stderr, "error: there is no stack called gone, nor one called nobody\n");
}

#[test]
fn an_open_run_does_not_notice_that_its_stack_is_renamed() {
    let (scenario, cloud) = applied();
    scenario.edit(
        "cp $PROVISION_PAYLOAD $PROVISION_OUTPUT/done",
        "while [ ! -e GATE ]; do sleep 0.1; done; cp $PROVISION_PAYLOAD $PROVISION_OUTPUT/done",
    );
    let gate = scenario.path("gate");
    scenario.edit("GATE", &gate.display().to_string());
    let mut run = scenario.start(&["run", "--local", "--yes", "--item", "a", "--item", "b"]);
    let attempts = || {
        cloud
            .list("local-cloud-fx-data", "runs/")
            .into_iter()
            .any(|stored| stored.name.contains("/attempts/"))
    };
    until("an item is worked on", || attempts().then_some(()));
    scenario.expect(0, &["rename", "--local", "--yes", "fx", "rates"]);
    std::fs::write(&gate, "").expect("the gate opens");
    assert!(run.wait().expect("it ends").success());
    let runs = scenario.json(0, &["runs", "list", "--local"]);
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "{runs:#}");
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn ctrl_c_while_a_rename_looks_at_its_stack_is_told_to_programs_too() {
    let scenario = Scenario::with("[stack]\nname = 'one'\nregion = 'europe-west1'\n\n[topic.a]\n");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let cloud = Cloud::of(&scenario);
    let stall = cloud.fault(&Fault::always(Point::before("pubsub.topics.list"), What::Stall));
    let mut rename = scenario.start(&["rename", "--local", "one", "two", "--yes", "--format", "json"]);
    until("topics are listed", || (cloud.strikes(stall) > 0).then_some(()));
    interrupt(&rename);
    assert_eq!(rename.wait().expect("it ends").code(), Some(130));
    let log = scenario.started_log();
    let summary = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).next_back();
    assert_eq!(summary.map(|summary| summary["exit"].clone()), Some(json!(130)), "{log}");
}
