//! Clusters that several people use: what a stack left there is found, and what is not its own stays.

#![allow(clippy::print_stderr)] // what is skipped is said

use localcloud::calls::{Fault, Point, What};
use scenarios::{Cloud, Scenario, until};
use serde_json::{Value, json};

/// Whose cluster it is.
const PLANT: &str = "[stack]
name = 'plant'
region = 'europe-west1'
zone = 'europe-west1-b'

[cluster.main]
[cluster.main.pool.steady]
machine_type = 'e2-medium'
nodes = 1
";

/// A stack with a job in somebody else's cluster.
fn guest(name: &str) -> String {
    format!(
        "[stack]
name = '{name}'
region = 'europe-west1'
zone = 'europe-west1-b'

[topic.items]

[subscription.work]
topic = 'items'

[bucket.data]

[cluster.shared]
name = 'plant-main'
existing = true
[cluster.shared.pool.steady]
machine_type = 'e2-medium'
nodes = 1

[job.one]
subscription = 'work'
bucket = 'data'
pool = 'shared/steady'
[job.one.command]
argv = ['true']
"
    )
}

fn scenario() -> Scenario {
    let scenario = Scenario::with(PLANT);
    scenario.write("guest.toml", guest("guest"));
    scenario.write("lodger.toml", guest("lodger"));
    for file in ["stack.toml", "guest.toml", "lodger.toml"] {
        scenario.expect(0, &["apply", "--local", "--yes", "--file", file]);
    }
    scenario
}

/// The objects of a type, by namespace and name.
fn objects(scenario: &Scenario, plural: &str) -> Vec<String> {
    let listed = kubectl(scenario, &["get", plural, "--all-namespaces", "--output=json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let named = |object: &Value| {
        let metadata = &object["metadata"];
        format!(
            "{}/{}",
            metadata["namespace"].as_str().unwrap_or("-"),
            metadata["name"].as_str().unwrap_or("-")
        )
    };
    listed["items"].as_array().expect("items").iter().map(named).collect()
}

fn kubectl(scenario: &Scenario, args: &[&str]) -> String {
    let mut command = std::process::Command::new("kubectl");
    command.args(args).env("KUBECONFIG", scenario.path(".provision/local/kubeconfig"));
    let said = scenarios::said(command);
    assert_eq!(said.code, Some(0), "kubectl {args:?}: {}", said.stderr);
    said.stdout
}

fn has_kubectl() -> bool {
    let found = std::process::Command::new("kubectl").args(["version", "--client"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: shared clusters (kubectl is not on this machine)");
    }
    found
}

#[test]
fn what_is_left_in_somebody_elses_cluster_is_found_by_its_labels_and_goes() {
    if !has_kubectl() {
        return;
    }
    let scenario = scenario();
    assert_eq!(objects(&scenario, "cronjobs"), ["guest/one", "lodger/one"]);
    for file in ["stack.toml", "guest.toml", "lodger.toml"] {
        scenario.expect(0, &["plan", "--local", "--detailed-exitcode", "--file", file]);
    }

    // The job leaves the file, and then the cluster's table, too: nothing in the file leads there any more.
    let whole = guest("guest");
    let (without, _) = whole.split_once("[cluster.shared]").expect("a cluster");
    scenario.write("guest.toml", without);
    let plan = scenario.json(2, &["plan", "--local", "--detailed-exitcode", "--file", "guest.toml"]);
    let told: Vec<String> = plan["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .filter(|change| change["action"] == "delete")
        .filter_map(|change| change["address"].as_str().map(str::to_owned))
        .filter(|address| !address.starts_with("grant."))
        .collect();
    assert_eq!(
        told,
        ["job.one", "kubernetes_service_account.plant-main/one", "namespace.plant-main/guest"],
        "{plan:#}"
    );
    scenario.expect(0, &["apply", "--local", "--yes", "--file", "guest.toml"]);
    assert_eq!(objects(&scenario, "cronjobs"), ["lodger/one"]);
    assert!(!objects(&scenario, "namespaces").contains(&"-/guest".to_owned()));

    // Without its file, too.
    scenario.expect(0, &["teardown", "--local", "--yes", "--stack", "lodger"]);
    assert_eq!(objects(&scenario, "cronjobs"), [""; 0]);
    assert!(!objects(&scenario, "namespaces").contains(&"-/lodger".to_owned()));
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn a_namespace_in_which_others_live_stays_and_is_named() {
    if !has_kubectl() {
        return;
    }
    let scenario = scenario();
    kubectl(&scenario, &["create", "configmap", "theirs", "--namespace=guest", "--from-literal=a=b"]);
    let teardown = ["teardown", "--local", "--yes", "--file", "guest.toml"];
    let said = scenario.provision(&teardown);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    let by_hand = "kubectl --context=gke_local-cloud_europe-west1-b_plant-main --namespace=guest delete namespaces/guest";
    for words in
        ["namespace.plant-main/guest stays: it holds what is not the stack's (configmaps/theirs)", by_hand]
    {
        assert!(said.stdout.contains(words), "no `{words}` in\n{}", said.stdout);
    }
    assert!(
        said.stderr.contains("nothing of the stack guest remains but namespace.plant-main/guest"),
        "{}",
        said.stderr
    );
    assert_eq!(objects(&scenario, "cronjobs"), ["lodger/one"]);
    assert!(objects(&scenario, "configmaps").contains(&"guest/theirs".to_owned()));

    // The owner of the cluster is told whose things go with it, and nothing of it is in the way.
    let said = scenario.provision(&["teardown", "--local"]);
    assert_eq!(said.code, Some(1), "nobody to ask: {}", said.stderr);
    assert!(said.stdout.contains("cluster.main is deleted, and others use it: "), "{}", said.stdout);
    assert!(said.stdout.contains("guest/configmaps/theirs"), "{}", said.stdout);

    kubectl(&scenario, &["delete", "configmap", "theirs", "--namespace=guest"]);
    let said = scenario.provision(&teardown);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    assert!(!objects(&scenario, "namespaces").contains(&"-/guest".to_owned()));
}

#[test]
fn a_cluster_is_not_taken_from_under_the_workers_of_another_stack() {
    if !has_kubectl() {
        return;
    }
    let scenario = scenario();
    scenario.write("guest.toml", guest("guest").replace("argv = ['true']", "argv = ['sleep', '600']"));
    let mut run = scenario.start(&["run", "--local", "--yes", "--file", "guest.toml", "--", "x"]);
    until("its worker is running", || {
        let pods = ["get", "pods", "--namespace=guest", "--output=jsonpath={.items[*].status.phase}"];
        kubectl(&scenario, &pods).contains("Running").then_some(())
    });
    let said = scenario.provision(&["teardown", "--local", "--yes"]);
    assert_eq!(said.code, Some(5), "{}", said.stderr);
    let words = "cluster.main would be taken from under 1 running worker of the stack guest: wait for its runs, or add --interrupt-runs";
    assert!(said.stderr.contains(words), "{}", said.stderr);
    run.kill().expect("killed");
    run.wait().expect("gone");
}

#[test]
fn a_control_plane_that_does_not_answer_keeps_no_cluster_from_being_deleted() {
    let scenario = Scenario::with(&guest("alone").replace("name = 'plant-main'\nexisting = true\n", ""));
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let cloud = Cloud::of(&scenario);
    let _ = cloud.fault(&Fault::always(Point::before("kubernetes.*"), What::Drop));
    let said = scenario.provision(&["teardown", "--local", "--yes"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    let status = scenario.json(0, &["local", "status"]);
    assert_eq!(status["status"]["clusters"], json!([]), "{status:#}");
}
