//! Stacks whose file is not at hand: found, and taken down, by their labels alone.

use std::time::Duration;

use localcloud::calls::{Failure, Fault, Point, What, When};
use scenarios::{Cloud, Scenario, interrupt, until};
use serde_json::{Value, json};

const TWO: &str = "[stack]\nname = 'two'\nregion = 'europe-west1'\n\n[topic.b]\n[service_account.worker]\n";

fn scenario() -> Scenario {
    let scenario = Scenario::with(
        "[stack]\nname = 'one'\nregion = 'europe-west1'\nexpires = '1s'\nprotect = ['topic.a']\n\n[topic.a]\n\n[bucket.data]\n",
    );
    scenario.write("two.toml", TWO);
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["apply", "--local", "--yes", "--file", "two.toml"]);
    scenario
}

#[test]
fn a_stack_without_its_file_is_listed_and_taken_down_by_its_labels() {
    let scenario = scenario();
    let stacks = scenario.json(0, &["stacks", "--local"]);
    assert_eq!(stacks[0]["stack"], "one");
    assert_eq!(stacks[0]["resources"], json!({"bucket": 1, "topic": 1}));
    assert_eq!(stacks[1]["stack"], "two");
    assert_eq!(stacks[1]["resources"], json!({"service account": 1, "topic": 1}));

    std::fs::remove_file(scenario.path("two.toml")).expect("removed");
    scenario.expect(0, &["teardown", "--local", "--yes", "--stack", "two"]);
    let stacks = scenario.json(0, &["stacks", "--local"]);
    assert_eq!(stacks.as_array().map(Vec::len), Some(1), "{stacks:#}");
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn what_its_file_protected_is_refused_without_the_file_and_a_file_decides_for_itself() {
    let scenario = scenario();
    let refused = scenario.provision(&["teardown", "--local", "--yes", "--stack", "one"]);
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    assert!(refused.stderr.contains("its label provision-protect protects it"), "{}", refused.stderr);
    scenario.edit("protect = ['topic.a']\n\n[topic.a]\n", "");
    scenario.expect(0, &["apply", "--local", "--yes"]);
}

#[test]
fn the_nightly_job_takes_down_what_has_expired_and_nothing_else() {
    let scenario = scenario();
    scenario.edit("protect = ['topic.a']\n", "");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    // Its second may not be over yet.
    let stacks = until("the stack has expired", || {
        scenario.expect(0, &["teardown", "--local", "--yes", "--expired"]);
        let stacks = scenario.json(0, &["stacks", "--local"]);
        (stacks.as_array().map(Vec::len) == Some(1)).then_some(stacks)
    });
    assert_eq!(stacks[0]["stack"], "two", "{stacks:#}");
}

/// The lines of a nightly job, without what differs each time.
fn nightly(scenario: &Scenario, code: i32) -> Vec<Value> {
    let stdout = scenario.expect(code, &["teardown", "--local", "--yes", "--expired", "--format", "json"]);
    let lines = stdout.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for told in ["time", "seconds", "provision"] {
            line.as_object_mut().expect("an object").remove(told);
        }
        line
    });
    lines.collect()
}

#[test]
fn the_nightly_job_tells_programs_that_nothing_has_expired_or_that_nobody_knows() {
    let scenario =
        Scenario::with("[stack]\nname = 'one'\nregion = 'europe-west1'\nexpires = '1h'\n\n[bucket.data]\n");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let counts = |exit: u8| json!({ "type": "summary", "done": 0, "failed": 0, "out_of_date": 0, "left": 0, "skipped": 0, "exit": exit });
    let none = json!({ "type": "expired", "version": 1, "command": "teardown", "stacks": [] });
    assert_eq!(nightly(&scenario, 0), [none, counts(0)]);

    let denied = Fault::always(
        Point::before("pubsub.topics.list"),
        What::Fail(Failure::named("permission-denied").expect("one")),
    );
    let _ = Cloud::of(&scenario).fault(&denied);
    let lines = nightly(&scenario, 1);
    let message = lines[0]["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("PERMISSION_DENIED"), "{message}");
    let mut expected = counts(1);
    let hint = "`provision permissions apply` prints the roles that the caller needs";
    expected["error"] = json!({ "message": message, "hint": hint });
    assert_eq!(lines, [expected]);
}

#[test]
fn ctrl_c_between_two_stacks_of_the_nightly_job_ends_it_and_the_next_one_goes_on() {
    let stack = |name: &str| {
        format!(
            "[stack]\nname = '{name}'\nregion = 'europe-west1'\nexpires = '1s'\n\n[topic.a]\n[bucket.data]\n"
        )
    };
    let scenario = Scenario::with(&stack("one"));
    scenario.write("two.toml", stack("two"));
    scenario.expect(0, &["apply", "--local", "--yes"]);
    scenario.expect(0, &["apply", "--local", "--yes", "--file", "two.toml"]);
    until("both have expired", || {
        let stacks = scenario.json(0, &["stacks", "--local"]);
        let end = |stack: &Value| {
            let created: jiff::Timestamp = stack["created"].as_str()?.parse().ok()?;
            created.checked_add(Duration::from_secs(2)).ok()
        };
        let ends = stacks.as_array()?.iter().map(end).collect::<Option<Vec<_>>>()?;
        ends.into_iter().all(|end| end < jiff::Timestamp::now()).then_some(())
    });

    // It asks for its project to list the stacks, for the first one, and then for the second.
    let cloud = Cloud::of(&scenario);
    let point = Point::before("cloudresourcemanager.projects.get");
    let stall = cloud.fault(&Fault { point, when: When::Every(3), what: What::Stall });
    let mut nightly = scenario.start(&["teardown", "--local", "--yes", "--expired"]);
    until("the second stack is looked at", || (cloud.strikes(stall) > 0).then_some(()));
    interrupt(&nightly);
    assert_eq!(nightly.wait().expect("it ends").code(), Some(130));
    let log = std::fs::read_to_string(scenario.path("started.log")).expect("a log");
    assert!(log.contains("nothing of the stack one remains"), "{log}");
    assert!(log.contains("the stack two: interrupted"), "{log}");

    cloud.clear(None);
    let left = scenario.json(0, &["stacks", "--local"]);
    assert_eq!(
        (left[0]["stack"].clone(), left.as_array().map(Vec::len)),
        (json!("two"), Some(1)),
        "{left:#}"
    );
    scenario.expect(0, &["teardown", "--local", "--yes", "--expired"]);
    assert_eq!(scenario.json(0, &["stacks", "--local"]), json!([]));
}

#[test]
fn ctrl_c_while_a_teardown_looks_at_what_remains_ends_it() {
    let scenario = Scenario::with("[stack]\nname = 'one'\nregion = 'europe-west1'\n\n[topic.a]\n");
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let cloud = Cloud::of(&scenario);
    // The second list of topics is that of what remains.
    let point = Point::before("pubsub.topics.list");
    let stall = cloud.fault(&Fault { point, when: When::Every(2), what: What::Stall });
    let mut teardown = scenario.start(&["teardown", "--local", "--yes", "--format", "json"]);
    until("what remains is looked at", || (cloud.strikes(stall) > 0).then_some(()));
    interrupt(&teardown);
    assert_eq!(teardown.wait().expect("it ends").code(), Some(130));
    let log = std::fs::read_to_string(scenario.path("started.log")).expect("a log");
    let summary = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).last();
    let summary = summary.expect("a summary");
    assert_eq!((&summary["done"], &summary["exit"]), (&json!(1), &json!(130)), "{log}");
}
