//! `provision` is killed where a fault says, and an apply afterwards goes on from there.

use scenarios::Scenario;
use serde_json::Value;

/// Where apply is killed, one after the other: method, resource, moment.
const POINTS: [(&str, &str, &str); 4] = [
    ("pubsub.subscriptions.create", "*/subscriptions/fx-work", "before"),
    ("storage.buckets.insert", "", "after"),
    ("container.clusters.create", "*/clusters/fx-main", "after"),
    ("kubernetes.*.patch", "clusters/fx-main/*", "before"),
];

/// Method, moment and resource of the points that were passed.
fn points(scenario: &Scenario, since: u64) -> Vec<String> {
    let since = since.to_string();
    let points = scenario.json(0, &["local", "calls", "--points", "--since", &since]);
    let told = |point: &Value| format!("{} {} {}", point["moment"], point["method"], point["resource"]);
    points.as_array().expect("points").iter().map(told).collect()
}

#[test]
fn an_apply_that_is_killed_at_a_named_point_is_simply_run_again() {
    let scenario = Scenario::fx();
    scenario.expect(0, &["local", "up"]);
    for (method, resource, moment) in POINTS {
        let add = ["local", "fault", "add", method, "--resource", resource, "--kill", moment];
        let id = scenario.expect(0, &[&add[..], &["--caller", "provision", "--next", "1"]].concat());
        let said = scenario.provision(&["apply", "--local", "--yes"]);
        assert_eq!(said.code, None, "it was not killed at {method}\n{}{}", said.stdout, said.stderr);

        let calls = scenario.json(0, &["local", "calls", "--method", method]);
        let killed: Vec<&Value> =
            calls.as_array().expect("calls").iter().filter(|call| call["fate"] == "killed").collect();
        let [.., last] = killed.as_slice() else { panic!("no call of {method} was killed: {calls:#}") };
        assert_eq!(
            (&last["program"], &last["faults"]),
            (&"provision".into(), &serde_json::json!([id_of(&id)]))
        );
        assert_eq!(last["status"].is_null(), moment == "before", "{last:#}");
    }
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    let list = scenario.expect(0, &["local", "fault", "list"]);
    assert_eq!(list.matches("1 were struck").count(), POINTS.len(), "{list}");
    assert!(points(&scenario, 0).iter().any(|point| point.contains("container.operations.get")));
}

fn id_of(printed: &str) -> u64 {
    printed.trim().parse().expect("a number")
}

#[test]
fn errors_that_pass_do_not_stop_an_apply() {
    let scenario = Scenario::fx();
    scenario.expect(0, &["local", "up"]);
    for fault in [
        ["container.clusters.create", "gke-quota"],
        ["cloudresourcemanager.projects.setIamPolicy", "iam-does-not-exist"],
        ["pubsub.topics.create", "pubsub-retry"],
        ["iam.serviceAccounts.create", "quota-per-minute"],
        ["kubernetes.*.patch", "503"],
    ] {
        let [method, error] = fault;
        scenario.expect(0, &["local", "fault", "add", method, "--fail", error, "--next", "1"]);
    }
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let list = scenario.json(0, &["local", "fault", "list"]);
    assert!(list.as_array().expect("faults").iter().all(|fault| fault["struck"] == 1), "{list:#}");
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}
