//! Resources that somebody else made become a stack file, and taking them over changes their marks
//! alone.

use scenarios::{Said, Scenario};
use serde_json::{Value, json};

const PROJECT: &str = "projects/local-cloud";
const WORKER: &str = "fx-worker@local-cloud.iam.gserviceaccount.com";

/// What a person or a script left in a project, by plain calls of its services.
fn project() -> Scenario {
    let scenario = Scenario::with("");
    std::fs::remove_file(scenario.path("stack.toml")).expect("removed");
    scenario.expect(0, &["local", "up"]);
    let topic = |name: &str| format!("{PROJECT}/topics/{name}");
    let put = |path: &str, body: Value| scenario.call("PUT", path, &body);
    let post = |path: &str, body: Value| scenario.call("POST", path, &body);
    put(
        &format!("/v1/{}", topic("fx-items")),
        json!({ "labels": { "managed-by": "terraform", "team": "x" }, "messageRetentionDuration": "86400s" }),
    );
    put(&format!("/v1/{}", topic("Other.Topic~%2B")), json!({}));
    put(&format!("/v1/{}", topic("lost")), json!({}));
    put(
        &format!("/v1/{PROJECT}/subscriptions/fx-work"),
        json!({
            "topic": topic("fx-items"),
            "ackDeadlineSeconds": 30,
            "filter": "attributes.a = \"b\\\"]\"",
            "enableMessageOrdering": true,
            "deadLetterPolicy": { "deadLetterTopic": topic("lost"), "maxDeliveryAttempts": 7 },
        }),
    );
    put(&format!("/v1/{PROJECT}/subscriptions/plain"), json!({ "topic": topic("fx-items") }));
    let agent = "serviceAccount:service-510063344756@gcp-sa-pubsub.iam.gserviceaccount.com";
    let number = scenario.call("GET", &format!("/v3/{PROJECT}"), &json!({}))["name"].clone();
    let number =
        number.as_str().and_then(|name| name.strip_prefix("projects/")).expect("a number").to_owned();
    let agent = agent.replace("510063344756", &number);
    let policy = |role: &str, members: &[&str]| json!({ "role": role, "members": members });
    let set = |on: &str, bindings: Value| {
        post(&format!("/v1/{on}:setIamPolicy"), json!({ "policy": { "bindings": bindings } }))
    };
    set(&topic("lost"), json!([policy("roles/pubsub.publisher", &[&agent])]));
    set(&format!("{PROJECT}/subscriptions/fx-work"), json!([policy("roles/pubsub.subscriber", &[&agent])]));
    post(
        "/storage/v1/b?project=local-cloud",
        json!({
            "name": "local-cloud-fx-data",
            "location": "EUROPE-WEST4",
            "versioning": { "enabled": true },
            "lifecycle": { "rule": [
                { "action": { "type": "Delete" }, "condition": { "age": 3, "matchesPrefix": ["tmp/\"\n"] } },
                { "action": { "type": "SetStorageClass", "storageClass": "NEARLINE" }, "condition": { "age": 30 } },
            ] },
        }),
    );
    post(
        &format!("/v1/{PROJECT}/serviceAccounts"),
        json!({ "accountId": "fx-worker", "serviceAccount": {
            "displayName": "A \"worker\"\n[topic.evil]",
            "description": "\u{1b}[31m of mine",
        } }),
    );
    let worker = format!("serviceAccount:{WORKER}");
    put(
        "/storage/v1/b/local-cloud-fx-data/iam",
        json!({ "bindings": [policy("roles/storage.objectViewer", &[&worker, "user:ann@example.com", "allUsers"])] }),
    );
    set(PROJECT, json!([policy("roles/pubsub.viewer", &[&worker, "user:ann@example.com"])]));
    post(
        &format!("/v1/{PROJECT}/locations/europe-west4-a/clusters"),
        json!({ "cluster": { "name": "big", "nodePools": [
            { "name": "default-pool", "initialNodeCount": 2, "config": { "machineType": "e2-standard-4" } },
            { "name": "spot", "initialNodeCount": 1, "autoscaling": { "enabled": true, "totalMaxNodeCount": 9 }, "config": { "spot": true } },
        ] } }),
    );
    scenario
}

fn import(scenario: &Scenario, words: &[&str]) -> Said {
    scenario.provision(&[&["import", "--local"], words].concat())
}

/// What of the project's things a person would miss if it changed.
fn of_people(scenario: &Scenario) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [
        "/v1/projects/local-cloud/topics/fx-items",
        "/v1/projects/local-cloud/topics/lost",
        "/v1/projects/local-cloud/subscriptions/fx-work",
        "/v1/projects/local-cloud/subscriptions/plain",
        "/storage/v1/b/local-cloud-fx-data",
        "/storage/v1/b/local-cloud-fx-data/iam",
    ] {
        let mut live = scenario.call("GET", path, &json!({}));
        for moves in ["labels", "etag", "metageneration", "updated", "generation"] {
            live.as_object_mut().expect("an object").remove(moves);
        }
        // Nothing and no wait between deliveries are the same.
        live.as_object_mut().expect("an object").remove("retryPolicy");
        seen.push(live);
    }
    seen
}

#[test]
fn what_others_made_is_written_as_a_stack_and_taking_it_over_changes_marks_alone() {
    let scenario = project();
    let imported = import(&scenario, &["--stack", "fx"]);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    insta::assert_snapshot!(imported.stdout, @r#"
    # What is in the project local-cloud, written by `provision import`.
    # `provision plan --adopt '*'` shows what taking it over would change; `apply --adopt '*'` does it.
    [stack]
    name = "fx"
    region = "europe-west4"
    zone = "europe-west4-a"

    [topic.other-topic]
    name = "Other.Topic~+"

    [topic.items]
    labels = { team = "x" }
    retention = "1d"

    [topic.lost]
    name = "lost"

    [subscription.work]
    ack_deadline = "30s"
    dead_letter = { attempts = 7, topic = "lost" }
    expires = "31d"
    filter = 'attributes.a = "b\"]"'
    retry = { max = "0s", min = "0s" }
    topic = "items"

    [subscription.plain]
    ack_deadline = "10s"
    dead_letter = { attempts = 0 }
    expires = "31d"
    name = "plain"
    retry = { max = "0s", min = "0s" }
    topic = "items"

    [bucket.data]
    lifecycle = [{ delete_after_days = 3, prefix = """
    tmp/"
    """ }]
    public_access_prevention = false
    uniform_access = false
    versioning = true

    [service_account.worker]
    display_name = """
    A "worker"
    [topic.evil]"""

    [cluster.big]
    existing = true
    name = "big"
    [cluster.big.pool.default-pool]
    machine_type = "e2-standard-4"
    nodes = 2
    [cluster.big.pool.spot]
    machine_type = "e2-medium"
    max_nodes = 9
    min_nodes = 0
    spot = true

    [grant.worker-objectviewer]
    member = "service_account.worker"
    on = "bucket.data"
    role = "roles/storage.objectViewer"

    [grant.ann-objectviewer]
    member = "user:ann@example.com"
    on = "bucket.data"
    role = "roles/storage.objectViewer"

    [grant.worker-viewer]
    member = "service_account.worker"
    on = "project"
    role = "roles/pubsub.viewer"
    "#);
    insta::assert_snapshot!(imported.stderr, @r#"
    topic.items: its label managed-by=terraform becomes managed-by=provision: make sure that terraform lets go of it
    subscription.work: ordering: kept as it is
    bucket.data: 1 of its lifecycle rules: kept as long as `lifecycle` is not changed in the file
    service_account.worker: its description "\u{1b}[31m of mine" makes room for the stack's marks
    cluster.big: a cluster that was made elsewhere is used as it is, and never changed or deleted
    bucket.data: roles/storage.objectViewer of allUsers is left out: it is to everybody
    "#);

    let before = of_people(&scenario);
    scenario.write("stack.toml", &imported.stdout);
    let refused = scenario.provision(&["plan", "--local"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("or take it over with `--adopt topic.items`"), "{}", refused.stderr);
    let plan = scenario.json(0, &["plan", "--local", "--adopt", "*"]);
    for change in plan["changes"].as_array().expect("changes") {
        let fields = json!([{ "path": "labels", "before": "nobody's", "after": "this stack's" }]);
        assert_eq!((&change["action"], &change["fields"]), (&json!("update"), &fields), "{change:#}");
    }
    assert_eq!(plan["changes"].as_array().map(Vec::len), Some(7));
    scenario.expect(0, &["apply", "--local", "--yes", "--adopt", "*"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(of_people(&scenario), before);

    // It belongs to a stack now, and what was there before the stack outlives it, but for its accounts'
    // grants.
    let again = import(&scenario, &["--stack", "other", "topic/lost"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("topic/lost is left out: it belongs to the stack fx"), "{}", again.stderr);
    let cluster =
        scenario.call("GET", &format!("/v1/{PROJECT}/locations/europe-west4-a/clusters/big"), &json!({}));
    assert_eq!(cluster["resourceLabels"], Value::Null);
    scenario.expect(0, &["teardown", "--local", "--yes"]);
    assert_eq!(of_people(&scenario)[4], before[4]);
}

#[test]
fn what_is_named_must_be_there_and_what_it_needs_is_referred_to() {
    let scenario = project();
    let part = import(&scenario, &["--stack", "new", "subscription/plain", "cluster/b*"]);
    assert_eq!(part.code, Some(0), "{}", part.stderr);
    insta::assert_snapshot!(part.stdout, @r#"
    # What is in the project local-cloud, written by `provision import`.
    # `provision plan --adopt '*'` shows what taking it over would change; `apply --adopt '*'` does it.
    [stack]
    name = "new"
    region = "europe-west4"
    zone = "europe-west4-a"

    [topic.fx-items]
    existing = true
    name = "fx-items"

    [subscription.plain]
    ack_deadline = "10s"
    dead_letter = { attempts = 0 }
    expires = "31d"
    name = "plain"
    retry = { max = "0s", min = "0s" }
    topic = "fx-items"

    [cluster.big]
    existing = true
    name = "big"
    [cluster.big.pool.default-pool]
    machine_type = "e2-standard-4"
    nodes = 2
    [cluster.big.pool.spot]
    machine_type = "e2-medium"
    max_nodes = 9
    min_nodes = 0
    spot = true
    "#);
    scenario.write("stack.toml", &part.stdout);
    scenario.expect(0, &["apply", "--local", "--yes", "--adopt", "subscription.*"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);

    let missing = import(&scenario, &["topic/fx-item", "bucket/none"]);
    assert_eq!(missing.code, Some(1));
    assert_eq!(missing.stdout, "");
    assert_eq!(
        missing.stderr,
        "error: there is no topic/fx-item; did you mean `topic/fx-items`?\nthere is no bucket/none\n"
    );
    let taken = import(&scenario, &["--stack", "new"]);
    assert!(taken.stderr.contains("has a stack called new already"), "{}", taken.stderr);
}

#[test]
fn a_file_that_is_there_is_kept_unless_somebody_says_otherwise() {
    let scenario = Scenario::with("precious");
    scenario.expect(0, &["local", "up"]);
    scenario.call("PUT", &format!("/v1/{PROJECT}/topics/abc"), &json!({}));
    let kept = import(&scenario, &["--out", "stack.toml"]);
    assert_eq!(kept.code, Some(1));
    assert!(kept.stderr.contains("nobody to ask: add --yes to overwrite stack.toml"), "{}", kept.stderr);
    assert_eq!(std::fs::read_to_string(scenario.path("stack.toml")).expect("the file"), "precious");
    assert_eq!(import(&scenario, &["--out", "stack.toml", "--yes"]).code, Some(0));
    scenario.expect(0, &["check"]);
    assert_eq!(import(&scenario, &["--out", "new.toml"]).code, Some(0));
}
