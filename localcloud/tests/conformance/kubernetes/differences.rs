//! Where the local cluster deliberately answers otherwise than a real one, and why.

/// A part of a transcript that differs.
struct Difference {
    /// The start of the names of the cases it is about; empty: all.
    case: &'static str,
    real: &'static str,
    local: &'static str,
    #[expect(dead_code, reason = "the reason is for whoever reads the table")]
    reason: &'static str,
}

const DIFFERENCES: &[Difference] = &[];

/// The transcript of a real server as the local one repeats it.
pub(super) fn apply(case: &str, transcript: &str) -> String {
    let here = DIFFERENCES.iter().filter(|difference| case.starts_with(difference.case));
    here.fold(transcript.to_owned(), |text, difference| text.replace(difference.real, difference.local))
}
