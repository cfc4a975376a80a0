//! How a plan is carried out: targets, parallelism, timeouts, events for programs, Ctrl-C.

use std::time::{Duration, Instant};

use localcloud::calls::{Fault, Point, What, When};
use scenarios::{Cloud, Scenario, interrupt, until};
use serde_json::{Value, json};

use crate::pools::{CLUSTER, POOL};

const TOPICS: &str = "[stack]
name = 'demo'
region = 'europe-west1'

[topic.a]

[subscription.s]
topic = 'a'

[topic.b]

[topic.c]
";

/// What programs are told of an apply in which one topic may not be made, and another only at the
/// second try.
const TOLD: &str = r#"{"command":"apply","provision":"0.1.0","type":"plan","version":1}
{"action":"create","address":"grant.s-dead-publisher","seconds":"…","type":"finished"}
{"action":"create","address":"grant.s-dead-publisher","type":"started"}
{"action":"create","address":"grant.s-dead-subscriber","after":"subscription.s","type":"skipped"}
{"action":"create","address":"subscription.s","after":"topic.a","type":"skipped"}
{"action":"create","address":"subscription.s-dead","seconds":"…","type":"finished"}
{"action":"create","address":"subscription.s-dead","type":"started"}
{"action":"create","address":"topic.a","error":{"hint":"`provision permissions apply` prints the roles that the caller needs","message":"The caller does not have permission (PERMISSION_DENIED)"},"seconds":"…","type":"failed"}
{"action":"create","address":"topic.a","type":"started"}
{"action":"create","address":"topic.b","error":{"message":"Resource has been exhausted (e.g. check quota) (RESOURCE_EXHAUSTED)"},"seconds":"…","type":"retrying","wait_seconds":"…"}
{"action":"create","address":"topic.b","seconds":"…","type":"finished"}
{"action":"create","address":"topic.b","type":"started"}
{"action":"create","address":"topic.c","seconds":"…","type":"finished"}
{"action":"create","address":"topic.c","type":"started"}
{"action":"create","address":"topic.s-dead","seconds":"…","type":"finished"}
{"action":"create","address":"topic.s-dead","type":"started"}
{"done":5,"exit":1,"failed":1,"left":0,"out_of_date":0,"seconds":"…","skipped":2,"type":"summary"}"#;

fn addresses(plan: &Value) -> Vec<&str> {
    plan["changes"].as_array().expect("changes").iter().filter_map(|c| c["address"].as_str()).collect()
}

/// The events as whole lines, in an order that does not depend on which answer came first, and
/// without what differs from run to run.
fn told(events: &[Value]) -> String {
    let plain = |event: &Value| {
        let mut event = event.clone();
        let fields = event.as_object_mut().expect("an object");
        fields.remove("plan");
        assert!(fields.remove("time").is_some_and(|time| time.as_str().is_some_and(|t| t.ends_with('Z'))));
        for name in ["seconds", "wait_seconds"] {
            fields.entry(name).and_modify(|time| {
                assert!(time.is_f64(), "{time}");
                *time = "…".into();
            });
        }
        event.to_string()
    };
    let (first, rest) = events.split_first().expect("a plan");
    let (last, between) = rest.split_last().expect("a summary");
    let mut between: Vec<String> = between.iter().map(plain).collect();
    between.sort();
    std::iter::once(plain(first)).chain(between).chain([plain(last)]).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_target_is_done_with_what_it_needs_and_the_rest_is_said_to_be_left_out() {
    let scenario = Scenario::with(TOPICS);
    let target = ["--target", "subscription.s"];
    let text = scenario.expect(0, &[&["plan", "--local"], &target[..]].concat());
    assert!(
        text.ends_with(
            "3 to create, 0 to update, 0 to replace, 0 to delete\n3 changes left out by --target\n"
        ) || text.contains("left out by --target"),
        "{text}"
    );
    let plan = scenario.json(0, &[&["plan", "--local"], &target[..]].concat());
    let chosen = addresses(&plan);
    assert!(chosen.contains(&"topic.a") && chosen.contains(&"subscription.s"), "{chosen:?}");
    assert!(!chosen.contains(&"topic.b") && !chosen.contains(&"topic.c"), "{chosen:?}");
    assert_eq!(plan["targets"], json!(["subscription.s"]));

    // A saved plan keeps its target.
    scenario.expect(0, &["plan", "--local", "--target", "topic.b", "--out", "b.json"]);
    let text = scenario.expect(0, &["apply", "--local", "b.json"]);
    assert!(text.contains("left out by --target"), "{text}");
    let topics = scenario.call("GET", "/v1/projects/local-cloud/topics", &json!({}));
    assert_eq!(topics["topics"].as_array().map(Vec::len), Some(1), "{topics:#}");
    scenario.expect(0, &[&["apply", "--local", "--yes"], &target[..]].concat());
    let rest = scenario.json(2, &["plan", "--local", "--detailed-exitcode"]);
    assert!(addresses(&rest).contains(&"topic.c") && !addresses(&rest).contains(&"topic.a"), "{rest:#}");
    let none = scenario.expect(0, &[&["plan", "--local", "--detailed-exitcode"], &target[..]].concat());
    assert!(none.contains("no changes of what was asked for"), "{none}");

    let wrong = scenario.provision(&["apply", "--local", "--yes", "--target", "topic.aa"]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("--target topic.aa: it is neither in the file nor something that the stack owns; did you mean topic.a?"), "{}", wrong.stderr);

    // What needs the target ends with it, and nothing else.
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let said = scenario.provision(&["teardown", "--local", "--yes", "--target", "topic.a"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("nothing of topic.a remains"), "{}", said.stderr);
    let topics = scenario.call("GET", "/v1/projects/local-cloud/topics", &json!({}));
    let names: Vec<&str> =
        topics["topics"].as_array().expect("topics").iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(
        names.iter().any(|name| name.ends_with("/demo-b"))
            && !names.iter().any(|name| name.ends_with("/demo-a")),
        "{names:?}"
    );
    let plan = scenario.json(0, &["plan", "--local"]);
    assert!(addresses(&plan).contains(&"subscription.s"), "{plan:#}");
    scenario.expect(0, &["teardown", "--local", "--yes"]);
}

/// Holds the creation of topics that match a pattern.
fn hold_topics(cloud: &Cloud, pattern: &str) -> u64 {
    let point = Point { method: "pubsub.topics.create".into(), resource: pattern.into(), ..Point::default() };
    cloud.fault(&Fault { point, when: When::Always, what: What::Stall })
}

#[test]
fn as_many_changes_are_made_at_once_as_asked_for() {
    let topics = ["t0", "t1", "t2", "t3", "t4", "t5"].map(|key| format!("[topic.{key}]")).join("\n");
    let scenario = Scenario::with(&format!("[stack]\nname = 'demo'\nregion = 'europe-west1'\n{topics}\n"));
    scenario.expect(0, &["local", "up"]);
    let cloud = Cloud::of(&scenario);
    for (args, at_once) in [(&["--parallelism", "2"][..], 2), (&[], 6)] {
        let held = hold_topics(&cloud, "");
        let mut apply = scenario.start(&[&["apply", "--local", "--yes"], args].concat());
        until("they are under way", || (cloud.strikes(held) >= at_once).then_some(()));
        assert_eq!(scenario.json(0, &["local", "status"])["status"]["clusters"], json!([]));
        assert_eq!(cloud.strikes(held), at_once, "{}", scenario.started_log());
        cloud.clear(Some(held));
        assert!(apply.wait().expect("it ends").success(), "{}", scenario.started_log());
        scenario.expect(0, &["teardown", "--local", "--yes", "--parallelism", "1"]);
    }
    for wrong in ["0", "65"] {
        scenario.expect(1, &["apply", "--local", "--yes", "--parallelism", wrong]);
    }
}

#[test]
fn a_timeout_of_the_file_ends_the_wait_and_the_next_apply_attaches() {
    let scenario = Scenario::with(CLUSTER);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let held = std::fs::read_to_string(scenario.path("stack.toml")).expect("the stack");
    let held = held.replace("[topic.a]\n", "[cluster.main]\ntimeout = '2s'\n");
    scenario.write("stack.toml", held + POOL);
    scenario.expect(0, &["local", "operations", "hold", "--type", "CREATE_NODE_POOL"]);
    let said = scenario.provision(&["apply", "--local", "--yes", "--format", "json"]);
    assert_eq!(said.code, Some(1), "{}\n{}", said.stdout, said.stderr);
    let words = "failed node_pool.main/more: not done within 2s; it waited for operation-";
    assert!(said.stderr.contains(words), "{}", said.stderr);
    assert!(
        said.stderr.contains("hint: what was begun goes on in the cloud: running apply again waits for it"),
        "{}",
        said.stderr
    );
    let failed = said.events().into_iter().find(|event| event["type"] == "failed").expect("a failure");
    assert_eq!(failed["address"], "node_pool.main/more");

    // It is still being made: a plan says so, and apply waits for it.
    let plan = scenario.json(2, &["plan", "--local", "--detailed-exitcode"]);
    assert_eq!(addresses(&plan), ["node_pool.main/more"], "{plan:#}");
    let being_made = json!([{ "path": "state", "before": "being_made", "after": "ready" }]);
    assert_eq!(plan["changes"][0]["fields"], being_made, "{plan:#}");
    scenario.edit("timeout = '2s'", "timeout = '1m'");
    let cloud = Cloud::of(&scenario);
    let mark = cloud.mark();
    let mut apply = scenario.start(&["apply", "--local", "--yes"]);
    until("it waits", || scenario.started_log().contains("the pool is PROVISIONING").then_some(()));
    scenario.expect(0, &["local", "operations", "release"]);
    assert!(apply.wait().expect("it ends").success(), "{}", scenario.started_log());
    assert!(cloud.calls(mark).iter().all(|call| call.method != "container.nodePools.create"));
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn programs_are_told_what_happens_one_object_a_line() {
    let scenario = Scenario::with(TOPICS);
    scenario.expect(0, &["local", "up"]);
    scenario.expect(
        0,
        &["local", "fault", "add", "pubsub.topics.create", "--resource", "*/demo-a", "--fail", "403"],
    );
    scenario.expect(
        0,
        &[
            "local",
            "fault",
            "add",
            "pubsub.topics.create",
            "--resource",
            "*/demo-b",
            "--fail",
            "429",
            "--next",
            "1",
        ],
    );
    let said = scenario.provision(&["apply", "--local", "--yes", "--format", "json"]);
    assert_eq!(said.code, Some(1), "{}\n{}", said.stdout, said.stderr);
    let all = said.events();
    assert_eq!((&all[0]["version"], &all[0]["plan"]["stack"]), (&json!(1), &json!("demo")));
    assert_eq!(told(&all), TOLD);

    scenario.expect(0, &["local", "fault", "clear"]);
    let said = scenario.provision(&["apply", "--local", "--yes", "--format", "json"]);
    let last = said.events().pop().expect("a summary");
    assert_eq!((said.code, &last["exit"], &last["failed"]), (Some(0), &json!(0), &json!(0)), "{last:#}");
    // What is refused is told as well: a plan, and how it ended.
    scenario.edit("[topic.a]", "[bucket.data]\n[topic.a]");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.call(
        "POST",
        "/upload/storage/v1/b/local-cloud-demo-data/o?uploadType=media&name=precious",
        &json!("x"),
    );
    let said = scenario.provision(&["teardown", "--local", "--yes", "--format", "json"]);
    let all = said.events();
    let kinds: Vec<&str> = all.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!((said.code, kinds), (Some(5), vec!["plan", "summary"]), "{}", said.stderr);
    assert_eq!((&all[0]["command"], &all[1]["exit"]), (&json!("teardown"), &json!(5)));
    let said = scenario.provision(&["teardown", "--local", "--yes", "--delete-data", "--format", "json"]);
    let last = said.events().pop().expect("a summary");
    assert_eq!((said.code, &last["type"], &last["exit"]), (Some(0), &json!("summary"), &json!(0)));
}

#[test]
fn ctrl_c_waits_a_while_leaves_and_the_next_apply_goes_on() {
    let scenario = Scenario::with(CLUSTER);
    scenario.expect(0, &["local", "up"]);
    scenario.expect(0, &["local", "operations", "hold", "--type", "CREATE_CLUSTER"]);
    let mut apply = scenario.start(&["apply", "--local", "--yes", "--grace", "1s"]);
    until("the cluster is being made", || {
        scenario.started_log().contains("cluster.main: operation-").then_some(())
    });
    let began = Instant::now();
    interrupt(&apply);
    assert_eq!(apply.wait().expect("it ends").code(), Some(130), "{}", scenario.started_log());
    assert!(began.elapsed() >= Duration::from_secs(1), "{}", scenario.started_log());
    for words in [
        "stopping: what is under way is waited for, 1s at most",
        "left under way: cluster.main, it waited for operation-",
        "running the same command again waits for it",
    ] {
        assert!(scenario.started_log().contains(words), "no `{words}` in\n{}", scenario.started_log());
    }

    // Twice leaves at once, and says the same.
    let mut apply = scenario.start(&["apply", "--local", "--yes", "--grace", "1h"]);
    until("it attaches", || scenario.started_log().contains("the cluster is PROVISIONING").then_some(()));
    interrupt(&apply);
    until("it heard", || scenario.started_log().contains("stopping").then_some(()));
    interrupt(&apply);
    assert_eq!(apply.wait().expect("it ends").code(), Some(130), "{}", scenario.started_log());
    assert!(scenario.started_log().contains("left under way: cluster.main"), "{}", scenario.started_log());

    let cloud = Cloud::of(&scenario);
    let mark = cloud.mark();
    let mut apply = scenario.start(&["apply", "--local", "--yes"]);
    until("it attaches", || scenario.started_log().contains("the cluster is PROVISIONING").then_some(()));
    scenario.expect(0, &["local", "operations", "release"]);
    assert!(apply.wait().expect("it ends").success(), "{}", scenario.started_log());
    assert!(cloud.calls(mark).iter().all(|call| call.method != "container.clusters.create"));
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn what_ends_in_time_is_finished_after_ctrl_c_and_nothing_new_begins() {
    let scenario = Scenario::with(TOPICS);
    scenario.expect(0, &["local", "up"]);
    let cloud = Cloud::of(&scenario);
    let stall = hold_topics(&cloud, "*/demo-a");
    let mut apply = scenario.start(&["apply", "--local", "--yes"]);
    until("the topic waits", || (cloud.strikes(stall) > 0).then_some(()));
    interrupt(&apply);
    until("it heard", || scenario.started_log().contains("stopping").then_some(()));
    cloud.clear(Some(stall));
    assert_eq!(apply.wait().expect("it ends").code(), Some(130), "{}", scenario.started_log());
    for words in ["created topic.a", "not begun: subscription.s", "stopped when asked"] {
        assert!(scenario.started_log().contains(words), "no `{words}` in\n{}", scenario.started_log());
    }
    assert!(!scenario.started_log().contains("left under way"), "{}", scenario.started_log());
}
