//! One clear error for each thing that a person can get wrong, and nothing half-done.

use scenarios::{Said, Scenario};

fn fails(said: &Said, words: &str) {
    assert_eq!(said.code, Some(1), "{}\n{}", said.stdout, said.stderr);
    assert!(said.stderr.contains(words), "{}", said.stderr);
    assert!(said.stdout.is_empty(), "{}", said.stdout);
    let errors = said.stderr.lines().filter(|line| line.starts_with("error")).count();
    assert_eq!(errors, 1, "{}", said.stderr);
}

#[test]
fn a_stack_file_with_a_mistake_is_shown_with_its_line_and_a_caret() {
    let scenario = Scenario::with(
        "[stack]\nname = 'fx'\nregion = 'r'\n[subscription.work]\ntopic = 'itmes'\n[topic.items]\n",
    );
    let said = scenario.provision(&["check"]);
    fails(
        &said,
        "error: no topic \"itmes\"\n --> stack.toml:5:9\n  |\n5 | topic = 'itmes'\n  |         ^^^^^^^",
    );
    assert!(said.stderr.contains("did you mean \"items\"?"), "{}", said.stderr);
}

#[test]
fn no_stack_file_says_where_it_looked() {
    let scenario = Scenario::with("");
    fails(&scenario.provision(&["plan", "--local", "--file", "nowhere.toml"]), "cannot read nowhere.toml");
}

#[test]
fn a_list_that_cannot_be_used_starts_nothing() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    scenario.write("empty.txt", "\n\n");
    scenario.write("binary.txt", b"\xff\xfe\n");
    for (list, words) in [
        ("nowhere.txt", "cannot read nowhere.txt"),
        ("empty.txt", "has no items"),
        ("binary.txt", "line 1 is not UTF-8"),
    ] {
        fails(&scenario.provision(&["run", "--local", "--yes", "--items", list]), words);
    }
    assert!(!scenario.path(".provision").exists(), "nothing was started");
}

#[test]
fn without_credentials_the_real_cloud_says_how_to_get_them() {
    let scenario = Scenario::with("[stack]\nname = 'demo'\nregion = 'europe-west1'\n[topic.a]\n");
    let mut command = scenario.command(&["plan", "--project", "some-project"]);
    command.env("HOME", scenario.path("home")).env("GCE_METADATA_HOST", "127.0.0.1:9");
    let said = scenarios::said(command);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("gcloud auth application-default login"), "{}", said.stderr);
}

#[test]
fn without_a_project_the_real_cloud_is_not_asked() {
    let scenario = Scenario::with("[stack]\nname = 'demo'\nregion = 'europe-west1'\n[topic.a]\n");
    fails(&scenario.provision(&["plan"]), "which Google Cloud project?");
}

#[test]
fn a_query_that_cannot_be_planned_is_found_before_anything_is_started() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    scenario.edit("FROM input", "FROM imput");
    scenario.write("one.txt", "USD\n");
    let run = ["run", "--local", "--yes", "--items", "one.txt"];
    fails(&scenario.provision(&run), "job.fx.etl.sql line 3 column");
    fails(&scenario.provision(&["check"]), "imput");
    assert!(!scenario.path(".provision").exists(), "nothing was started");
}

#[test]
fn a_wrong_word_on_the_command_line_is_no_change() {
    let scenario = Scenario::with("");
    let said = scenario.provision(&["plan", "--local", "--detailed-exitcode", "--typo"]);
    assert_eq!(said.code, Some(1), "2 would mean that there are changes");
    scenario.expect(0, &["--help"]);
}
