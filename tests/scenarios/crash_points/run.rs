//! A run, and all of its items: the worker, its node and `provision run` are struck at every point.

use std::collections::BTreeSet;

use scenarios::{Random, seed};

use super::campaign::{Campaign, CrashPoint, Report, handful};

/// Points of each victim that the suite takes.
const EACH: usize = 2;

#[test]
fn a_run_ends_right_whoever_is_struck_at_a_point_of_it() {
    let mut random = Random::new(seed());
    strike_at(|points| handful(points, EACH, &mut random));
}

#[test]
#[ignore = "minutes: `just crash-points`"]
fn a_run_ends_right_whoever_is_struck_at_any_point_of_it() {
    let part = std::env::var("POINTS").unwrap_or_default();
    strike_at(|points| points.iter().filter(|point| is_of(&part, &point.to_string())).cloned().collect());
}

/// Whether a point has every word of a list with commas, and none of those with a `-` before them.
fn is_of(part: &str, point: &str) -> bool {
    part.split(',').all(|word| match word.strip_prefix('-') {
        Some(word) => !point.contains(word),
        None => point.contains(word),
    })
}

fn strike_at(choose: impl FnOnce(&[CrashPoint]) -> Vec<CrashPoint>) {
    let campaign = Campaign::begin();
    let mut report = Report::default();
    let passed = campaign.points(&mut report);
    let points = choose(&passed);
    campaign.strike_all(&points, &mut report);
    for wrong in &report.wrong {
        println!("WRONG {wrong}");
    }
    assert!(report.wrong.is_empty(), "{} things are wrong", report.wrong.len());
    campaign.end();
    println!(
        "{} of {} points struck in {} runs, {} s",
        report.struck.len(),
        passed.len(),
        report.runs,
        campaign.begun.elapsed().as_secs()
    );
    let wanted: BTreeSet<CrashPoint> = points.into_iter().collect();
    let missed: Vec<String> = report.missed.iter().map(ToString::to_string).collect();
    assert!(report.struck == wanted, "no call came to {missed:#?}");
}
