//! The committed transcripts, and what differs from them.

use std::path::PathBuf;

fn path(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/conformance/kubernetes/transcripts/{case}.txt"))
}

/// What the real server answered when it was recorded.
pub(super) fn read(case: &str) -> String {
    std::fs::read_to_string(path(case)).unwrap_or_default()
}

/// Keeps a transcript.
pub(super) fn write(case: &str, text: &str) {
    std::fs::write(path(case), text).expect("a transcript is written");
}

/// The lines that differ, with a few around them.
pub(super) fn difference(left: &str, wanted: &str, right: &str, seen: &str) -> Option<String> {
    if wanted == seen {
        return None;
    }
    let diff = similar::TextDiff::from_lines(wanted, seen);
    Some(diff.unified_diff().context_radius(4).header(left, right).to_string())
}
