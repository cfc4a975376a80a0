//! The size of pools: a raised minimum, machines that can't be had, and a pool that grows under an
//! open run.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use contract::{Attempt, layout};
use scenarios::{Scenario, until};
use serde_json::json;

/// A topic, and a cluster of one node.
pub(crate) const CLUSTER: &str = "[stack]
name = 'demo'
region = 'europe-west1'
zone = 'europe-west1-b'

[topic.a]

[cluster.main.pool.steady]
nodes = 1
";

/// Another pool of the cluster.
pub(crate) const POOL: &str = "
[cluster.main.pool.more]
min_nodes = 0
max_nodes = 3
";

fn nodes(scenario: &Scenario, pool: &str) -> u64 {
    let status = scenario.json(0, &["local", "status"]);
    let pools = status["status"]["clusters"][0]["pools"].as_array().cloned().unwrap_or_default();
    pools.iter().find(|held| held["name"] == pool).and_then(|held| held["nodes"].as_u64()).unwrap_or_default()
}

const AUTOSCALING: &str =
    "/v1/projects/local-cloud/locations/europe-west1-b/clusters/demo-main/nodePools/more:setAutoscaling";

#[test]
fn a_raised_minimum_brings_the_nodes_that_gke_does_not_bring_by_itself() {
    let scenario = Scenario::with(&(CLUSTER.to_owned() + POOL));
    scenario.expect(0, &["apply", "--local", "--yes"]);
    assert_eq!(nodes(&scenario, "more"), 0);
    // By itself GKE adds no node for a minimum.
    let limits = json!({ "autoscaling": { "enabled": true, "totalMinNodeCount": 2, "totalMaxNodeCount": 3, "locationPolicy": "BALANCED" } });
    scenario.call("POST", AUTOSCALING, &limits);
    let limits_are = |least: u64| {
        let plan = scenario.json(0, &["plan", "--local"]);
        plan["changes"][0]["fields"][0]["before"] == least
    };
    until("the limits are those", || limits_are(2).then_some(()));
    assert_eq!(nodes(&scenario, "more"), 0);
    scenario.expect(0, &["apply", "--local", "--yes"]);

    scenario.edit("min_nodes = 0\nmax_nodes = 3", "min_nodes = 4\nmax_nodes = 5");
    let said = scenario.provision(&["apply", "--local", "--yes"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("of 4 nodes ready"), "{}", said.stderr);
    until("the nodes are there", || (nodes(&scenario, "more") == 4).then_some(()));
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn machines_that_cannot_be_had_are_named_at_once_and_waited_for_by_the_next_apply() {
    let scenario = Scenario::with(CLUSTER);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario
        .write("stack.toml", CLUSTER.to_owned() + &POOL.replace("min_nodes = 0\nmax_nodes = 3", "nodes = 2"));
    scenario.expect(0, &["local", "stockout", "add", "--zone", "europe-west1-b"]);
    let began = Instant::now();
    let said = scenario.provision(&["apply", "--local", "--yes"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(began.elapsed() < Duration::from_secs(30));
    for words in [
        "failed node_pool.main/more: stock-out in europe-west1-b: ",
        "GCE_STOCKOUT",
        "hint: Google has no such machines there now",
    ] {
        assert!(said.stderr.contains(words), "no `{words}` in\n{}", said.stderr);
    }
    let plan = scenario.json(2, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(
        plan["changes"][0]["fields"],
        json!([{ "path": "state", "before": "failed", "after": "ready" }])
    );
    let said = scenario.provision(&["apply", "--local", "--yes"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("the pool is ERROR: stock-out in europe-west1-b"), "{}", said.stderr);
    scenario.expect(0, &["local", "stockout", "clear"]);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(nodes(&scenario, "more"), 2);
}

const SLOW: &str = r#"
[job.slow]
subscription = "work"
bucket = "data"
pool = "main/workers"

[job.slow.command]
argv = ["sh", "-c", "sleep 2; echo done > \"$PROVISION_OUTPUT/$PROVISION_ITEM.txt\""]
load = "gs://data/out/{item}/"
"#;
const DATA: &str = "local-cloud-grow-data";

#[test]
fn a_pool_grows_under_an_open_run_and_the_new_nodes_take_work() {
    let scenario = Scenario::with(
        &(scenarios::small::stack_without_jobs("grow", "30s", 1).replace("files = { \"in/\" = \"in\" }", "")
            + SLOW),
    );
    let items: Vec<String> = (0..12).map(|n| format!("item-{n:02}")).collect();
    scenario.write("items.txt", items.join("\n"));
    let mut run = scenario.start(&["run", "--local", "--yes", "--items", "items.txt"]);
    let attempts = || -> Vec<Attempt> {
        let names = scenario.objects(DATA, "runs");
        let of_attempts =
            names.iter().filter(|name| name.contains("/attempts/") && !name.ends_with("ed.json"));
        of_attempts
            .filter_map(|name| serde_json::from_slice(&std::fs::read(scenario.object(DATA, name)).ok()?).ok())
            .collect()
    };
    until("the only worker works", || (!attempts().is_empty()).then_some(()));
    let id = scenario.only_run(DATA);

    scenario.edit("max_nodes = 1", "max_nodes = 2");
    let text = scenario.expect(0, &["plan", "--local"]);
    assert!(text.contains(&format!("run {id} is open: it gets 2 workers instead of 1")), "{text}");
    let said = scenario.provision(&["apply", "--local", "--yes", "--format", "json"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    let grown = said.events().into_iter().find(|event| event["type"] == "grown").expect("the run grew");
    assert_eq!((&grown["run"], &grown["from"], &grown["to"]), (&json!(id.0), &json!(1), &json!(2)));
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);

    // Whoever goes on with the run does the same.
    assert!(scenarios::kill(run.id()));
    run.wait().expect("it is gone");
    scenario.edit("max_nodes = 2", "max_nodes = 3");
    let said = scenario.provision(&["run", "--local", "--yes", "--items", "items.txt"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    assert!(said.stderr.contains(&format!("run {id}: 3 workers instead of 2")), "{}", said.stderr);
    assert!(said.stdout.contains("0 items lost, 12 of 12 done"), "{}", said.stdout);
    let nodes: BTreeSet<String> = attempts().into_iter().map(|attempt| attempt.node).collect();
    println!("{} nodes took work", nodes.len());
    assert_eq!(nodes.len(), 3, "{nodes:?}\n{}", scenario.started_log());
    assert_eq!(scenario.objects(DATA, layout::receipts(&id).trim_end_matches('/')).len(), 12);
}
