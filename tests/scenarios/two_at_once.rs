//! Two applies of the same or of different files at once, on one stack. `TWO_AT_ONCE` says how often, `SEED` with
//! which numbers: `just two-at-once` does it a hundred times.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use scenarios::{Said, Scenario};
use serde_json::Value;

/// Rounds, where nobody says how many.
const ROUNDS: u64 = 2;

/// Numbers that a seed gives, the same ones every time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        // SplitMix64: enough to vary what a test does.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

/// A stack whose every resource may differ from one throw to the next.
fn stack(dice: &mut Dice) -> String {
    let mut text = String::from("[stack]\nname = 'demo'\nregion = 'europe-west1'\nzone = 'europe-west1-b'\n");
    let days = |dice: &mut Dice| 1 + dice.throw(3);
    let _ = write!(
        text,
        "[topic.items]\nretention = '{}d'\nlabels = {{ team = 't{}' }}\n",
        days(dice),
        dice.throw(2)
    );
    let (deadline, retention) = (20 + dice.throw(3), days(dice));
    let _ = write!(
        text,
        "[subscription.work]\ntopic = 'items'\nack_deadline = '{deadline}s'\nretention = '{retention}d'\n"
    );
    let (versioning, age) = (dice.throw(2) == 0, days(dice));
    let _ = write!(
        text,
        "[bucket.data]\nversioning = {versioning}\nlifecycle = [{{ delete_after_days = {age} }}]\n"
    );
    let _ = writeln!(text, "[service_account.worker]\ndisplay_name = 'n{}'", dice.throw(3));
    for extra in ["a", "b", "c"] {
        if dice.throw(2) == 0 {
            let _ = writeln!(text, "[topic.extra-{extra}]\nretention = '{}d'", days(dice));
        }
    }
    if dice.throw(2) == 0 {
        text.push_str("[grant.reads]\nmember = 'service_account.worker'\nrole = 'roles/storage.objectViewer'\non = 'bucket.data'\n");
    }
    let nodes = 2 + dice.throw(3);
    let _ = write!(
        text,
        "[cluster.main.pool.steady]\nmachine_type = 'e2-medium'\nnodes = 1\n\
         [cluster.main.pool.workers]\nspot = true\nmax_nodes = {nodes}\n\
         [job.load]\nsubscription = 'work'\nbucket = 'data'\npool = 'main/workers'\nattempts = {}\n\
         [job.load.etl]\nextract = 'gs://data/in/{{item}}.parquet'\nload = 'gs://data/out/{{item}}.parquet'\n",
        3 + dice.throw(3)
    );
    text
}

/// The addresses that a file would still change.
fn differs(scenario: &Scenario, file: &str) -> BTreeSet<String> {
    addresses(&scenario.json(0, &["plan", "--local", "--file", file]))
}

fn addresses(plan: &Value) -> BTreeSet<String> {
    let changes = plan["changes"].as_array().expect("changes");
    changes.iter().map(|change| change["address"].as_str().expect("an address").to_owned()).collect()
}

fn start(scenario: &Scenario, args: &[&str]) -> std::process::Child {
    let mut command = scenario.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts")
}

fn said(child: std::process::Child) -> Said {
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn of_two_applies_at_once_every_resource_is_wholly_one_s_and_losers_are_told() {
    let number =
        |name: &str, or: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or);
    let (rounds, seed) = (number("TWO_AT_ONCE", ROUNDS), number("SEED", 1));
    let mut dice = Dice(seed);
    let scenario = Scenario::with(&stack(&mut dice));
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let (mut contested, mut lost, mut alike) = (0, 0, 0);
    for round in 0..rounds {
        let context = format!("seed {seed}, round {round}");
        let first = stack(&mut dice);
        let is_same = dice.throw(4) == 0;
        let second = if is_same { first.clone() } else { stack(&mut dice) };
        let planned = [("one", first), ("two", second)].map(|(file, text)| {
            scenario.write(&format!("{file}.toml"), text);
            let (toml, plan) = (format!("{file}.toml"), format!("{file}.json"));
            let args = ["plan", "--local", "--file", &toml, "--out", &plan, "--delete-data"];
            (file, addresses(&scenario.json(0, &args)))
        });
        contested += planned[0].1.intersection(&planned[1].1).count();

        let latency_seed = dice.throw(1000).to_string();
        let fault = ["local", "fault", "add", "*", "--latency", "0ms..40ms", "--caller", "provision"];
        let id = scenario.expect(0, &[&fault[..], &["--seed", &latency_seed]].concat());
        let mut children = Vec::new();
        let delay = Duration::from_millis(dice.throw(400));
        let order = if dice.throw(2) == 0 { ["one", "two"] } else { ["two", "one"] };
        for file in order {
            let (toml, plan) = (format!("{file}.toml"), format!("{file}.json"));
            children.push((file, start(&scenario, &["apply", "--local", "--file", &toml, &plan])));
            std::thread::sleep(delay); // which of them is first where is what the seed varies
        }
        let ended: Vec<(&str, Said)> =
            children.into_iter().map(|(file, child)| (file, said(child))).collect();
        scenario.expect(0, &["local", "fault", "clear", id.trim()]);

        let mut left = BTreeSet::new();
        for (file, said) in &ended {
            let told = format!("{context}, {file}:\n{}\n{}", said.stdout, said.stderr);
            assert!(matches!(said.code, Some(0 | 3)), "{told}");
            for address in differs(&scenario, &format!("{file}.toml")) {
                // What a file had no change for it cannot lose.
                if planned.iter().any(|(name, all)| name == file && all.contains(&address)) {
                    lost += 1;
                    let is_told = said.code == Some(3) && said.stderr.contains(&address);
                    assert!(is_told, "nothing said of {address}: {told}");
                }
                // As neither file has it only what both of them say that they did not begin.
                let begun = !said.stderr.contains(&format!("not begun: {address}"));
                assert!(left.insert(address.clone()) || !begun, "{address} is as neither has it: {told}");
            }
        }
        if is_same {
            // Both wanted the same, so nobody loses anything.
            alike += 1;
            assert!(ended.iter().all(|(_, said)| said.code == Some(0)), "{context}: {ended:#?}");
            assert_eq!(left, BTreeSet::new(), "{context}");
        }
        let winner = if dice.throw(2) == 0 { "one.toml" } else { "two.toml" };
        scenario.expect(0, &["apply", "--local", "--yes", "--delete-data", "--file", winner]);
        assert_eq!(differs(&scenario, winner), BTreeSet::new(), "{context}");
        assert_no_double(&scenario, &context);
    }
    println!(
        "{rounds} rounds, {alike} of them with the same file: {contested} resources were contested, {lost} times one was lost and said so"
    );
    scenario.expect(0, &["teardown", "--local", "--yes", "--delete-data", "--file", "one.toml"]);
    assert_nothing_left(&scenario);
}

/// After its end nothing of the stack is there, whoever looks.
fn assert_nothing_left(scenario: &Scenario) {
    for (path, list) in [
        ("/v1/projects/local-cloud/topics", "topics"),
        ("/v1/projects/local-cloud/subscriptions", "subscriptions"),
        ("/storage/v1/b?project=local-cloud", "items"),
        ("/v1/projects/local-cloud/serviceAccounts", "accounts"),
        ("/v1/projects/local-cloud/locations/-/clusters", "clusters"),
    ] {
        let all = scenario.call("GET", path, &Value::Null);
        assert!(all[list].as_array().is_none_or(Vec::is_empty), "{all:#}");
    }
    let policy = scenario.call("POST", "/v1/projects/local-cloud:getIamPolicy", &serde_json::json!({}));
    assert!(!policy.to_string().contains("demo"), "{policy:#}");
}

/// Nothing is there twice, and nothing that no file names.
fn assert_no_double(scenario: &Scenario, context: &str) {
    let policy = scenario.call("GET", "/storage/v1/b/local-cloud-demo-data/iam", &Value::Null);
    let bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
    let all: Vec<String> = bindings
        .iter()
        .flat_map(|binding| {
            let members = binding["members"].as_array().cloned().unwrap_or_default();
            members.into_iter().map(|member| format!("{} {member}", binding["role"])).collect::<Vec<_>>()
        })
        .collect();
    let unique: BTreeSet<&String> = all.iter().collect();
    assert_eq!(unique.len(), all.len(), "{context}: {all:?}");
}
