//! Stacks whose file is not at hand: found, and taken down, by their labels alone.

use scenarios::{Scenario, until};
use serde_json::json;

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
