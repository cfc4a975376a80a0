//! The points at which somebody is struck, and what came of it.

use std::collections::BTreeSet;
use std::fmt;

use localcloud::calls::{Moment, Passed};

use super::victim::Victim;

/// A point at which somebody is struck.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CrashPoint {
    pub(super) victim: Victim,
    pub(super) at: Passed,
    /// At the first call that comes there, the second …
    pub(super) nth: u64,
}

impl CrashPoint {
    /// Whether the call only looks.
    pub(super) fn is_look(&self) -> bool {
        let looks = [".get", ".list", ".watch", ".getIamPolicy", ".testIamPermissions"];
        looks.iter().any(|looks| self.at.method.ends_with(looks))
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = if self.at.moment == Moment::Before { "before" } else { "after" };
        write!(f, "{:?} {moment} {} {}", self.victim, self.at.method, self.at.resource)?;
        if self.nth > 1 { write!(f, " ({} of them)", self.nth) } else { Ok(()) }
    }
}

/// What a campaign found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) struck: BTreeSet<CrashPoint>,
    pub(super) missed: Vec<CrashPoint>,
    pub(super) wrong: Vec<String>,
    pub(super) runs: usize,
}

impl Report {
    /// Tells what is wrong, and fails if anything is.
    pub(super) fn assert_right(&self) {
        for wrong in &self.wrong {
            println!("WRONG {wrong}");
        }
        assert!(self.wrong.is_empty(), "{} things are wrong", self.wrong.len());
    }

    /// Fails if somebody was not struck where he should have been.
    pub(super) fn assert_covers(&self, points: Vec<CrashPoint>) {
        let wanted: BTreeSet<CrashPoint> = points.into_iter().collect();
        let missed: Vec<String> = self.missed.iter().map(ToString::to_string).collect();
        assert!(self.struck == wanted, "no call came to {missed:#?}");
    }
}

/// What the variable `POINTS` picks: points that have every word of its list with commas, and none of
/// those with a `-` before them.
pub(super) fn wanted(mut points: Vec<CrashPoint>) -> Vec<CrashPoint> {
    let part = std::env::var("POINTS").unwrap_or_default();
    let is_of = |point: &str| {
        part.split(',').all(|word| match word.strip_prefix('-') {
            Some(word) => !point.contains(word),
            None => point.contains(word),
        })
    };
    points.retain(|point| is_of(&point.to_string()));
    points
}
