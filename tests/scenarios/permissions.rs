//! Least privilege, from both sides: without any one of the grants that a job implies its run fails
//! and names the permission; with all of them it passes, and each was used.

use scenarios::{Scenario, until, workers_in};
use serde_json::{Value, json};

const ITEMS: &str = "USD\nGBP\n";
const RUN: [&str; 6] = ["run", "--local", "--yes", "--new", "--items", "two.txt"];
const SUBSCRIPTION: &str = "/v1/projects/local-cloud/subscriptions/fx-work";
const TOPIC: &str = "/v1/projects/local-cloud/topics/fx-items";
const BUCKET: &str = "/storage/v1/b/local-cloud-fx-data";
const PROJECT: &str = "/v3/projects/local-cloud";
const ACCOUNT: &str =
    "/v1/projects/local-cloud/serviceAccounts/fx-worker@local-cloud.iam.gserviceaccount.com";

/// The example, with runs that end soon if nothing moves.
fn impatient(max_run_time: &str) -> Scenario {
    let scenario = Scenario::fx_on_a_fast_cloud();
    scenario.write("two.txt", ITEMS);
    let pool = "pool = \"main/workers\"";
    scenario.edit(pool, &format!("{pool}\nitem_timeout = \"5s\"\nmax_run_time = \"{max_run_time}\""));
    scenario
}

/// The policies of a scenario's local cloud, as the project's owner changes them.
struct Owner<'a>(&'a Scenario);

impl Owner<'_> {
    fn policy(&self, of: &str) -> Value {
        match of {
            BUCKET => self.0.call("GET", &format!("{of}/iam"), &json!({})),
            ACCOUNT | PROJECT => self.0.call("POST", &format!("{of}:getIamPolicy"), &json!({})),
            _ => self.0.call("GET", &format!("{of}:getIamPolicy"), &json!({})),
        }
    }

    fn set_policy(&self, of: &str, policy: &Value) {
        match of {
            BUCKET => self.0.call("PUT", &format!("{of}/iam"), policy),
            _ => self.0.call("POST", &format!("{of}:setIamPolicy"), &json!({ "policy": policy })),
        };
    }

    /// Takes a role from the workers. `run` will give it back, but that counts in an hour only.
    /// Workers of an earlier run leave first: one that is there already needs no image and no token.
    fn take(&self, role: &str, on: &str) {
        until("the workers have left", || workers_in(&self.0.path("")).is_empty().then_some(()));
        self.0.expect(0, &["local", "propagation"]);
        let mut policy = self.policy(on);
        let mut taken = 0;
        for binding in policy["bindings"].as_array_mut().expect("bindings") {
            let is_it = binding["role"] == role;
            let members = binding["members"].as_array_mut().expect("members");
            let before = members.len();
            members.retain(|member| !is_it || member.as_str().expect("text").contains("service-"));
            taken += before - members.len();
        }
        assert_eq!(taken, 1, "{role} on {on}: {policy}");
        self.set_policy(on, &policy);
        self.0.expect(0, &["local", "propagation", "--grants", "1h"]);
    }

    /// Has what a policy says count at once.
    fn settle(&self, of: &str) {
        self.0.expect(0, &["local", "propagation"]);
        self.set_policy(of, &self.policy(of));
    }
}

/// Runs, which must fail for want of a permission and say so while it does and at its end.
fn fails_for(scenario: &Scenario, permission: &str) {
    let said = scenario.provision(&RUN);
    assert_eq!(said.code, Some(7), "{permission}\n{}\n{}", said.stdout, said.stderr);
    assert!(said.stderr.contains(permission), "no word of {permission}:\n{}", said.stderr);
    assert!(said.stdout.contains(permission), "no word of {permission} at the end:\n{}", said.stdout);
}

/// The roles that were used on a resource by whoever `member` stands in.
fn used(scenario: &Scenario, member: &str) -> Vec<(String, String)> {
    let grants = scenario.json(0, &["local", "grants"]);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let all = grants.as_array().expect("grants").iter();
    let of_member = all.filter(|grant| text(&grant["member"]).contains(member));
    of_member.map(|grant| (text(&grant["role"]), text(&grant["on"]))).collect()
}

#[test]
fn without_pulling_or_without_its_objects_a_run_fails_and_says_what_is_missing() {
    let scenario = impatient("9s");
    let done = scenario.json(0, &RUN);
    assert_eq!(done["done"], 2);
    let workers = used(&scenario, "/subject/ns/fx/sa/fx");
    for (role, on) in [
        ("roles/pubsub.subscriber", "projects/local-cloud/subscriptions/fx-work"),
        ("roles/storage.objectUser", "projects/_/buckets/local-cloud-fx-data"),
    ] {
        assert!(workers.contains(&(role.into(), on.into())), "{role} on {on} was not used: {workers:?}");
    }

    let owner = Owner(&scenario);
    for (role, on, permission) in [
        ("roles/pubsub.subscriber", SUBSCRIPTION, "pubsub.subscriptions.consume"),
        ("roles/storage.objectUser", BUCKET, "storage.objects.get"),
    ] {
        owner.take(role, on);
        fails_for(&scenario, permission);
        owner.settle(on);
    }
    assert_eq!(scenario.json(0, &RUN)["done"], 2);
}

#[test]
fn without_publishing_a_lost_message_stays_lost_and_the_run_says_why() {
    let scenario = impatient("25s");
    // A message that is not there is missed after a lease and the longest back-off.
    scenario.edit("ack_deadline = \"10s\"", "retry = { min = \"1s\", max = \"1s\" }\nack_deadline = \"10s\"");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let owner = Owner(&scenario);
    owner.take("roles/pubsub.publisher", TOPIC);
    // Nobody takes a message before they are all lost.
    owner.take("roles/pubsub.subscriber", SUBSCRIPTION);
    let mut run = scenario.start(&RUN);
    let mut lost = 0;
    until("all messages are lost", || {
        let pulled = scenario.call("POST", &format!("{SUBSCRIPTION}:pull"), &json!({"maxMessages": 10}));
        let messages = pulled["receivedMessages"].as_array().cloned().unwrap_or_default();
        let ids: Vec<&Value> = messages.iter().map(|message| &message["ackId"]).collect();
        if !ids.is_empty() {
            lost += ids.len();
            scenario.call("POST", &format!("{SUBSCRIPTION}:acknowledge"), &json!({ "ackIds": ids }));
        }
        (lost == 2).then_some(())
    });
    owner.settle(SUBSCRIPTION);
    let code = run.wait().expect("it ends").code();
    let said = scenario.started_log();
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("a worker says: ") && said.contains("pubsub.topics.publish"), "{said}");
}

#[test]
fn workers_with_an_account_need_the_right_to_act_as_it() {
    let scenario = impatient("9s");
    scenario.edit("[job.fx]", "[service_account.worker]\n\n[job.fx]\nservice_account = \"worker\"");
    assert_eq!(scenario.json(0, &RUN)["done"], 2);
    let as_account = used(&scenario, "serviceAccount:fx-worker@");
    assert_eq!(as_account.len(), 2, "{as_account:?}");
    let identity = used(&scenario, "serviceAccount:local-cloud.svc.id.goog[fx/fx]");
    assert_eq!(identity[0].0, "roles/iam.workloadIdentityUser", "{identity:?}");

    Owner(&scenario).take("roles/iam.workloadIdentityUser", ACCOUNT);
    fails_for(&scenario, "iam.serviceAccounts.getAccessToken");
}

#[test]
fn nodes_need_the_right_to_pull_the_workers_image_and_use_the_role_of_nodes() {
    let scenario = impatient("9s");
    let image = format!("europe-docker.pkg.dev/local-cloud/images/worker@sha256:{}", "0".repeat(64));
    scenario.edit("[job.fx]", &format!("[job.fx]\nimage = \"{image}\""));
    assert_eq!(scenario.json(0, &RUN)["done"], 2);
    let nodes = used(&scenario, "serviceAccount:fx-main-nodes@");
    let roles: Vec<&str> = nodes.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["roles/artifactregistry.reader", "roles/container.defaultNodeServiceAccount"]);

    Owner(&scenario).take("roles/artifactregistry.reader", PROJECT);
    fails_for(&scenario, "artifactregistry.repositories.downloadArtifacts");
}
