//! Cells as inputs have them, and the values that they are.

use contract::ColumnType;
use datafusion::arrow::array::timezone::Tz;

use super::{decimal, instant};

/// What an input has in one place of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::etl) enum Cell<'a> {
    /// Nothing.
    Null,
    /// Text: any field of CSV, a string of JSON. Perhaps not UTF-8.
    Text(&'a [u8]),
    /// A number of JSON, as it is written.
    Number(&'a str),
    /// `true` or `false` of JSON.
    Bool(bool),
    /// A value that has its type already.
    Typed(Value),
    /// An object or an array of JSON, as it is written.
    Nested(&'a str),
}

/// A value that fits its column's type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::etl) enum Value {
    Null,
    /// The text of its cell.
    Text,
    Bool(bool),
    /// A whole number; days since 1970-01-01; microseconds of a day, or since 1970-01-01T00:00:00Z.
    Int(i64),
    Double(f64),
    /// In units of the last digit.
    Decimal(i128),
}

/// A type, with what its texts leave open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) kind: ColumnType,
    /// Of timestamps that name no zone.
    pub(super) zone: Option<Tz>,
}

impl Kind {
    /// The value of a text, or none if it does not fit.
    pub(super) fn parse(self, text: &str) -> Option<Value> {
        match self.kind {
            ColumnType::String => Some(Value::Text),
            _ if text.is_empty() => Some(Value::Null),
            ColumnType::Bool => text.parse().ok().map(Value::Bool),
            ColumnType::Int8 => text.parse::<i8>().ok().map(|n| Value::Int(n.into())),
            ColumnType::Int16 => text.parse::<i16>().ok().map(|n| Value::Int(n.into())),
            ColumnType::Int32 => text.parse::<i32>().ok().map(|n| Value::Int(n.into())),
            ColumnType::Int => text.parse().ok().map(Value::Int),
            ColumnType::Double => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Double),
            ColumnType::Decimal { precision, scale } => {
                decimal::parse(text, precision, scale).map(Value::Decimal)
            }
            ColumnType::Date => instant::day(text).map(Value::Int),
            ColumnType::Time => instant::time(text).map(Value::Int),
            ColumnType::Timestamp => instant::timestamp(text, self.zone).map(Value::Int),
        }
    }

    /// What a value looks like, for people.
    pub(super) fn described(self) -> String {
        match self.kind {
            ColumnType::String => "text in UTF-8".to_owned(),
            ColumnType::Bool => "true or false".to_owned(),
            ColumnType::Int8 => "a whole number of 8 bits".to_owned(),
            ColumnType::Int16 => "a whole number of 16 bits".to_owned(),
            ColumnType::Int32 => "a whole number of 32 bits".to_owned(),
            ColumnType::Int => "a whole number of 64 bits".to_owned(),
            ColumnType::Double => "a finite number".to_owned(),
            ColumnType::Decimal { precision, scale } => {
                format!("a number of {} digits before the point and {scale} after it", precision - scale)
            }
            ColumnType::Date => "a day such as 2026-01-31".to_owned(),
            ColumnType::Time => "a time of day such as 08:00:00".to_owned(),
            ColumnType::Timestamp if self.zone.is_some() => {
                "an instant such as 2026-01-31T08:00:00, or with an offset".to_owned()
            }
            ColumnType::Timestamp => {
                "an instant such as 2026-01-31T08:00:00Z (with `zone` in its column, one without an offset)"
                    .to_owned()
            }
        }
    }
}

/// Whether one value is less than another of its type.
pub(super) fn is_less(a: Value, b: Value) -> bool {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a < b,
        (Value::Double(a), Value::Double(b)) => a < b,
        (Value::Decimal(a), Value::Decimal(b)) => a < b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, kind: ColumnType) -> Option<Value> {
        Kind { kind, zone: None }.parse(text)
    }

    #[test]
    fn fields_become_values_or_do_not_fit() {
        assert_eq!(parse("1.5e3", ColumnType::Double), Some(Value::Double(1500.0)));
        for wrong in ["N/A", "NaN", "inf", " 1", "1,5", "0x1", "1e999"] {
            assert_eq!(parse(wrong, ColumnType::Double), None, "{wrong}");
        }
        assert_eq!(parse("-3", ColumnType::Int), Some(Value::Int(-3)));
        assert_eq!(parse("9223372036854775808", ColumnType::Int), None);
        assert_eq!(parse("128", ColumnType::Int8), None);
        assert_eq!(parse("-32768", ColumnType::Int16), Some(Value::Int(-32768)));
        assert_eq!(parse("2147483648", ColumnType::Int32), None);
        assert_eq!(parse("yes", ColumnType::Bool), None);
    }

    #[test]
    fn an_empty_field_is_null_but_for_strings() {
        assert_eq!(parse("", ColumnType::Double), Some(Value::Null));
        assert_eq!(parse("", ColumnType::String), Some(Value::Text));
    }
}
