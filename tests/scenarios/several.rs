//! Items with several outputs: all of one execution, whatever dies, and replaced by a newer run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use scenarios::{Scenario, until};
use serde_json::Value;

const BUCKET: &str = "local-cloud-fx-data";
const LOAD: &str = "load = \"gs://data/features/{item}.csv\"";
const DIVIDED: &str =
    "load = \"gs://data/features/{item}/{year}.csv\"\nrejects = \"gs://data/rejects/{item}.csv\"";
const QUERY: &str = "SELECT date_part('year', date) AS year, date, rate FROM input ORDER BY date";

/// The example, with an output for each year and one for rows without a rate.
fn divided() -> Scenario {
    let scenario = Scenario::fx_on_a_fast_cloud();
    let stack = std::fs::read_to_string(scenario.path("stack.toml")).expect("stack.toml");
    let (head, _) = stack.split_once("sql = '''").expect("a query");
    scenario.write("stack.toml", format!("{head}sql = \"{QUERY}\"\n"));
    scenario.edit(LOAD, DIVIDED);
    scenario.edit("bad_rows = \"drop\"", "bad_rows = \"reject\"");
    scenario
}

/// The outputs that an item must have, by name: its rows of each year, and those without a rate.
fn expected(scenario: &Scenario, item: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    let text = std::fs::read_to_string(scenario.path(&format!("examples/fx/rates/{item}.csv")));
    let text = text.expect("rates");
    let mut expected: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    for (date, rate) in text.lines().skip(1).filter_map(|line| line.split_once(',')) {
        if let Ok(rate) = rate.parse() {
            let name = format!("features/{item}/{}.csv", &date[..4]);
            expected.entry(name).or_default().push((date.to_owned(), rate));
        }
    }
    for rows in expected.values_mut() {
        rows.reverse();
    }
    expected
}

/// The rows of an output: date and rate.
fn rows(scenario: &Scenario, object: &str) -> Vec<(String, f64)> {
    let text = std::fs::read_to_string(scenario.object(BUCKET, object)).expect("an output");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("year,date,rate"), "{object}");
    let row = |line: &str| {
        let [year, date, rate] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert_eq!(year, &date[..4]);
        (date.to_owned(), rate.parse().expect("a rate"))
    };
    lines.map(row).collect()
}

/// What the service says of the objects below a prefix, by name.
fn live(scenario: &Scenario, prefix: &str) -> BTreeMap<String, Value> {
    let status = scenario.json(0, &["local", "status"]);
    let authority = status["url"].as_str().expect("a url").trim_start_matches("http://");
    let mut stream = TcpStream::connect(authority).expect("connected");
    let path = format!("/storage/v1/b/{BUCKET}/o?prefix={prefix}&maxResults=1000");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {authority}\r\nConnection: close\r\n\r\n").expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let list: Value = serde_json::from_str(body).expect("JSON");
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().map(|item| (item["name"].as_str().expect("a name").to_owned(), item)).collect()
}

/// Holds every output of a run's items against the item's receipt, and the other way round.
fn as_the_receipts_say(scenario: &Scenario, report: &Value) {
    for receipt in report["receipts"].as_array().expect("receipts") {
        let item = receipt["item"].as_str().expect("an item");
        assert_eq!(receipt["kind"], "stored", "{receipt:#}");
        let mut objects = live(scenario, &format!("features/{item}/"));
        objects.extend(live(scenario, &format!("rejects/{item}.csv")));
        let marked = |object: &&Value| object["metadata"]["provision-run"] == report["run"];
        let ours: BTreeSet<String> = objects
            .values()
            .filter(marked)
            .map(|object| format!("gs://{BUCKET}/{}", object["name"].as_str().expect("a name")))
            .collect();
        let outputs = receipt["outputs"].as_array().expect("outputs");
        let named: BTreeSet<String> =
            outputs.iter().map(|o| o["uri"].as_str().expect("a uri").into()).collect();
        assert_eq!(ours, named, "{item}");
        for output in outputs {
            let name = output["uri"].as_str().expect("a uri").trim_start_matches(&format!("gs://{BUCKET}/"));
            let object = &objects[name];
            assert_eq!(object["generation"], output["generation"].to_string(), "{name}");
            assert_eq!(object["metadata"]["provision-execution"], receipt["execution"], "{name}");
            assert_eq!(object["contentType"], "text/csv", "{name}");
        }
    }
}

fn staged(scenario: &Scenario) -> Vec<String> {
    scenario.objects(BUCKET, "runs").into_iter().filter(|name| name.ends_with(".staged")).collect()
}

#[test]
fn an_output_for_each_year_and_one_of_rejects_are_stored_and_a_newer_run_replaces_them() {
    let scenario = divided();
    scenario.write("first.txt", "USD\nISK\nGBP\n");
    let first = scenario.json(0, &["run", "--local", "--yes", "--items", "first.txt"]);
    assert_eq!(first["done"], 3, "{first:#}");
    for item in ["USD", "ISK", "GBP"] {
        let expected = expected(&scenario, item);
        let names = scenario.objects(BUCKET, &format!("features/{item}"));
        assert_eq!(names, expected.keys().cloned().collect::<Vec<_>>());
        for (name, wanted) in &expected {
            assert_eq!(rows(&scenario, name), *wanted, "{name}");
        }
    }
    let rejects = std::fs::read_to_string(scenario.object(BUCKET, "rejects/ISK.csv")).expect("rejects");
    let receipts = first["receipts"].as_array().expect("receipts");
    let of_isk = receipts.iter().find(|receipt| receipt["item"] == "ISK").expect("a receipt");
    let rejected = of_isk["rows_rejected"].as_u64().expect("a number");
    assert!(rejected > 0);
    assert_eq!(rejects.lines().count() as u64, 1 + rejected, "{rejects}");
    as_the_receipts_say(&scenario, &first);
    until("what was staged is swept away", || staged(&scenario).is_empty().then_some(()));
    // The implied rule of the lifecycle is there, and is no change.
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);

    scenario.edit("FROM input", "FROM input WHERE date_part('year', date) < 2020");
    scenario.write("second.txt", "USD\nJPY\n");
    let second = scenario.json(0, &["run", "--local", "--yes", "--items", "second.txt"]);
    as_the_receipts_say(&scenario, &second);
    let run_of = |name: &str| live(&scenario, name)[name]["metadata"]["provision-run"].clone();
    assert_eq!(run_of("features/USD/2019.csv"), second["run"]);
    // What the newer run does not make stays as it was, and so does what it was not asked for.
    assert_eq!(run_of("features/USD/2020.csv"), first["run"]);
    assert_eq!(run_of("features/GBP/2019.csv"), first["run"]);
    assert_eq!(scenario.objects(BUCKET, "features/JPY").len(), 5);
}

/// Where a worker is killed: method, resource and moment.
const POINTS: [(&str, &str, &str); 6] = [
    ("storage.objects.insert", "*/commits/*", "before"),
    ("storage.objects.insert", "*/commits/*", "after"),
    ("storage.objects.rewrite", "*/features/*/2018.csv", "before"),
    ("storage.objects.rewrite", "*/features/*/2019.csv", "after"),
    ("storage.objects.insert", "*/receipts/*", "before"),
    ("storage.objects.delete", "*.staged", "before"),
];

#[test]
fn workers_that_die_at_any_step_of_a_commit_leave_outputs_of_one_execution() {
    let scenario = divided();
    scenario.expect(0, &["apply", "--local", "--yes"]);
    for (method, resource, moment) in POINTS {
        let add = ["local", "fault", "add", method, "--resource", resource, "--kill", moment];
        scenario.expect(0, &[&add[..], &["--caller", "worker", "--next", "1"]].concat());
    }
    let items = ["USD", "GBP", "JPY", "CHF", "SEK", "NOK"];
    scenario.write("items.txt", items.join("\n"));
    let report = scenario.json(0, &["run", "--local", "--yes", "--items", "items.txt"]);
    assert_eq!(report["done"], 6, "{report:#}");
    let faults = scenario.json(0, &["local", "fault", "list"]);
    assert!(faults.as_array().expect("faults").iter().all(|fault| fault["struck"] == 1), "{faults:#}");
    as_the_receipts_say(&scenario, &report);
    for item in items {
        for (name, wanted) in expected(&scenario, item) {
            assert_eq!(rows(&scenario, &name), wanted, "{name}");
        }
    }
    let left = staged(&scenario);
    assert!(!left.is_empty(), "those that died before the commit and after the receipt swept nothing");
    let all = || ["runs", "features", "rejects"].map(|prefix| scenario.objects(BUCKET, prefix)).concat();
    let mut others = all();
    others.retain(|name| !left.contains(name));
    scenario.expect(0, &["local", "clock", "advance", "8d"]);
    until("the lifecycle has deleted what was left", || staged(&scenario).is_empty().then_some(()));
    assert_eq!(all(), others);
}

#[test]
fn outputs_that_are_recorded_are_promoted_though_the_attempts_are_used_up() {
    let scenario = divided();
    scenario.edit("[job.fx]", "[job.fx]\nattempts = 1\nretry = { first = \"1s\", most = \"2s\" }");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let add = ["local", "fault", "add", "storage.objects.rewrite", "--resource", "*/features/*"];
    let denied = ["--fail", "permission-denied", "--caller", "worker", "--next", "3"];
    scenario.expect(0, &[&add[..], &denied].concat());
    scenario.write("items.txt", "USD");
    let report = scenario.json(0, &["run", "--local", "--yes", "--items", "items.txt"]);
    assert_eq!((&report["done"], &report["failed"]), (&1.into(), &0.into()), "{report:#}");
    let failed = |name: &&String| name.contains("/attempts/") && name.ends_with(".failed.json");
    assert!(scenario.objects(BUCKET, "runs").iter().filter(failed).count() >= 1, "no attempt failed");
    assert_eq!(report["receipts"][0]["attempt"], 1, "the execution that was recorded is the one that counts");
    as_the_receipts_say(&scenario, &report);
}
