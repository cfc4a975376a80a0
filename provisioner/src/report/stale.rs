//! What of a run is stale, as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use contract::RunId;

use super::counted;
use crate::runs::Survey;

/// Counts, and the reasons.
pub(crate) fn survey_text(run: &RunId, survey: &Survey, with_unknown: bool) -> String {
    let Survey { fresh, stale, unknown, .. } = survey;
    let mut text = format!("run {run}: {fresh} items are fresh, {stale} stale, {unknown} unknown");
    let mut because = |word: &str, reasons: &BTreeMap<String, usize>| {
        for (reason, count) in reasons {
            let _ = write!(text, "\n  {word}: {reason} ({})", counted(*count as u64, "item"));
        }
    };
    because("stale", &survey.stale_because);
    because("unknown", &survey.unknown_because);
    if *unknown > 0 && !with_unknown {
        text.push_str("\nwhat is unknown is left alone; --include-unknown tries it again, too");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_with_how_many_items_have_them() {
        let survey = Survey {
            fresh: 30,
            stale: 2,
            unknown: 1,
            stale_because: [("an input object has changed".to_owned(), 2)].into(),
            unknown_because: [("its receipt names no input".to_owned(), 1)].into(),
            chosen: Vec::new(),
        };
        insta::assert_snapshot!(survey_text(&RunId("fx".into()), &survey, false), @r"
        run fx: 30 items are fresh, 2 stale, 1 unknown
          stale: an input object has changed (2 items)
          unknown: its receipt names no input (1 item)
        what is unknown is left alone; --include-unknown tries it again, too
        ");
    }
}
