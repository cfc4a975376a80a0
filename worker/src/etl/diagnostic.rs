//! What is wrong with a configuration, and where in it.

use std::fmt;

use datafusion::common::Location;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use serde::Serialize;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The key of the configuration: `extract`, `schema.rate`, `sql`, `tables.codes.from`.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// Where in the SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// What to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

/// A place in the SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Bytes before it.
    pub offset: usize,
    /// Bytes in it; 0 where only its beginning is known.
    pub length: usize,
    /// Line, counted from 1.
    pub line: u64,
    /// Column in characters, counted from 1.
    pub column: u64,
}

impl Diagnostic {
    /// Something wrong with a whole value.
    pub(crate) fn new(field: impl Into<String>, message: String) -> Self {
        Self { field: field.into(), message, span: None, help: Vec::new() }
    }

    /// Something wrong with the SQL.
    pub(super) fn at(sql: &str, message: String, span: Option<datafusion::common::Span>) -> Self {
        let span = span.map(|span| Span::between(sql, span.start, span.end));
        Self { span, ..Self::new("sql", message) }
    }

    /// What the engine says of the SQL.
    pub(super) fn of_query(sql: &str, error: &DataFusionError) -> Self {
        if let Some(found) = error.diagnostic() {
            let help = found.helps.iter().map(|help| help.message.clone());
            let help = help.chain(found.notes.iter().map(|note| note.message.clone())).collect();
            return Self { help, ..Self::at(sql, found.message.clone(), found.span) };
        }
        let message = words(error);
        let place = place_in(&message).map(|place| Span::between(sql, place, place));
        let message = message.split(" at Line: ").next().unwrap_or_default().to_owned();
        Self { span: place, ..Self::new("sql", message) }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field)?;
        if let Some(span) = self.span {
            write!(f, " line {} column {}", span.line, span.column)?;
        }
        write!(f, ": {}", self.message)?;
        self.help.iter().try_for_each(|help| write!(f, " ({help})"))
    }
}

impl Span {
    fn between(sql: &str, start: Location, end: Location) -> Self {
        let (from, to) = (offset(sql, start), offset(sql, end));
        Self { offset: from, length: to.saturating_sub(from), line: start.line, column: start.column }
    }
}

/// What the engine says, without the name of the kind of error before it.
pub(super) fn words(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::SQL(error, _) => match &**error {
            ParserError::ParserError(words) | ParserError::TokenizerError(words) => words.clone(),
            ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
        },
        DataFusionError::Plan(words)
        | DataFusionError::NotImplemented(words)
        | DataFusionError::Execution(words)
        | DataFusionError::ResourcesExhausted(words) => without_backtrace(words).to_owned(),
        other => other.strip_backtrace(),
    }
}

fn without_backtrace(words: &str) -> &str {
    words.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or(words)
}

/// Bytes before a place; the end of the text for a place beyond it.
fn offset(sql: &str, place: Location) -> usize {
    let line = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(place.column).unwrap_or(1).saturating_sub(1);
    let before: usize = sql.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &sql[before..];
    before + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

/// Parser errors name their place only in words: `… at Line: 1, Column: 8`.
fn place_in(message: &str) -> Option<Location> {
    let (_, place) = message.rsplit_once("Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let digits = column.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(Location { line: line.parse().ok()?, column: digits.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_text_of_any_script() {
        let sql = "SELECT 'é',\n  wrong\nFROM input";
        assert_eq!(&sql[offset(sql, Location { line: 2, column: 3 })..][..5], "wrong");
        assert_eq!(offset(sql, Location { line: 9, column: 1 }), sql.len());
        assert_eq!(place_in("Expected: x at Line: 3, Column: 14\")"), Some(Location { line: 3, column: 14 }));
        assert_eq!(place_in("nothing"), None);
    }
}
