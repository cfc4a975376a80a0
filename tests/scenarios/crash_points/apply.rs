//! `provision` is killed while it makes, changes or ends a stack, and the same command goes on from there.

use scenarios::{Random, Scenario, seed_or};

use super::change::{Campaign, tenth};
use super::point::wanted;
use super::stage::{CHANGES, Change, Stages};

#[test]
fn a_stack_ends_right_wherever_the_command_that_changes_it_is_killed() {
    let (mut random, stages) = (Random::new(seed_or(1)), Stages::build());
    for change in CHANGES {
        let campaign = Campaign::begin(change, &stages);
        let points = tenth(campaign.points(), &mut random);
        let report = campaign.strike_all(&points);
        report.assert_right();
        report.assert_covers(points);
    }
}

#[test]
#[ignore = "minutes: `just crash-points-apply`"]
fn an_apply_killed_at_any_point_goes_on() {
    strike_everywhere(Change::Apply);
}

#[test]
#[ignore = "minutes: `just crash-points-apply`"]
fn a_teardown_killed_at_any_point_goes_on() {
    strike_everywhere(Change::Teardown);
}

#[test]
#[ignore = "minutes: `just crash-points-apply`"]
fn a_resize_killed_at_any_point_goes_on() {
    strike_everywhere(Change::Resize);
}

#[test]
#[ignore = "minutes: `just crash-points-apply`"]
fn a_replacement_killed_at_any_point_goes_on() {
    strike_everywhere(Change::Replace);
}

#[test]
#[ignore = "minutes: `just crash-points-apply`"]
fn an_apply_that_takes_things_out_of_a_cluster_killed_at_any_point_goes_on() {
    strike_everywhere(Change::Shrink);
}

#[test]
#[ignore = "minutes: `just crash-points-apply`"]
fn an_apply_killed_at_any_point_goes_on_with_a_corrected_file() {
    strike_everywhere(Change::Correct);
}

fn strike_everywhere(change: Change) {
    let campaign = Campaign::begin(change, &Stages::build());
    let points = wanted(campaign.points().to_vec());
    let report = campaign.strike_all(&points);
    report.assert_right();
    report.assert_covers(points);
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
