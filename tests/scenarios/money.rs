//! What a stack costs and how it stands: told by plan, status, stacks and teardown, with the date and
//! source of the prices.

use scenarios::{Scenario, until};
use serde_json::{Value, json};

const BUCKET: &str = "local-cloud-fx-data";

/// A job whose items fail once and then wait for long, or last for ever.
const SLOW: &str = r#"
[stack]
name = "fx"
region = "europe-west1"
[topic.items]
[subscription.work]
topic = "items"
[bucket.data]
[cluster.main.pool.steady]
machine_type = "e2-medium"
nodes = 1
[cluster.main.pool.workers]
machine_type = "c3-standard-4"
spot = true
min_nodes = 1
max_nodes = 2
[job.fx]
subscription = "work"
bucket = "data"
pool = "main/workers"
concurrency = 2
max_workers = 1
retry = { first = "10m", most = "10m" }
[job.fx.command]
argv = ["sh", "-c", "test $PROVISION_ITEM != bad && sleep 600"]
load = "gs://data/out/{item}/"
"#;

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[test]
fn plan_status_stacks_and_teardown_tell_what_a_stack_costs() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    insta::assert_snapshot!(last_lines(&scenario.expect(0, &["plan", "--local"]), 2), @r"
    51 to create, 0 to update, 0 to replace, 0 to delete
    cost: idle $0/h → $0.14/h, at max_nodes $0/h → $0.42/h; list prices of 2025-03-06, without disks, traffic and storage
    ");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let status = scenario.expect(0, &["status", "--local"]);
    insta::assert_snapshot!(status, @r"
    stack fx, project local-cloud
    57 resources, as the file says
      cluster.main                                 RUNNING
      node_pool.main/steady                        RUNNING, 1 of 1 node ready (fixed at 1)
      node_pool.main/workers                       RUNNING, 0 of 0 nodes ready (from 0 to 10)
      subscription.work                            ACTIVE
      subscription.work-dead                       ACTIVE
      and 52 that have no state of their own

    no open run
    cost: idle $0.14/h, at max_nodes $0.42/h
      list prices of 2025-03-06 (Google's Cloud Billing Catalog, by way of Cyclenerd's google-cloud-pricing-cost-calculator), without disks, traffic and storage
    ");
    let status = scenario.json(0, &["status", "--local"]);
    insta::assert_snapshot!(format!("{:#}", status["cost"]), @r#"
    {
      "at_max_nodes": {
        "dollars_per_hour": 0.416018,
        "unknown": []
      },
      "idle": {
        "dollars_per_hour": 0.136858,
        "unknown": []
      },
      "prices": {
        "date": "2025-03-06",
        "left_out": [
          "disks",
          "traffic",
          "storage"
        ],
        "source": "Google's Cloud Billing Catalog, by way of Cyclenerd's google-cloud-pricing-cost-calculator"
      }
    }
    "#);
    assert_eq!(
        status["pools"]["main/steady"],
        json!({"ready": 1, "nodes": 1, "min": 1, "max": 1}),
        "{status:#}"
    );
    let stacks = scenario.expect(0, &["stacks", "--local"]);
    let stacks = stacks.split_once(" old, ").map(|(_, rest)| rest).unwrap_or_default();
    insta::assert_snapshot!(stacks, @r"
    idle $0.14/h, at max_nodes $0.42/h: 1 bucket, 1 cluster, 1 service account, 2 subscriptions, 2 topics
      list prices of 2025-03-06 (Google's Cloud Billing Catalog, by way of Cyclenerd's google-cloud-pricing-cost-calculator), without disks, traffic and storage
    ");

    scenario.edit("max_nodes = 10", "max_nodes = 20");
    insta::assert_snapshot!(last_lines(&scenario.expect(0, &["plan", "--local"]), 2), @r"
    0 to create, 1 to update, 0 to replace, 0 to delete
    cost: idle $0.14/h, at max_nodes $0.42/h → $0.70/h; list prices of 2025-03-06, without disks, traffic and storage
    ");
    let markdown = scenario.expect(0, &["plan", "--local", "--format", "markdown"]);
    assert!(markdown.contains("\ncost: "), "{markdown}");
    scenario.edit("e2-standard-2", "c3-standard-4");
    insta::assert_snapshot!(last_lines(&scenario.expect(0, &["plan", "--local"]), 2), @r"
    cost: idle $0.14/h, at max_nodes $0.42/h → at least $0.14/h; list prices of 2025-03-06, without disks, traffic and storage
      unknown: node_pool.main/workers (no price of c3-standard-4 in europe-west1)
    ");

    let ended = scenario.expect(0, &["teardown", "--local", "--yes", "--delete-data"]);
    insta::assert_snapshot!(last_lines(&ended, 2), @r"
    0 to create, 0 to update, 0 to replace, 9 to delete
    cost: $0.14/h ends (at max_nodes $0.42/h); list prices of 2025-03-06, without disks, traffic and storage
    ");
}

#[test]
fn status_tells_the_queue_the_workers_and_what_is_unknown_of_the_cost() {
    let scenario = Scenario::with(SLOW);
    let mut run = scenario.start(&["run", "--local", "--yes", "--", "bad", "slow"]);
    let status = until("one item has failed and one is in work", || {
        let said = scenario.provision(&["status", "--local", "--format", "json"]);
        let status: Value = serde_json::from_str(&said.stdout).ok()?;
        (status["queue"]["retrying"] == 1 && status["queue"]["in_flight"] == 1).then_some(status)
    });
    scenarios::kill(run.id());
    let _ = run.wait();
    let open = &status["runs"][0];
    assert_eq!(
        (&open["items"], &open["done"], &open["workers"]),
        (&json!(2), &json!(0), &json!(1)),
        "{status:#}"
    );
    assert_eq!(open["last_receipt"], Value::Null);
    assert_eq!(open["pods"], json!({"pending": 0, "running": 1, "succeeded": 0, "failed": 0}));
    assert_eq!(open["queue"], status["queue"]);
    assert_eq!((&status["queue"]["open"], &status["queue"]["oldest"]), (&json!(2), &open["created"]));
    let unknown = json!(["node_pool.main/workers (no price of c3-standard-4 in europe-west1)"]);
    assert_eq!(status["cost"]["idle"]["unknown"], unknown);
    let told: Vec<Value> = status["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .filter(|resource| !resource["health"].is_null())
        .map(|resource| json!([resource["address"], resource["is"], resource["health"]["state"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["cluster.main", "as_declared", "RUNNING"]),
            json!(["node_pool.main/steady", "as_declared", "RUNNING"]),
            json!(["node_pool.main/workers", "as_declared", "RUNNING"]),
            json!(["subscription.work", "as_declared", "ACTIVE"]),
            json!(["subscription.work-dead", "as_declared", "ACTIVE"]),
        ],
        "{status:#}"
    );
    let text = scenario.expect(0, &["status", "--local"]);
    assert!(text.contains("queue: 2 open, the oldest for "), "{text}");
    assert!(text.contains("; 1 in flight, 1 to be tried again\n"), "{text}");
    assert!(text.contains("  no receipt in "), "{text}");
    assert!(text.contains("; 1 worker; pods: 0 pending, 1 running, 0 succeeded, 0 failed\n"), "{text}");
    scenario.expect(0, &["runs", "cancel", "--local", "--yes"]);
}

#[test]
fn a_run_whose_publishing_was_interrupted_is_named_with_that_reason() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    scenario.expect(0, &["run", "--local", "--yes", "--", "USD", "GBP"]);
    // What a `provision run` that was killed an hour ago has left: its record, and nothing published.
    let whole = scenario.only_run(BUCKET).0;
    let read = |file: &str| {
        std::fs::read_to_string(scenario.object(BUCKET, &format!("runs/{whole}/{file}"))).expect("a record")
    };
    let cut = format!("{}00000000", &whole[..whole.len() - 8]);
    let mut record: Value = serde_json::from_str(&read("run.json")).expect("JSON");
    record["run"] = cut.as_str().into();
    record["created"] = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1)).to_string().into();
    for (file, text) in [("items.ndjson", read("items.ndjson")), ("run.json", record.to_string())] {
        let upload = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=runs/{cut}/{file}");
        scenario.call("POST", &upload, &Value::from(text));
    }
    let status = scenario.expect(0, &["status", "--local"]);
    let told = format!(
        "  publishing was interrupted: the same command continues it, and so does `provision runs watch {cut}`\n"
    );
    assert!(status.contains(&told), "{status}");
    let json = scenario.json(0, &["status", "--local"]);
    assert_eq!(json["runs"][0]["reasons"][0], told.trim(), "{json:#}");
    // It does: the run is followed to its end.
    scenario.expect(0, &["runs", "watch", "--local", &cut]);
    assert!(scenario.expect(0, &["status", "--local"]).contains("no open run"));
}

/// What a registry is pushed to, by the API that docker speaks.
struct Registry<'a>(&'a Scenario);

impl Registry<'_> {
    const PATH: &'static str = "/v2/local-cloud/images/worker";

    fn create(&self) {
        let repositories = "/v1/projects/local-cloud/locations/europe-west1/repositories";
        self.0.call("POST", &format!("{repositories}?repositoryId=images"), &json!({ "format": "DOCKER" }));
    }

    /// Pushes an image of one platform; its digest.
    fn push(&self, tag: &str, architecture: &str, version: u32) -> String {
        let config = json!({ "os": "linux", "architecture": architecture, "version": version }).to_string();
        let blob =
            self.send("POST", &format!("{}/blobs/uploads/?digest={}", Self::PATH, digest(&config)), &config);
        assert_eq!(blob, digest(&config));
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "digest": blob, "size": config.len() },
            "layers": [],
        });
        self.send("PUT", &format!("{}/manifests/{tag}", Self::PATH), &manifest.to_string())
    }

    /// Pushes a list of images of several platforms; its digest.
    fn push_list(&self, tag: &str, images: &[(&str, &str)]) -> String {
        let listed = images.iter().map(|(digest, architecture)| {
            json!({ "digest": digest, "platform": { "os": "linux", "architecture": architecture } })
        });
        let list = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": listed.collect::<Vec<_>>(),
        });
        self.send("PUT", &format!("{}/manifests/{tag}", Self::PATH), &list.to_string())
    }

    /// The digest that the registry gives what is sent.
    fn send(&self, method: &str, path: &str, body: &str) -> String {
        let (status, head, said) = self.0.request(method, path, body);
        assert_eq!(status, 201, "{method} {path}: {said}");
        let mut lines = head.lines();
        let digest = lines.find_map(|line| line.strip_prefix("docker-content-digest: "));
        digest.expect("a digest").trim().to_owned()
    }
}

fn digest(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

/// What a plan says stands in the way, but for permissions.
fn findings(scenario: &Scenario) -> Vec<String> {
    let plan = scenario.json(0, &["plan", "--local"]);
    let text = |finding: &Value, field: &str| finding[field].as_str().expect("text").to_owned();
    let found = plan["preflight"].as_array().expect("findings").iter();
    found.map(|finding| format!("{}: {}", text(finding, "level"), text(finding, "what"))).collect()
}

#[test]
fn a_tag_is_bound_to_its_digest_and_one_that_moved_is_a_change() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    let image = "europe-west1-docker.pkg.dev/local-cloud/images/worker:1";
    scenario.edit("[job.fx]", &format!("[job.fx]\nimage = \"{image}\""));
    // The local cloud pulls nothing: an image that its registry does not hold is nobody's mistake there.
    scenario.expect(0, &["local", "up"]);
    assert!(findings(&scenario).is_empty());
    let registry = Registry(&scenario);
    registry.create();
    assert_eq!(findings(&scenario), [format!("error: job.fx: there is no image {image}")]);
    let refused = scenario.provision(&["apply", "--local", "--yes"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("nothing was changed"), "{}", refused.stderr);

    let first = registry.push("1", "amd64", 1);
    assert!(findings(&scenario).is_empty());
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);

    let arm = registry.push("arm", "arm64", 1);
    let second = registry.push_list("1", &[(&first, "amd64"), (&arm, "arm64")]);
    let plan = scenario.json(2, &["plan", "--local", "--detailed-exitcode"]);
    let changes = plan["changes"].as_array().expect("changes");
    let told: Vec<Value> = changes.iter().map(|c| json!([c["address"], c["action"], c["reason"]])).collect();
    assert_eq!(told, [json!(["job.fx", "update", "the tag 1 was moved"])]);
    let field = &changes[0]["fields"][0];
    assert_eq!(
        (&field["before"], &field["after"]),
        (&json!(format!("{image}@{first}")), &json!(format!("{image}@{second}")))
    );
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);

    // A run is bound to what was applied.
    scenario.expect(0, &["run", "--local", "--yes", "--", "USD"]);
    let run = scenario.only_run(BUCKET);
    let record =
        std::fs::read_to_string(scenario.object(BUCKET, &format!("runs/{run}/run.json"))).expect("a record");
    let record: Value = serde_json::from_str(&record).expect("JSON");
    assert_eq!(record["image"], json!(format!("{image}@{second}")));

    // Machines of another architecture need an image for them.
    scenario.edit("e2-standard-2", "t2a-standard-2");
    assert!(findings(&scenario).is_empty());
    scenario.edit("worker:1", "worker:only-amd");
    registry.push("only-amd", "amd64", 2);
    assert_eq!(
        findings(&scenario),
        [
            "error: job.fx: image europe-west1-docker.pkg.dev/local-cloud/images/worker:only-amd is built for linux/amd64, and the machines of the pool main/workers (t2a-standard-2) are linux/arm64"
        ]
    );
}

#[test]
fn quotas_and_places_are_told_before_anything_is_made() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    scenario.expect(0, &["local", "up"]);
    assert!(findings(&scenario).is_empty());
    scenario.expect(0, &["local", "quota", "set", "PREEMPTIBLE_CPUS", "8"]);
    let short = "warning: node_pool.main/workers: takes 20 PREEMPTIBLE_CPUS of europe-west1 at max_nodes, and the quota is 8 (0 in use); runs get fewer nodes";
    assert_eq!(findings(&scenario), [short]);
    scenario.expect(0, &["local", "quota", "set", "CPUS", "1", "--region", "europe-west1"]);
    assert_eq!(
        findings(&scenario),
        [
            "error: node_pool.main/steady: takes 2 CPUS of europe-west1 from the beginning, and of 1 there are 1 left",
            short
        ]
    );
    scenario.expect(0, &["local", "quota", "restore"]);
    scenario.expect(0, &["local", "quota", "set", "SSD_TOTAL_GB", "500"]);
    assert_eq!(
        findings(&scenario),
        [
            "warning: node_pool.main/steady, node_pool.main/workers: takes 550 SSD_TOTAL_GB of europe-west1 at max_nodes, and the quota is 500 (0 in use); runs get fewer nodes"
        ]
    );
    scenario.expect(0, &["local", "quota", "restore"]);
    assert!(findings(&scenario).is_empty());
    scenario.edit("[bucket.data]", "[bucket.data]\nlocation = \"EU\"");
    assert!(findings(&scenario).is_empty());
    scenario.edit("location = \"EU\"", "location = \"US\"");
    assert_eq!(
        findings(&scenario),
        [
            "warning: bucket.data lies in US, and cluster.main in europe-west1: whatever job.fx reads and writes there crosses between them, which is slow and billed"
        ]
    );
}
