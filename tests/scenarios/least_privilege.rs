//! Who may little: the roles that `provision permissions` prints are enough for each command, a
//! viewer can plan, and what stands in the way is told before anything is changed.

use localcloud::calls::{Fault, Point, What};
use scenarios::{Cloud, Scenario, until};
use serde_json::{Value, json};

const PROJECT: &str = "/v3/projects/local-cloud";
const ACCOUNTS: &str = "/v1/projects/local-cloud/serviceAccounts";

/// The example on a local cloud that is up.
fn example() -> Scenario {
    let scenario = Scenario::fx_on_a_fast_cloud();
    scenario.write("two.txt", "USD\nGBP\n");
    scenario.expect(0, &["local", "up"]);
    scenario
}

/// A new account that is no stack's.
fn account(scenario: &Scenario, name: &str) -> String {
    let made = scenario.call("POST", ACCOUNTS, &json!({ "accountId": name }));
    made["email"].as_str().expect("an e-mail").to_owned()
}

/// Grants roles on the project.
fn give(scenario: &Scenario, email: &str, roles: &[String]) {
    let mut policy = scenario.call("POST", &format!("{PROJECT}:getIamPolicy"), &json!({}));
    let mut bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
    let member = format!("serviceAccount:{email}");
    bindings.extend(roles.iter().map(|role| json!({ "role": role, "members": [member] })));
    policy["bindings"] = bindings.into();
    scenario.call("POST", &format!("{PROJECT}:setIamPolicy"), &json!({ "policy": policy }));
}

/// An account with exactly the roles that a command is said to need.
fn least(scenario: &Scenario, doing: &str) -> String {
    let told = scenario.json(0, &["permissions", doing]);
    let roles = told["roles"].as_array().expect("roles").iter();
    let roles: Vec<String> = roles.map(|role| role["role"].as_str().expect("a name").to_owned()).collect();
    assert!(
        !roles.is_empty()
            && roles.iter().all(|role| !["roles/owner", "roles/editor"].contains(&role.as_str()))
    );
    let email = account(scenario, &format!("least-{doing}"));
    give(scenario, &email, &roles);
    email
}

fn findings(plan: &Value) -> Vec<&str> {
    let all = plan["preflight"].as_array().expect("findings").iter();
    all.map(|finding| finding["what"].as_str().expect("text")).collect()
}

#[test]
fn each_command_is_content_with_exactly_the_roles_that_it_prints() {
    let scenario = example();
    let [planner, applier, runner, renamer, ender] =
        ["plan", "apply", "run", "rename", "teardown"].map(|doing| least(&scenario, doing));
    let by = |email: &str, args: &[&str]| {
        scenario.provision(&[args, &["--local", "--impersonate", email]].concat())
    };
    let done = |email: &str, args: &[&str]| {
        let said = by(email, args);
        assert_eq!(said.code, Some(0), "{args:?}\n{}\n{}", said.stdout, said.stderr);
        said
    };

    let plan: Value =
        serde_json::from_str(&done(&planner, &["plan", "--format", "json"]).stdout).expect("JSON");
    assert_eq!(plan["summary"]["create"], 51, "{plan:#}");
    // It sees everything, and may do nothing: that is told at once, and apply does not begin.
    let told = findings(&plan);
    assert!(told.len() <= 2 && told[0].contains("pubsub.topics.create"), "{told:#?}");
    let refused = by(&planner, &["apply", "--yes"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("nothing was changed") && refused.stderr.contains("roles/pubsub.admin"),
        "{}",
        refused.stderr
    );

    assert_eq!(by(&planner, &["check", "--live"]).code, Some(1));
    assert_eq!(by(&applier, &["check", "--live"]).code, Some(0));

    done(&applier, &["apply", "--yes"]);
    let plan: Value =
        serde_json::from_str(&done(&planner, &["plan", "--format", "json"]).stdout).expect("JSON");
    assert_eq!((&plan["changes"], &plan["preflight"]), (&json!([]), &json!([])), "{plan:#}");
    done(&runner, &["run", "--yes", "--items", "two.txt"]);
    done(&renamer, &["rename", "fx", "rates", "--yes"]);
    done(&ender, &["teardown", "--yes", "--delete-data"]);
}

#[test]
fn a_viewer_sees_a_plan_and_what_of_it_is_unknown() {
    let scenario = example();
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let viewer = account(&scenario, "only-looks");
    give(&scenario, &viewer, &["roles/viewer".to_owned()]);
    let plan = scenario.json(0, &["plan", "--local", "--impersonate", &viewer]);
    assert_eq!(plan["changes"], json!([]), "{plan:#}");
    let told = findings(&plan);
    assert!(told.iter().any(|what| what.starts_with("grant.") && what.contains("unknown")), "{told:#?}");
    assert!(
        told.iter().any(|what| what.starts_with("bucket_file.") && what.contains("unknown")),
        "{told:#?}"
    );
    scenario.expect(1, &["apply", "--local", "--yes", "--impersonate", &viewer]);
    // What could not be seen is not taken to be gone.
    scenario.expect(1, &["teardown", "--local", "--yes", "--impersonate", &viewer]);
}

#[test]
fn an_api_that_is_disabled_is_enabled_first_and_stays_when_the_stack_goes() {
    let scenario = Scenario::with("[stack]\nname = \"fx\"\nregion = \"europe-west1\"\n[topic.items]\n");
    scenario.expect(0, &["local", "up"]);
    let pubsub = "/v1/projects/local-cloud/services/pubsub.googleapis.com";
    scenario.call("POST", &format!("{pubsub}:disable"), &json!({}));
    let state = || scenario.call("GET", pubsub, &json!({}))["state"].as_str().expect("a state").to_owned();
    until("the API is disabled", || (state() == "DISABLED").then_some(()));
    let plan = scenario.json(0, &["plan", "--local"]);
    let told: Vec<_> = plan["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|c| json!([c["address"], c["reason"], c["after"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["api.pubsub", "implied by topic.items", []]),
            json!(["topic.items", "in the file", ["api.pubsub"]]),
        ]
    );
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    scenario.expect(0, &["teardown", "--local", "--yes"]);
    assert_eq!(state(), "ENABLED");
}

#[test]
fn an_account_that_was_deleted_is_restored_with_the_grants_that_are_left() {
    let stack = "[stack]\nname = \"fx\"\nregion = \"europe-west1\"\n[service_account.worker]\n\
                 [grant.look]\nmember = \"service_account.worker\"\nrole = \"roles/browser\"\non = \"project\"\n";
    let scenario = Scenario::with(stack);
    scenario.expect(0, &["local", "up"]);
    let email = account(&scenario, "fx-worker");
    let path = format!("{ACCOUNTS}/{email}");
    let unique_id = |account: &Value| account["uniqueId"].as_str().expect("an id").to_owned();
    let before = unique_id(&scenario.call("GET", &path, &json!({})));
    give(&scenario, &email, &["roles/browser".to_owned()]);
    scenario.call("DELETE", &path, &json!({}));
    let plan = scenario.json(0, &["plan", "--local"]);
    assert!(findings(&plan)[0].contains("was deleted"), "{plan:#}");
    // That it is restored is not heard the first time.
    let cloud = Cloud::of(&scenario);
    let cut = cloud.fault(&Fault::next(1, Point::after("iam.serviceAccounts.undelete"), What::Drop));
    scenario.expect(0, &["apply", "--local", "--yes"]);
    assert_eq!(cloud.strikes(cut), 1);
    assert_eq!(unique_id(&scenario.call("GET", &path, &json!({}))), before);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}
