//! An older and a newer `provision` on one stack: the newer one's work is told by its marks, and left alone.

use scenarios::Scenario;
use serde_json::{Value, json};

const STACK: &str = "[stack]
name = 'demo'
region = 'europe-west1'

[topic.a]

[subscription.s]
topic = 'a'

[bucket.data]

[service_account.worker]
";
const SUBSCRIPTION: &str = "/v1/projects/local-cloud/subscriptions/demo-s";
const BUCKET: &str = "/storage/v1/b/local-cloud-demo-data";
const ACCOUNT: &str =
    "/v1/projects/local-cloud/serviceAccounts/demo-worker@local-cloud.iam.gserviceaccount.com";

/// A version that is not made yet.
const NEWER: &str = "v9-11aa-22bb-and-more";

fn get(scenario: &Scenario, path: &str) -> Value {
    scenario.call("GET", path, &json!({}))
}

/// What another version of this program would have written of the subscription.
fn write(scenario: &Scenario, mark: &str, deadline: u32) {
    let mut labels = get(scenario, SUBSCRIPTION)["labels"].clone();
    labels["provision-spec"] = mark.into();
    labels["provision-novelty"] = "known-later".into();
    let subscription = json!({
        "name": "projects/local-cloud/subscriptions/demo-s", "labels": labels, "ackDeadlineSeconds": deadline,
    });
    let body = json!({ "subscription": subscription, "updateMask": "labels,ackDeadlineSeconds" });
    scenario.call("PATCH", SUBSCRIPTION, &body);
}

#[test]
fn an_older_version_leaves_a_newer_one_s_work_alone() {
    let scenario = Scenario::with(STACK);
    scenario.expect(0, &["apply", "--local", "--yes"]);

    // The same but for the mark: there is nothing to do, for either.
    write(&scenario, NEWER, 60);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    scenario.expect(0, &["apply", "--local", "--yes"]);

    // A newer default.
    write(&scenario, NEWER, 90);
    let text = scenario.expect(0, &["plan", "--local"]);
    for words in [
        "ack_deadline: 1m30s → 1m",
        "subscription.s was written by a newer provision (9, this one is 1), which may make something else of the same file",
    ] {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }
    // Nor is anything else of the stack changed: what goes with it, this version cannot know.
    scenario.edit("[topic.a]", "[topic.a]\nretention = '1d'");
    let said = scenario.provision(&["apply", "--local", "--yes"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(
        said.stderr.contains("nothing was changed") && said.stderr.contains("--downgrade"),
        "{}",
        said.stderr
    );
    assert_eq!(get(&scenario, SUBSCRIPTION)["ackDeadlineSeconds"], 90);
    assert_eq!(
        get(&scenario, "/v1/projects/local-cloud/topics/demo-a")["messageRetentionDuration"],
        Value::Null
    );
    let said = scenario.provision(&["plan", "--local", "--out", "plan.json"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);

    // Unless somebody wants it so.
    scenario.expect(0, &["apply", "--local", "--yes", "--downgrade"]);
    let live = get(&scenario, SUBSCRIPTION);
    assert_eq!(
        (&live["ackDeadlineSeconds"], &live["labels"]["provision-novelty"]),
        (&json!(60), &json!("known-later"))
    );
    assert!(
        live["labels"]["provision-spec"].as_str().is_some_and(|mark| mark.starts_with("v1-")),
        "{live:#}"
    );
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn a_newer_version_puts_its_defaults_in_place_once_and_says_so() {
    let scenario = Scenario::with(STACK);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let mark = get(&scenario, SUBSCRIPTION)["labels"]["provision-spec"].as_str().expect("a mark").to_owned();
    let (written, _) = mark.trim_start_matches("v1-").split_once('-').expect("two hashes");
    // To one that wrote version 0 this program is the newer.
    write(&scenario, &format!("v0-{written}-0123456789abcdef"), 30);
    let text = scenario.expect(0, &["plan", "--local"]);
    assert!(text.contains("new default of provision ") && text.contains("ack_deadline: 30s → 1m"), "{text}");
    scenario.expect(0, &["plan", "--local", "--drift-only", "--detailed-exitcode"]);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let labels = &get(&scenario, SUBSCRIPTION)["labels"];
    assert_eq!(
        (&labels["provision-spec"], &labels["provision-novelty"]),
        (&json!(mark), &json!("known-later"))
    );
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn marks_of_a_newer_version_are_seen_wherever_they_stand_and_do_not_keep_a_stack_from_ending() {
    let scenario = Scenario::with(STACK);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.edit("[topic.a]", "[topic.a]\nretention = '1d'");
    let refused = |address: &str| {
        let said = scenario.provision(&["apply", "--local", "--yes"]);
        assert_eq!(said.code, Some(1), "{address}: {}", said.stderr);
        assert!(
            said.stderr.contains(&format!("{address} was written by a newer provision")),
            "{}",
            said.stderr
        );
    };
    let mark = get(&scenario, BUCKET)["labels"]["provision-spec"].clone();
    scenario.call("PATCH", BUCKET, &json!({ "labels": { "provision-spec": NEWER } }));
    refused("bucket.data");
    scenario.call("PATCH", BUCKET, &json!({ "labels": { "provision-spec": mark } }));
    let account = get(&scenario, ACCOUNT);
    let told = account["description"].as_str().expect("a description");
    let told = told
        .split(' ')
        .map(|word| if word.starts_with("provision-spec=") { "provision-spec=v9-a-b" } else { word });
    let told: Vec<&str> = told.collect();
    let body = json!({ "serviceAccount": { "description": told.join(" ") }, "updateMask": "description" });
    scenario.call("PATCH", ACCOUNT, &body);
    refused("service_account.worker");

    let said = scenario.provision(&["teardown", "--local", "--yes"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    assert!(
        said.stdout.contains("`provision teardown` of that version finds what is left then"),
        "{}",
        said.stdout
    );
}
