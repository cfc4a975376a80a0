//! `provision` is killed where a fault says, and an apply afterwards goes on from there.

use scenarios::Scenario;
use serde_json::Value;

/// Where apply is killed, one after the other: each waits for what the one before it makes.
const POINTS: [(&str, &str, &str); 4] = [
    ("iam.serviceAccounts.create", "", "before"),
    ("container.clusters.create", "*/clusters/fx-main", "after"),
    ("kubernetes.namespaces.patch", "clusters/fx-main/*", "before"),
    ("kubernetes.cronjobs.patch", "clusters/fx-main/*", "after"),
];

/// Moment, method and resource of the points that were passed.
fn points(scenario: &Scenario) -> Vec<String> {
    let points = scenario.json(0, &["local", "calls", "--points"]);
    let text = |point: &Value, key: &str| point[key].as_str().expect("a text").to_owned();
    let told = |point: &Value| ["moment", "method", "resource"].map(|key| text(point, key)).join(" ");
    points.as_array().expect("points").iter().map(told).collect()
}

#[test]
fn an_apply_that_is_killed_at_a_named_point_is_simply_run_again() {
    let scenario = Scenario::fx();
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
    let passed = points(&scenario);
    for (method, _, moment) in POINTS {
        let point = format!("{moment} {method} ");
        assert!(passed.iter().any(|passed| passed.starts_with(&point)), "{point}: {passed:#?}");
    }
}

fn id_of(printed: &str) -> u64 {
    printed.trim().parse().expect("a number")
}

#[test]
fn errors_that_pass_do_not_stop_an_apply() {
    let scenario = Scenario::fx();
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
