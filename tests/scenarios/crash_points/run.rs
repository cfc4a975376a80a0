//! A run, and all of its items: the worker, its node and `provision run` are struck at every point.

use scenarios::small::Outputs;
use scenarios::{Random, seed};

use super::campaign::{Campaign, handful};
use super::point::{CrashPoint, Report, wanted};
use super::victim::Victim;

/// Points of each victim that the suite takes.
const EACH: usize = 2;

#[test]
fn a_run_ends_right_whoever_is_struck_at_a_point_of_it() {
    let mut random = Random::new(seed());
    strike_at(Outputs::One, |points| handful(points, EACH, &mut random));
}

#[test]
fn two_outputs_are_those_of_one_try_whoever_is_struck_at_a_point() {
    let mut random = Random::new(seed());
    strike_at(Outputs::Two, |points| handful(&of_several(points), 1, &mut random));
}

#[test]
#[ignore = "minutes: `just crash-points`"]
fn a_run_ends_right_whoever_is_struck_at_any_point_of_it() {
    strike_at(Outputs::One, |points| wanted(points.to_vec()));
}

#[test]
#[ignore = "minutes: `just crash-points`"]
fn two_outputs_are_those_of_one_try_whoever_is_struck_at_any_point() {
    strike_at(Outputs::Two, |points| wanted(of_several(points)));
}

/// The worker's points where something of an item is stored or deleted: its attempt, what is staged,
/// the record of the commit, the copies, the receipt. The others are those of an item with one output.
fn of_several(points: &[CrashPoint]) -> Vec<CrashPoint> {
    let is_of_several = |point: &&CrashPoint| {
        let at = &point.at;
        let writes = ["insert", "rewrite", "delete"].iter().any(|verb| at.method.ends_with(verb));
        point.victim != Victim::Command && at.method.starts_with("storage.objects.") && writes
    };
    points.iter().filter(is_of_several).cloned().collect()
}

fn strike_at(outputs: Outputs, choose: impl FnOnce(&[CrashPoint]) -> Vec<CrashPoint>) {
    let campaign = Campaign::begin(outputs);
    let mut report = Report::default();
    let passed = campaign.points(&mut report);
    let points = choose(&passed);
    campaign.strike_all(&points, &mut report);
    report.assert_right();
    campaign.end();
    println!(
        "{} of {} points struck in {} runs, {} s",
        report.struck.len(),
        passed.len(),
        report.runs,
        campaign.begun.elapsed().as_secs()
    );
    report.assert_covers(points);
}
