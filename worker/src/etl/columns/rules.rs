//! One declared column: its type, and what its values must be beyond it.

use contract::{ColumnType, Literal};
use datafusion::arrow::array::timezone::Tz;
use regex::{Regex, RegexBuilder};

use super::value::{Cell, Kind, Value, is_less};

/// Characters of a value that are shown.
const SHOWN: usize = 40;
/// Largest compiled pattern, in bytes. Matching takes linear time whatever the pattern.
const PATTERN: usize = 1 << 20;

/// A column that cells are checked against.
#[derive(Debug)]
pub(in crate::etl) struct Column {
    name: String,
    kind: Kind,
    zone: Option<String>,
    required: bool,
    min: Option<Bound>,
    max: Option<Bound>,
    allowed: Vec<Bound>,
    pattern: Option<Pattern>,
    nulls: Vec<String>,
    /// Whether any value of the type will do.
    free: bool,
}

/// A value of the column's type, and how the file writes it.
#[derive(Debug)]
struct Bound {
    value: Value,
    text: String,
}

#[derive(Debug)]
struct Pattern {
    whole: Regex,
    text: String,
}

impl Column {
    /// The error is a sentence for the author of the stack.
    pub(super) fn new(name: &str, column: &contract::Column, nulls: &[String]) -> Result<Self, String> {
        let zone = column.zone.as_deref().map(|name| zone(name, column.kind)).transpose()?;
        let kind = Kind { kind: column.kind, zone };
        let bound = |key: &str, literal: &Literal| bound(kind, key, literal);
        let ordered = !matches!(column.kind, ColumnType::String | ColumnType::Bool);
        if (column.min.is_some() || column.max.is_some()) && !ordered {
            return Err(format!("`min` and `max` are not for {}", column.kind));
        }
        let min = column.min.as_ref().map(|min| bound("min", min)).transpose()?;
        let max = column.max.as_ref().map(|max| bound("max", max)).transpose()?;
        if let (Some(min), Some(max)) = (&min, &max)
            && is_less(max.value, min.value)
        {
            return Err(format!("`min` is {}, which is more than `max`, {}", min.text, max.text));
        }
        let allowed = column.allowed.iter().map(|value| bound("allowed", value)).collect::<Result<_, _>>()?;
        let pattern = column.regex.as_deref().map(|text| pattern(text, column.kind)).transpose()?;
        let free = contract::Column { nulls: Vec::new(), zone: None, ..column.clone() } == column.kind.into();
        let nulls = column.nulls.iter().chain(nulls).cloned().collect();
        let (name, zone, required) = (name.to_owned(), column.zone.clone(), column.required);
        Ok(Self { name, kind, zone, required, min, max, allowed, pattern, nulls, free })
    }

    pub(in crate::etl) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::etl) fn kind(&self) -> ColumnType {
        self.kind.kind
    }

    /// The zone of timestamps that name none.
    pub(in crate::etl) fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// Whether the column says no more than its type.
    pub(in crate::etl) fn is_free(&self) -> bool {
        self.free && self.nulls.is_empty()
    }

    /// The value of a cell, or why it does not fit.
    pub(in crate::etl) fn read(&self, cell: Cell<'_>) -> Result<Value, String> {
        let value = self.typed(cell)?;
        if self.free { Ok(value) } else { self.ruled(value, cell) }
    }

    fn typed(&self, cell: Cell<'_>) -> Result<Value, String> {
        let unfit = || format!("`{}` is not {}", shown(cell), self.kind.described());
        match (cell, self.kind()) {
            (Cell::Null, _) => Ok(Value::Null),
            (Cell::Typed(value), _) => Ok(value),
            (Cell::Text(bytes), _) => {
                let text = std::str::from_utf8(bytes).map_err(|_| unfit() + NOT_UTF8)?;
                if self.nulls.iter().any(|null| null == text) {
                    return Ok(Value::Null);
                }
                self.kind.parse(text).ok_or_else(unfit)
            }
            (Cell::Bool(value), ColumnType::Bool) => Ok(Value::Bool(value)),
            (Cell::Number(text), kind) if is_number(kind) => self.kind.parse(text).ok_or_else(unfit),
            (Cell::Number(_) | Cell::Bool(_) | Cell::Nested(_), _) => Err(unfit()),
        }
    }

    fn ruled(&self, value: Value, cell: Cell<'_>) -> Result<Value, String> {
        if value == Value::Null {
            return if self.required { Err("it is required, but null".to_owned()) } else { Ok(value) };
        }
        if let Some(min) = self.min.as_ref().filter(|min| is_less(value, min.value)) {
            return Err(format!("`{}` is less than the least, {}", shown(cell), min.text));
        }
        if let Some(max) = self.max.as_ref().filter(|max| is_less(max.value, value)) {
            return Err(format!("`{}` is more than the most, {}", shown(cell), max.text));
        }
        let text = if let Cell::Text(text) = cell { text } else { &[] };
        if !self.allowed.is_empty() && !self.allowed.iter().any(|allowed| allowed.is(value, text)) {
            return Err(format!("`{}` is none of the allowed values", shown(cell)));
        }
        let text = std::str::from_utf8(text).unwrap_or_default();
        match &self.pattern {
            Some(pattern) if !pattern.whole.is_match(text) => {
                Err(format!("`{}` does not match `{}`", shown(cell), pattern.text))
            }
            _ => Ok(value),
        }
    }
}

impl Bound {
    fn is(&self, value: Value, text: &[u8]) -> bool {
        if value == Value::Text { self.text.as_bytes() == text } else { self.value == value }
    }
}

const NOT_UTF8: &str = "; other encodings must be converted to it";

fn zone(name: &str, kind: ColumnType) -> Result<Tz, String> {
    if kind != ColumnType::Timestamp {
        return Err(format!("`zone` is for timestamps, not for {kind}"));
    }
    name.parse()
        .map_err(|_| format!("there is no zone `{name}`; write it as \"Europe/Berlin\" or \"+01:00\""))
}

fn bound(kind: Kind, key: &str, Literal(text): &Literal) -> Result<Bound, String> {
    let value = kind.parse(text).filter(|value| *value != Value::Null);
    let value = value.ok_or_else(|| format!("`{key}`: `{text}` is not {}", kind.described()))?;
    Ok(Bound { value, text: text.clone() })
}

fn pattern(text: &str, kind: ColumnType) -> Result<Pattern, String> {
    if kind != ColumnType::String {
        return Err(format!("`regex` is for strings, not for {kind}"));
    }
    let whole = RegexBuilder::new(&format!(r"\A(?:{text})\z")).size_limit(PATTERN).build();
    let last = |error: String| error.lines().last().unwrap_or_default().trim().to_owned();
    let whole = whole.map_err(|error| format!("`regex`: {}", last(error.to_string())))?;
    Ok(Pattern { whole, text: text.to_owned() })
}

/// Whether a number of JSON may be a value of the type.
fn is_number(kind: ColumnType) -> bool {
    use ColumnType as T;
    matches!(kind, T::Int8 | T::Int16 | T::Int32 | T::Int | T::Double | T::Decimal { .. })
}

/// The beginning of a cell as one line of text.
fn shown(cell: Cell<'_>) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Text(bytes) => shortened(&String::from_utf8_lossy(bytes)),
        Cell::Number(text) | Cell::Nested(text) => shortened(text),
        Cell::Bool(value) | Cell::Typed(Value::Bool(value)) => value.to_string(),
        Cell::Typed(Value::Double(value)) => value.to_string(),
        Cell::Typed(Value::Int(value)) => value.to_string(),
        Cell::Typed(Value::Decimal(value)) => value.to_string(),
        Cell::Typed(Value::Null | Value::Text) => "the value".to_owned(),
    }
}

/// The beginning of a text as one line.
pub(in crate::etl) fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: &str, change: impl FnOnce(&mut contract::Column)) -> Result<Column, String> {
        let mut column = contract::Column::of(kind.parse().expect("a type"));
        change(&mut column);
        Column::new("x", &column, &["N/A".to_owned()])
    }

    fn literal(text: &str) -> Literal {
        Literal(text.to_owned())
    }

    #[test]
    fn each_rule_says_what_it_misses() {
        let text = |text: &'static str| Cell::Text(text.as_bytes());
        let rate = column("decimal(9,2)", |rate| {
            rate.required = true;
            (rate.min, rate.max) = (Some(literal("0.01")), Some(literal("1e3")));
        });
        let rate = rate.expect("a column");
        assert_eq!(rate.read(text("12.5")), Ok(Value::Decimal(1250)));
        assert_eq!(rate.read(text("0")), Err("`0` is less than the least, 0.01".to_owned()));
        assert_eq!(
            rate.read(Cell::Number("1000.01")),
            Err("`1000.01` is more than the most, 1e3".to_owned())
        );
        for null in [text(""), text("N/A"), Cell::Null] {
            assert_eq!(rate.read(null), Err("it is required, but null".to_owned()));
        }
        let code = column("string", |code| {
            code.allowed = vec![literal("USD"), literal("EUR"), literal("euro")];
            code.regex = Some("[A-Z]{3}|x".to_owned());
        });
        let code = code.expect("a column");
        assert_eq!(code.read(text("EUR")), Ok(Value::Text));
        assert_eq!(code.read(text("GBP")), Err("`GBP` is none of the allowed values".to_owned()));
        assert_eq!(code.read(text("euro")), Err("`euro` does not match `[A-Z]{3}|x`".to_owned()));
        assert_eq!(code.read(text("N/A")), Ok(Value::Null));
        assert_eq!(
            code.read(Cell::Text(b"\xe9")),
            Err("`\u{fffd}` is not text in UTF-8; other encodings must be converted to it".to_owned())
        );
        assert_eq!(code.read(Cell::Number("7")), Err("`7` is not text in UTF-8".to_owned()));
    }

    #[test]
    fn rules_that_cannot_hold_are_refused() {
        let refused = |kind, change: fn(&mut contract::Column)| column(kind, change).expect_err("refused");
        assert_eq!(
            refused("int", |x| x.min = Some(literal("1.5"))),
            "`min`: `1.5` is not a whole number of 64 bits"
        );
        assert_eq!(refused("string", |x| x.max = Some(literal("z"))), "`min` and `max` are not for string");
        assert_eq!(refused("int", |x| x.regex = Some(".".into())), "`regex` is for strings, not for int");
        assert_eq!(
            refused("date", |x| x.zone = Some("UTC".into())),
            "`zone` is for timestamps, not for date"
        );
        assert!(
            refused("timestamp", |x| x.zone = Some("Mars".into())).starts_with("there is no zone `Mars`")
        );
        assert!(refused("string", |x| x.regex = Some("(".into())).contains("unclosed group"));
        let crossed = refused("int", |x| (x.min, x.max) = (Some(literal("2")), Some(literal("1"))));
        assert_eq!(crossed, "`min` is 2, which is more than `max`, 1");
    }
}
