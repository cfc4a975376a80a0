//! Whether the file or the cloud was changed, of what has no labels: objects of a cluster, files of a
//! bucket.

#![allow(clippy::print_stderr)] // what is skipped is said

use scenarios::Scenario;
use serde_json::json;

const STACK: &str = "[stack]
name = 'demo'
region = 'europe-west1'

[topic.items]

[subscription.work]
topic = 'items'

[bucket.data]
files = { 'in/' = 'in' }

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

/// The line of the plan about an address.
fn line(scenario: &Scenario, address: &str) -> String {
    let plan = scenario.expect(0, &["plan", "--local"]);
    let found = plan.lines().find(|line| line.contains(address));
    found.unwrap_or_else(|| panic!("no {address} in\n{plan}")).trim().to_owned()
}

#[test]
fn cluster_objects_and_bucket_files_tell_drift_from_edits() {
    let scenario = Scenario::with(STACK);
    scenario.write("in/a.txt", "one");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);

    // Somebody else writes the object; nobody's marks are on it then.
    let upload = "/upload/storage/v1/b/local-cloud-demo-data/o?uploadType=media&name=in/a.txt";
    scenario.call("POST", upload, &json!("theirs"));
    assert!(line(&scenario, "bucket_file.data/in/a.txt").contains("changed outside: crc32c "), "by others");
    scenario.expect(2, &["plan", "--local", "--drift-only", "--detailed-exitcode"]);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.write("in/a.txt", "two");
    assert!(line(&scenario, "bucket_file.data/in/a.txt").contains("changed in the file"), "by the file");
    scenario.expect(0, &["plan", "--local", "--drift-only", "--detailed-exitcode"]);
    scenario.expect(0, &["apply", "--local", "--yes"]);

    // The job.
    scenario.edit("argv = ['true']", "argv = ['false']");
    assert!(line(&scenario, "~ job.one").contains("changed in the file"), "by the file");
    scenario.expect(0, &["plan", "--local", "--drift-only", "--detailed-exitcode"]);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    if std::process::Command::new("kubectl").arg("version").arg("--client").output().is_err() {
        eprintln!("SKIPPED: drift of a job (kubectl is not on this machine)");
        return;
    }
    let mut kubectl = std::process::Command::new("kubectl");
    kubectl.env("KUBECONFIG", scenario.path(".provision/local/kubeconfig"));
    let patch = json!({ "spec": { "suspend": false } }).to_string();
    kubectl.args(["patch", "cronjob", "one", "--namespace=demo", "--type=merge", "--patch", &patch]);
    let said = scenarios::said(kubectl);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let told = line(&scenario, "~ job.one");
    assert!(told.contains("changed outside: manifest.spec.suspend false, should be true"), "{told}");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}
