//! Plan, apply, resize, refuse, tear down: by exit code and JSON.

use scenarios::Scenario;
use serde_json::{Value, json};

fn addresses<'a>(plan: &'a Value, action: &str) -> Vec<&'a str> {
    let changes = plan["changes"].as_array().expect("changes").iter();
    changes
        .filter(|change| change["action"] == action)
        .filter_map(|change| change["address"].as_str())
        .collect()
}

#[test]
fn a_stack_comes_changes_and_goes() {
    let scenario = Scenario::fx();

    let plan = scenario.json(2, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(plan["format_version"], 1);
    assert_eq!(plan["summary"]["create"].as_u64(), Some(addresses(&plan, "create").len() as u64));
    assert!(addresses(&plan, "create").contains(&"node_pool.main/workers"), "{plan:#}");

    scenario.expect(0, &["apply", "--local", "--yes"]);
    let empty = scenario.json(0, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(empty["changes"], json!([]));

    // Resizing the pool is editing one number.
    scenario.edit("max_nodes = 10", "max_nodes = 12");
    let plan = scenario.json(2, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(plan["summary"], json!({"create": 0, "update": 1, "replace": 0, "delete": 0}));
    assert_eq!(plan["changes"][0]["address"], "node_pool.main/workers");
    assert_eq!(plan["changes"][0]["fields"], json!([{"path": "max_nodes", "before": 10, "after": 12}]));
    let text = scenario.expect(0, &["plan", "--local"]);
    assert_eq!(text.lines().filter(|line| line.trim_start().starts_with('~')).count(), 1, "{text}");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);

    // What holds data is not destroyed unasked, on any path.
    let refused = scenario.provision(&["teardown", "--local", "--yes"]);
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    assert!(refused.stderr.contains("bucket.data would be deleted with 32 objects"), "{}", refused.stderr);
    scenario.edit("[bucket.data]", "[bucket.data]\nlocation = \"US\"");
    let refused = scenario.provision(&["apply", "--local", "--yes"]);
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    let refused = scenario.provision(&["run", "--local", "--yes", "--items", "examples/fx/items.txt"]);
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    scenario.edit("[bucket.data]\nlocation = \"US\"", "[bucket.data]");

    scenario.expect(0, &["teardown", "--local", "--yes", "--delete-data"]);
    let left = scenario.json(0, &["local", "status"]);
    assert_eq!(scenario.objects("local-cloud-fx-data", ""), Vec::<String>::new());
    assert_eq!(left["status"]["clusters"], json!([]), "{left:#}");
    let plan = scenario.json(2, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(plan["summary"]["create"].as_u64(), plan["changes"].as_array().map(|all| all.len() as u64));
}

#[test]
fn what_leaves_the_file_leaves_the_cloud_and_what_cannot_change_is_replaced() {
    let scenario = Scenario::with(
        "[stack]\nname = 'demo'\nregion = 'europe-west1'\n\n[topic.a]\n\n[topic.b]\n\n[subscription.s]\ntopic = 'a'\n",
    );
    scenario.expect(0, &["apply", "--local", "--yes"]);

    scenario.edit("[topic.b]\n", "");
    let plan = scenario.json(2, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(addresses(&plan, "delete"), ["topic.b"]);
    assert_eq!(plan["changes"].as_array().map(Vec::len), Some(1), "{plan:#}");
    scenario.expect(0, &["apply", "--local", "--yes"]);

    scenario.edit("topic = 'a'", "topic = 'a'\nfilter = 'attributes:x'");
    let plan = scenario.json(2, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(addresses(&plan, "replace"), ["subscription.s"]);
    // The grant lies on the subscription and goes with it.
    assert_eq!(addresses(&plan, "create"), ["grant.s-dead-subscriber"]);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
    scenario.expect(0, &["teardown", "--local", "--yes"]);
}

#[test]
fn what_is_removed_from_a_table_is_removed_from_the_cloud() {
    let scenario = Scenario::with(
        "[stack]\nname = 'demo'\nregion = 'europe-west1'\n\n[topic.a]\nretention = '1d'\nlabels = { team = 'x', zone = 'y' }\n",
    );
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.edit("retention = '1d'\nlabels = { team = 'x', zone = 'y' }\n", "labels = { team = 'x' }\n");
    let plan = scenario.json(2, &["plan", "--local", "--detailed-exitcode"]);
    let fields = json!([
        {"path": "labels.zone", "before": "y", "after": null},
        {"path": "retention", "before": "1d", "after": null},
    ]);
    assert_eq!(plan["changes"][0]["fields"], fields, "{plan:#}");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn what_is_protected_stays_and_only_what_is_there_can_be() {
    let scenario = Scenario::with(
        "[stack]\nname = 'demo'\nregion = 'europe-west1'\nprotect = ['topic.a']\n\n[topic.a]\n",
    );
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let refused = scenario.provision(&["teardown", "--local", "--yes"]);
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    scenario.edit("topic.a'", "topic.b'");
    let wrong = scenario.provision(&["teardown", "--local", "--yes"]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("did you mean \"topic.a\"?"), "{}", wrong.stderr);
}

#[test]
fn the_open_port_gives_nobody_the_key_of_a_cluster() {
    let scenario = Scenario::fx();
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let status = scenario.json(0, &["local", "status"]);
    let authority = status["url"].as_str().and_then(|url| url.strip_prefix("http://")).expect("a url");
    let clusters = get(authority, "/v1/projects/local-cloud/locations/-/clusters");
    assert!(clusters.contains("clusterCaCertificate"), "{clusters}");
    assert!(!clusters.contains("clientKey"), "{clusters}");
}

/// What anybody on this machine is answered.
fn get(authority: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(authority).expect("the port is open");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn what_somebody_else_made_is_never_taken_over() {
    let ours = "[stack]\nname = 'demo'\nregion = 'europe-west1'\n[topic.a]\n";
    let scenario = Scenario::with(ours);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.write(
        "stack.toml",
        "[stack]\nname = 'other'\nregion = 'europe-west1'\n[topic.a]\nname = 'demo-a'\n",
    );
    let refused = scenario.provision(&["plan", "--local"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("belongs to the stack `demo`"), "{}", refused.stderr);
    // The other stack's teardown leaves it alone.
    scenario.expect(0, &["teardown", "--local", "--yes"]);
    scenario.write("stack.toml", ours);
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn nobody_is_asked_where_nobody_is_and_nothing_changes() {
    let scenario = Scenario::with("[stack]\nname = 'demo'\nregion = 'europe-west1'\n[topic.a]\n");
    let said = scenario.provision(&["apply", "--local"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("add --yes"), "{}", said.stderr);
    scenario.expect(2, &["plan", "--local", "--detailed-exitcode"]);
}
