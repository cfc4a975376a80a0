//! Something that stands in the way of a plan, or may, with what to do about it.

use std::fmt;

use serde::Serialize;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// `apply` does not begin.
    Error,
    /// It may go well.
    Warning,
    /// It could not be looked at, and may be as it should.
    Note,
}

/// Something that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How much it weighs.
    pub level: Level,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// Errors that apply would run into, found before it begins.
#[derive(Debug, thiserror::Error)]
#[error("nothing was changed:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub(crate) struct Unready(pub Vec<Finding>);

/// `a, b, c and 2 more`.
pub(crate) fn first_of(names: &[String], most: usize) -> String {
    match names.len().checked_sub(most) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..most].join(", ")),
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.help)
    }
}
