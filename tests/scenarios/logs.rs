//! What workers say: live, through the Kubernetes API and to Prometheus, and from the records once
//! pods, nodes and the cluster are gone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;
use std::time::Duration;

use contract::Item;
use scenarios::{Scenario, kill, until, workers_in};
use serde_json::Value;

const BUCKET: &str = "local-cloud-fx-data";
/// Its key would clear the screen.
const BAD: &str = "BAD\u{1b}[2J";

/// Starts a command that writes into a file of the stack's folder.
fn start(scenario: &Scenario, args: &[&str], file: &str) -> Child {
    let out = File::create(scenario.path(file)).expect("a file");
    let mut command = scenario.command(args);
    command.stdout(out.try_clone().expect("a file")).stderr(out).spawn().expect("provision starts")
}

fn text(scenario: &Scenario, file: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(scenario.path(file)).expect("a file")).into_owned()
}

fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Where the workers say that they answer Prometheus.
fn addresses(logs: &str) -> Vec<String> {
    let after = |line: &str| Some(line.split_once("metrics on http://")?.1.trim().to_owned());
    logs.lines().filter_map(after).collect()
}

#[test]
fn what_workers_say_is_there_while_they_live_and_after_everything_else_is_gone() {
    let scenario = Scenario::fx();
    let file = Item(BAD.to_owned()).object_name();
    scenario.write(&format!("examples/fx/rates/{file}.csv"), "date,rate\n2026-01-02,\"1.5\n\u{1b}[31m\n");
    scenario.write("items.ndjson", format!("{{\"item\":\"USD\"}}\n{}\n", serde_json::json!({ "item": BAD })));
    scenario.expect(0, &["apply", "--local", "--yes"]);
    // The look for an output of USD waits, so that its worker can be looked at. (An upload that waits may
    // take effect though its worker is killed, and would leave nothing to the next one.)
    let look =
        ["local", "fault", "add", "storage.objects.get", "--resource", "*/features/USD.csv", "--stall"];
    let fault = scenario.expect(0, &look).trim().to_owned();
    let mut run = start(&scenario, &["run", "--local", "--yes", "--items", "items.ndjson"], "run.log");
    until("the bad item is given up", || {
        scenario.objects(BUCKET, "runs").iter().any(|name| name.contains("/failures/")).then_some(())
    });
    let id = scenario.only_run(BUCKET).0;

    // Alive: one worker with USD in its hands, and well.
    let metrics = until("a worker tells of its item in flight", || {
        let logs = scenario.expect(0, &["logs", "--local"]);
        let in_flight = |address: &String| {
            let metrics = get(address, "/metrics")?;
            let in_flight = metrics.contains("\nprovision_worker_items_in_flight 1\n");
            // The margin is told with the next renewal.
            let leased = metrics.contains("\nprovision_worker_lease_margin_seconds ");
            (in_flight && leased).then(|| (address.clone(), metrics))
        };
        addresses(&logs).iter().find_map(in_flight)
    });
    assert!(
        metrics.1.contains("version=0.0.4") && metrics.1.contains("_items_done_total 0\n"),
        "{}",
        metrics.1
    );
    let health = get(&metrics.0, "/healthz").expect("an answer");
    assert!(health.starts_with("HTTP/1.1 200 OK") && health.ends_with("\r\n\r\nok\n"), "{health}");

    // Followed, with the worker that comes after the one that is killed.
    let mut follower = start(&scenario, &["logs", "--local", "--follow"], "followed.log");
    let mut of_item =
        start(&scenario, &["logs", "--local", "--follow", "--item", BAD, "--format", "json"], "item.log");
    let worker = until("only the worker with USD is left", || match workers_in(&scenario.path(""))[..] {
        [only] => Some(only),
        _ => None,
    });
    until("it is followed", || text(&scenario, "followed.log").contains("metrics on").then_some(()));
    assert!(kill(worker));
    scenario.expect(0, &["local", "fault", "release", &fault]);
    assert_eq!(run.wait().expect("it ends").code(), Some(6), "{}", text(&scenario, "run.log"));
    assert_eq!(follower.wait().expect("it ends").code(), Some(0));
    let said_live = text(&scenario, "followed.log");
    assert!(said_live.contains("[USD 2] done "), "{said_live}");
    assert!(!said_live.contains('\u{1b}') && said_live.contains("[BAD\\u{1b}[2J 1] failed: "), "{said_live}");
    let pods: BTreeSet<&str> = said_live
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|pod| pod.starts_with("fx-"))
        .collect();
    assert_eq!(pods.len(), 3, "{said_live}");
    of_item.wait().expect("it ends");
    let lines = text(&scenario, "item.log");
    let items: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(!items.is_empty() && items.iter().all(|line| line["item"] == BAD), "{lines}");

    // The one that was killed left its attempt open; its pod's log is still there.
    let shown = scenario.expect(0, &["logs", "--local", &id, "--item", "USD"]);
    assert!(shown.starts_with(&format!("USD of run {id}: done by attempt 2\nattempt 1: open")), "{shown}");
    assert!(shown.contains("\nattempt 2: done\n"), "{shown}");

    // Everything but the bucket goes.
    scenario.edit("[cluster.main]", "[cluster.other]");
    let stack = std::fs::read_to_string(scenario.path("stack.toml")).expect("stack.toml");
    scenario.write("stack.toml", stack.split("[cluster.other]").next().expect("the part before it"));
    scenario.expect(0, &["apply", "--local", "--yes"]);
    assert!(workers_in(&scenario.path("")).is_empty());

    let said = scenario.provision(&["logs", "--local", &id]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("no cluster has workers of run"), "{}", said.stderr);
    let shown = scenario.expect(0, &["logs", "--local", "--run", &id, "--item", BAD]);
    assert!(shown.starts_with(&format!(
        "BAD\\u{{1b}}[2J of run {id}: given up after 1 attempt (it can never succeed): "
    )));
    assert!(shown.contains("\nattempt 1: failed for good\n  began "), "{shown}");
    assert!(shown.contains("\n  | 20") && shown.contains(" ERROR   failed: "), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let history = scenario.json(0, &["logs", "--local", &id, "--item", BAD]);
    let tail = history["attempts"][0]["end"]["output_tail"].as_str().unwrap_or_default();
    assert!(history["item"] == BAD && tail.contains("failed: "), "{history:#}");

    let shown = scenario.expect(0, &["logs", "--local", "--failed"]);
    assert!(
        shown.starts_with("BAD") && shown.contains(" ERROR   failed: ") && !shown.contains("USD"),
        "{shown}"
    );
    let shown = scenario.expect(0, &["logs", "--local", &id, "--item", "USD"]);
    assert!(shown.contains("  its cluster is gone\nattempt 2: done\n"), "{shown}");
    let said = scenario.provision(&["logs", "--local", &id, "--item", "../USD"]);
    assert!(said.code == Some(1) && said.stderr.contains("has no item `../USD`"), "{}", said.stderr);
}
