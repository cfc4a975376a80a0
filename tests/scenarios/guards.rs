//! What is worth something is not taken away unasked, on any path: messages that nobody has read.

use scenarios::{Scenario, until};
use serde_json::json;

const STACK: &str = "[stack]
name = 'demo'
region = 'europe-west1'

[topic.a]

[subscription.s]
topic = 'a'
";

/// A stack with a run's queue and a second subscription that nobody reads.
const WITH_RUNS: &str = "[stack]
name = 'demo'
region = 'europe-west1'

[topic.items]

[subscription.work]
topic = 'items'

[subscription.audit]
topic = 'items'

[bucket.data]

[cluster.main]
[cluster.main.pool.steady]
machine_type = 'e2-medium'
nodes = 1

[job.one]
subscription = 'work'
bucket = 'data'
pool = 'main/steady'
[job.one.command]
argv = ['true']
";

/// Somebody publishes `count` messages that are of no run.
fn publish(scenario: &Scenario, topic: &str, count: usize) {
    let messages: Vec<_> = (0..count).map(|_| json!({ "data": "aGVsbG8=" })).collect();
    let path = format!("/v1/projects/local-cloud/topics/{topic}:publish");
    scenario.call("POST", &path, &json!({ "messages": messages }));
}

#[test]
fn a_subscription_with_unread_messages_goes_on_no_path_without_leave() {
    let scenario = Scenario::with(STACK);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    publish(&scenario, "demo-a", 3);
    // What stays loses nothing.
    scenario.edit("topic = 'a'", "topic = 'a'\nack_deadline = '30s'");
    scenario.expect(0, &["apply", "--local", "--yes"]);

    scenario.edit("ack_deadline = '30s'", "ack_deadline = '30s'\nfilter = 'attributes:x'");
    let text = scenario.expect(0, &["plan", "--local"]);
    for words in [
        "± subscription.s",
        "with 3 undelivered messages",
        "refused without leave:\n    subscription.s would be",
    ] {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }
    let markdown = scenario.expect(0, &["plan", "--local", "--format", "markdown"]);
    assert!(markdown.contains("**refused without leave**: subscription.s would be"), "{markdown}");
    let plan = scenario.json(0, &["plan", "--local", "--out", "plan.json"]);
    assert_eq!(plan["refused"].as_array().map(Vec::len), Some(1), "{plan:#}");

    for args in [
        &["apply", "--local", "--yes"][..],
        &["apply", "--local", "plan.json"],
        &["apply", "--local", "--yes", "--delete-data"],
        &["teardown", "--local", "--yes"],
        &["teardown", "--local", "--yes", "--stack", "demo"],
    ] {
        let said = scenario.provision(args);
        assert_eq!(said.code, Some(5), "{args:?}: {}\n{}", said.stdout, said.stderr);
        assert!(
            said.stderr.contains("with 3 undelivered messages (counted at "),
            "{args:?}: {}",
            said.stderr
        );
        assert!(said.stderr.contains("add --interrupt-runs"), "{args:?}: {}", said.stderr);
    }
    scenario.expect(0, &["plan", "--local", "--out", "plan.json", "--interrupt-runs"]);
    scenario.expect(0, &["apply", "--local", "plan.json"]);

    publish(&scenario, "demo-a", 1);
    scenario.edit("\nfilter = 'attributes:x'", "");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["teardown", "--local", "--yes"]);
}

#[test]
fn of_a_topic_that_goes_it_is_told_who_else_listens() {
    let scenario = Scenario::with(STACK);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let theirs = json!({ "topic": "projects/local-cloud/topics/demo-a" });
    scenario.call("PUT", "/v1/projects/local-cloud/subscriptions/theirs", &theirs);
    let said = scenario.provision(&["teardown", "--local", "--yes"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    let words = "topic.a is deleted, and others use it: projects/local-cloud/subscriptions/theirs";
    assert!(said.stdout.contains(words), "{}", said.stdout);
    scenario.call("GET", "/v1/projects/local-cloud/subscriptions/theirs", &json!({}));
}

#[test]
fn where_nobody_counts_the_messages_the_plan_says_so() {
    let scenario = Scenario::with(STACK);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    publish(&scenario, "demo-a", 3);
    let monitoring = "/v1/projects/local-cloud/services/monitoring.googleapis.com:disable";
    scenario.call("POST", monitoring, &json!({}));
    let said = scenario.provision(&["teardown", "--local", "--yes"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    for words in ["Cloud Monitoring does not say whether messages wait in subscription.s", "is disabled"] {
        assert!(said.stdout.contains(words), "no `{words}` in\n{}", said.stdout);
    }
}

#[test]
fn messages_of_ended_runs_are_in_nobodys_way_and_those_of_others_are() {
    let scenario = Scenario::with(WITH_RUNS);
    // The second subscription has a copy of every item.
    let said = scenario.provision(&["run", "--local", "--yes", "--teardown", "--", "x", "y", "z"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("kept: bucket.data with"), "{}", said.stderr);
    let left = scenario.call("GET", "/v1/projects/local-cloud/subscriptions", &json!({}));
    assert_eq!(left, json!({}), "{}", said.stderr);

    scenario.expect(0, &["apply", "--local", "--yes"]);
    publish(&scenario, "demo-items", 2);
    let said = scenario.provision(&["teardown", "--local", "--yes", "--delete-data"]);
    assert_eq!(said.code, Some(5), "{}\n{}", said.stdout, said.stderr);
    for words in [
        "subscription.audit would be deleted with 2 undelivered",
        "subscription.work would be deleted with 2",
    ] {
        assert!(said.stderr.contains(words), "no `{words}` in\n{}", said.stderr);
    }
    scenario.expect(0, &["teardown", "--local", "--yes", "--delete-data", "--interrupt-runs"]);
}

/// What an open run stands on in a bucket that the stack only uses.
#[test]
fn an_open_run_is_found_in_a_bucket_that_left_the_file_and_keeps_its_grants() {
    let grant = "\n[service_account.reader]\n\n[grant.reads]\nmember = 'service_account.reader'\nrole = 'roles/pubsub.viewer'\non = 'topic.items'\n";
    let job = "argv = ['sleep', '600']\n";
    let bucket = "[bucket.data]\nname = 'local-cloud-plant-data'\nexisting = true\n";
    let stack = WITH_RUNS.replace("[bucket.data]\n", bucket).replace("argv = ['true']\n", job);
    let scenario = Scenario::with(&format!("{stack}{grant}"));
    scenario.write("plant.toml", "[stack]\nname = 'plant'\nregion = 'europe-west1'\n\n[bucket.data]\n");
    scenario.expect(0, &["apply", "--local", "--yes", "--file", "plant.toml"]);
    let mut run = scenario.start(&["run", "--local", "--yes", "--", "x"]);
    until("the run is recorded", || {
        let runs = scenario.objects("local-cloud-plant-data", "runs");
        runs.iter().any(|name| name.ends_with("/published.json")).then_some(())
    });
    run.kill().expect("killed");
    run.wait().expect("gone");

    let refused = |what: &str| {
        let said = scenario.provision(&["apply", "--local", "--yes"]);
        assert_eq!(said.code, Some(5), "{}\n{}", said.stdout, said.stderr);
        for words in [" is open (1 items, since ", what, "would be taken from under it: wait for it, or add"]
        {
            assert!(said.stderr.contains(words), "no `{words}` in\n{}", said.stderr);
        }
    };
    scenario.edit(grant.split_once("\n\n").expect("two tables").1, "");
    refused(
        "and grant.pubsub projects/local-cloud/topics/demo-items roles/pubsub.viewer serviceAccount:demo-reader@local-cloud.iam.gserviceaccount.com",
    );
    scenario.write("stack.toml", stack.split_once("[subscription.audit]").expect("there").0);
    refused("run ");
    scenario.expect(0, &["apply", "--local", "--yes", "--interrupt-runs"]);
}
