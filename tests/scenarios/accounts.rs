//! What a run came to, what of it is stale, what Pub/Sub gave up, and what a run may cost.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use scenarios::{Scenario, until};
use serde_json::{Value, json};

const BUCKET: &str = "local-cloud-fx-data";

#[test]
fn a_run_is_accounted_for_and_what_is_stale_of_it_is_tried_again() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    // Records spell such a key otherwise.
    let spelled = std::fs::rename(
        scenario.path("examples/fx/rates/GBP.csv"),
        scenario.path("examples/fx/rates/G%3ABP.csv"),
    );
    spelled.expect("renamed");
    let run = ["run", "--local", "--yes", "--max-cost", "5USD", "--", "USD", "G:BP", "<script>", "NONE"];
    scenario.expect(6, &run);
    let id = scenario.only_run(BUCKET);

    let account = scenario.json(0, &["runs", "report", "--local"]);
    let figures = ["items", "done", "failed"].map(|figure| account[figure].as_u64().expect("a number"));
    assert_eq!((figures, &account["outcome"]), ([4, 2, 2], &json!("failed")), "{account:#}");
    assert_eq!(account["attempts"]["made"], 4, "{account:#}");
    assert_eq!(account["attempts"]["failed"], 2, "{account:#}");
    assert_eq!(account["timeline"]["done"].as_array().expect("slots").last(), Some(&json!(2)));
    let slowest = account["took"]["slowest"].as_array().expect("items");
    let mut slowest: Vec<&str> = slowest.iter().filter_map(|item| item[0].as_str()).collect();
    slowest.sort_unstable();
    assert_eq!(slowest, ["G:BP", "USD"]);
    assert!(account["nodes"]["seconds"].as_f64().expect("a number") > 0.0, "{account:#}");
    assert!(account["cost"]["per_item"].as_f64().expect("a price") > 0.0, "{account:#}");
    scenario.expect(0, &["runs", "report", "--local", &id.0, "--format", "html", "--out", "report.html"]);
    let html = std::fs::read_to_string(scenario.path("report.html")).expect("a report");
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
    assert_eq!(html.matches("</svg>").count(), 2);

    let stale = |args: &[&str]| {
        let said =
            scenario.provision(&[&["runs", "retry", "--local", &id.0, "--only", "stale"][..], args].concat());
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        said.stdout + &said.stderr
    };
    let told = stale(&["--dry-run"]);
    assert!(
        told.contains("2 items are fresh, 0 stale, 0 unknown") && told.contains("nothing is left"),
        "{told}"
    );

    scenario.write("examples/fx/rates/USD.csv", "date,rate\n2026-01-02,1.5\n");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let told = stale(&["--dry-run"]);
    assert!(told.contains("stale: an input object has changed (1 item)"), "{told}");
    assert!(told.contains("1 item would be tried again:\n  USD\n"), "{told}");
    stale(&["--yes"]);
    let runs = scenario.json(0, &["runs", "list", "--local"]);
    assert_eq!((&runs[1]["retry_of"], &runs[1]["done"]), (&json!(id.0), &json!(1)), "{runs:#}");
    // The latest receipt of an item counts, whichever run it is of.
    assert!(stale(&["--dry-run"]).contains("2 items are fresh"));
}

#[test]
fn a_job_that_has_changed_makes_all_its_items_stale_and_files_count_by_their_content() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    let extract = "extract = \"gs://data/rates/{item}.csv\"";
    scenario.edit(extract, "extract = \"file:examples/fx/rates/{item}.csv\"");
    scenario.expect(0, &["run", "--local", "--yes", "--", "USD", "GBP"]);
    let stale = || {
        let said = scenario.provision(&["runs", "retry", "--local", "--only", "stale", "--dry-run"]);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        said.stderr
    };
    assert!(stale().contains("2 items are fresh"), "{}", stale());
    let rates = scenario.path("examples/fx/rates/GBP.csv");
    std::fs::write(&rates, "date,rate\n2026-01-02,1.5\n").expect("a file");
    assert!(stale().contains("stale: an input file has changed (1 item)"), "{}", stale());
    std::fs::remove_file(&rates).expect("removed");
    assert!(stale().contains("stale: an input file is gone (1 item)"), "{}", stale());
    scenario.edit("ROWS 19 PRECEDING) AS sma_20", "ROWS 9 PRECEDING) AS sma_20");
    assert!(stale().contains("stale: the job has changed (2 items)"), "{}", stale());
}

#[test]
fn what_its_cost_cannot_be_bounded_does_not_start() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let refused = scenario.provision(&["run", "--local", "--yes", "--max-cost", "0.000001USD", "--", "USD"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("machines cost about"), "{}", refused.stderr);
    let said = scenario.provision(&["run", "--local", "--yes", "--max-cost", "5EUR", "--", "USD"]);
    assert!(said.stderr.contains("write it as \"5USD\""), "{}", said.stderr);
    assert!(scenario.objects(BUCKET, "runs").is_empty());
}

/// A call of the local cloud in the name of the project's owner.
fn call(scenario: &Scenario, path: &str, body: &Value) -> Value {
    let status = scenario.json(0, &["local", "status"]);
    let authority = status["url"].as_str().expect("a url").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&authority).expect("connected");
    let body = body.to_string();
    let head = format!("Host: {authority}\r\nContent-Length: {}\r\nConnection: close", body.len());
    write!(stream, "POST {path} HTTP/1.0\r\n{head}\r\n\r\n{body}").expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
}

#[test]
fn what_pubsub_gives_up_becomes_a_failure_of_its_run() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    let deadline = "ack_deadline = \"10s\"";
    let impatient = "dead_letter = { attempts = 5 }\nretry = { min = \"0s\", max = \"0s\" }";
    scenario.edit(deadline, &format!("{deadline}\n{impatient}"));
    scenario.expect(0, &["apply", "--local", "--yes"]);
    // No Spot machine: nobody but this test takes messages.
    scenario.expect(0, &["local", "stockout", "add", "--spot"]);
    let mut run = scenario.start(&["run", "--local", "--yes", "--", "USD", "GBP"]);
    let subscription = "/v1/projects/local-cloud/subscriptions/fx-work";
    let ended = until("the run ends", || {
        let pulled = call(
            &scenario,
            &format!("{subscription}:pull"),
            &json!({ "maxMessages": 10, "returnImmediately": true }),
        );
        let messages = pulled["receivedMessages"].as_array().cloned().unwrap_or_default();
        let ids: Vec<Value> = messages.iter().map(|message| message["ackId"].clone()).collect();
        if !ids.is_empty() {
            let nack = json!({ "ackIds": ids, "ackDeadlineSeconds": 0 });
            call(&scenario, &format!("{subscription}:modifyAckDeadline"), &nack);
        }
        run.try_wait().expect("a process")
    });
    let log = scenario.started_log();
    assert_eq!(ended.code(), Some(6), "{log}");
    let failed = scenario.json(0, &["failed", "list", "--local"]);
    let failed = failed.as_array().expect("failures");
    assert_eq!(failed.len(), 2, "{failed:#?}");
    for failure in failed {
        assert_eq!(
            (&failure["kind"], &failure["attempts"]),
            (&json!("dead_lettered"), &json!(0)),
            "{failure:#}"
        );
        let message = failure["message"].as_str().expect("a message");
        assert!(message.contains("Pub/Sub delivered it 5 times"), "{message}");
    }
    scenario.expect(0, &["local", "stockout", "clear"]);
    scenario.expect(0, &["failed", "requeue", "--local", "--yes"]);
    assert_eq!(scenario.json(0, &["failed", "list", "--local"]), json!([]));
}
