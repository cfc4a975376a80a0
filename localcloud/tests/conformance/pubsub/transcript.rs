//! What cases saw, line by line, in a form in which two clouds can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::differences::{self, DIFFERENCES, Difference};

/// What one case saw of one target.
#[derive(Default)]
pub(super) struct Transcript(Mutex<Vec<Line>>);

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) step: String,
    pub(super) saw: String,
}

/// What one target showed, by case.
pub(super) type Saw = BTreeMap<&'static str, Vec<Line>>;

impl Transcript {
    pub(super) fn note(&self, step: impl Into<String>, saw: impl Into<String>) {
        let line = Line { step: step.into(), saw: saw.into() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What differs and stands in no table, and rows of the table that nothing needs.
pub(super) fn compare(local: &Saw, emulator: &Saw) -> String {
    let mut used = BTreeSet::new();
    let mut text = String::new();
    for (case, ours) in local {
        let theirs = emulator.get(case).map(Vec::as_slice).unwrap_or_default();
        for (step, ours, theirs) in side_by_side(ours, theirs) {
            let place = format!("{case}: {step}");
            match DIFFERENCES.iter().position(|row| row.covers(&place, &ours, &theirs)) {
                _ if ours == theirs => {}
                Some(row) => drop(used.insert(row)),
                // A string takes whatever is written to it.
                None => drop(writeln!(text, "{place}\n  local    {ours}\n  emulator {theirs}")),
            }
        }
    }
    let all = std::env::var("CONFORMANCE_CASES").is_err();
    let unused = |(number, row): &(usize, &Difference)| all && !row.at_times && !used.contains(number);
    for (number, row) in DIFFERENCES.iter().enumerate().filter(unused) {
        let _ = writeln!(text, "row {number} of the table is not needed: {} {}", row.place, row.local);
    }
    text
}

/// Observations of the same step, the first with the first; what one has not seen is `(nothing)`.
fn side_by_side(ours: &[Line], theirs: &[Line]) -> Vec<(String, String, String)> {
    let steps: BTreeSet<&str> = ours.iter().chain(theirs).map(|line| line.step.as_str()).collect();
    let of = |lines: &[Line], step: &str| -> Vec<String> {
        lines.iter().filter(|line| line.step == step).map(|line| line.saw.clone()).collect()
    };
    let mut all = Vec::new();
    for step in steps {
        let (ours, theirs) = (of(ours, step), of(theirs, step));
        for n in 0..ours.len().max(theirs.len()) {
            let nth = |saw: &[String]| saw.get(n).cloned().unwrap_or_else(|| "(nothing)".into());
            all.push((step.to_owned(), nth(&ours), nth(&theirs)));
        }
    }
    all
}

/// What the local cloud shows must be what is written down: this holds where there is no emulator.
pub(super) fn check(local: &Saw) {
    if std::env::var("CONFORMANCE_CASES").is_ok() {
        return;
    }
    let mut text = String::from("What the local cloud's Pub/Sub answers, case by case.\n");
    for (case, lines) in local {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "\n{case}");
        for Line { step, saw } in lines {
            let _ = writeln!(text, "  {step}: {saw}");
        }
    }
    same_as_file("transcript.txt", &text);
}

/// The table of differences, as people read it.
#[test]
fn the_document_has_the_rows_of_the_table() {
    same_as_file("differences.md", &differences::render());
}

/// `CONFORMANCE_WRITE=1` writes the file instead.
fn same_as_file(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/pubsub").join(name);
    if std::env::var("CONFORMANCE_WRITE").is_ok() {
        std::fs::write(&path, text).expect("written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(text.lines()).find(|(written, now)| written != now);
    assert!(written == text, "{name} is old, from here on: {differs:?}; CONFORMANCE_WRITE=1 writes it again");
}
