//! The declared types of columns, and how a field of text becomes a value of one.
//!
//! An empty field is null, but for strings: there it is the empty text. Numbers are finite; `NaN`
//! and `inf` in an input are far more often a mistake than a measurement. Nothing is trimmed.

use std::sync::Arc;

use contract::{ColumnType, Schema};
use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{self, DataType, Field, SchemaRef, TimeUnit};
use jiff::{Timestamp, civil::Date};

/// The zone of every timestamp, as Arrow spells it.
const UTC: &str = "+00:00";

/// The table that a query sees: the declared columns in the order of their names.
pub(super) fn table(schema: &Schema) -> SchemaRef {
    let fields = schema.iter().map(|(name, kind)| Field::new(name, data_type(*kind), true));
    Arc::new(datatypes::Schema::new(fields.collect::<Vec<_>>()))
}

fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::String => DataType::Utf8,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Int => DataType::Int64,
        ColumnType::Double => DataType::Float64,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

/// What a value of the type looks like, for people.
pub(super) fn describe(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::String => "text in UTF-8",
        ColumnType::Bool => "true or false",
        ColumnType::Int => "a whole number of 64 bits",
        ColumnType::Double => "a finite number",
        ColumnType::Date => "a day such as 2026-01-31",
        ColumnType::Timestamp => "an instant such as 2026-01-31T08:00:00Z",
    }
}

/// A field that has its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    String(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

impl<'a> Value<'a> {
    /// The field's value, or none if it does not fit.
    pub(super) fn parse(field: &'a [u8], kind: ColumnType) -> Option<Self> {
        let text = std::str::from_utf8(field).ok()?;
        if text.is_empty() && kind != ColumnType::String {
            return Some(Self::Null);
        }
        match kind {
            ColumnType::String => Some(Self::String(text)),
            ColumnType::Bool => text.parse().ok().map(Self::Bool),
            ColumnType::Int => text.parse().ok().map(Self::Int),
            ColumnType::Double => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Self::Double),
            ColumnType::Date => day(text).map(Self::Date),
            ColumnType::Timestamp => {
                text.parse().ok().map(|at: Timestamp| Self::Timestamp(at.as_microsecond()))
            }
        }
    }
}

/// `YYYY-MM-DD` and nothing else.
fn day(text: &str) -> Option<i32> {
    let shape =
        |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    if text.len() != 10 || !text.bytes().enumerate().all(shape) {
        return None;
    }
    let date: Date = text.parse().ok()?;
    let since = Date::constant(1970, 1, 1).until(date).ok()?;
    Some(since.get_days())
}

/// A column in the making.
pub(super) enum Column {
    String(StringBuilder),
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Double(Float64Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl Column {
    pub(super) fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::String => Self::String(StringBuilder::new()),
            ColumnType::Bool => Self::Bool(BooleanBuilder::new()),
            ColumnType::Int => Self::Int(Int64Builder::new()),
            ColumnType::Double => Self::Double(Float64Builder::new()),
            ColumnType::Date => Self::Date(Date32Builder::new()),
            ColumnType::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
        }
    }

    /// Appends a value of the column's type; any other is null.
    pub(super) fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::String(column), Value::String(text)) => column.append_value(text),
            (Self::Bool(column), Value::Bool(value)) => column.append_value(value),
            (Self::Int(column), Value::Int(value)) => column.append_value(value),
            (Self::Double(column), Value::Double(value)) => column.append_value(value),
            (Self::Date(column), Value::Date(days)) => column.append_value(days),
            (Self::Timestamp(column), Value::Timestamp(at)) => column.append_value(at),
            (Self::String(column), _) => column.append_null(),
            (Self::Bool(column), _) => column.append_null(),
            (Self::Int(column), _) => column.append_null(),
            (Self::Double(column), _) => column.append_null(),
            (Self::Date(column), _) => column.append_null(),
            (Self::Timestamp(column), _) => column.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::String(column) => Arc::new(column.finish()),
            Self::Bool(column) => Arc::new(column.finish()),
            Self::Int(column) => Arc::new(column.finish()),
            Self::Double(column) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
            Self::Timestamp(column) => Arc::new(column.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(field: &str, kind: ColumnType) -> Option<Value<'_>> {
        Value::parse(field.as_bytes(), kind)
    }

    #[test]
    fn fields_become_values_or_do_not_fit() {
        assert_eq!(parse("1.5e3", ColumnType::Double), Some(Value::Double(1500.0)));
        for wrong in ["N/A", "NaN", "inf", " 1", "1,5", "0x1"] {
            assert_eq!(parse(wrong, ColumnType::Double), None, "{wrong}");
        }
        assert_eq!(parse("-3", ColumnType::Int), Some(Value::Int(-3)));
        assert_eq!(parse("9223372036854775808", ColumnType::Int), None);
        assert_eq!(parse("1970-01-02", ColumnType::Date), Some(Value::Date(1)));
        assert_eq!(parse("1969-12-31", ColumnType::Date), Some(Value::Date(-1)));
        for wrong in ["2026-02-30", "20260130", "2026-01-31T00:00:00", "2026-1-31", "é026-01-3"] {
            assert_eq!(parse(wrong, ColumnType::Date), None, "{wrong}");
        }
        assert_eq!(
            parse("1970-01-01T01:00:00.000001+01:00", ColumnType::Timestamp),
            Some(Value::Timestamp(1))
        );
        assert_eq!(parse("yes", ColumnType::Bool), None);
        assert_eq!(Value::parse(b"\xff", ColumnType::String), None);
    }

    #[test]
    fn an_empty_field_is_null_but_for_strings() {
        assert_eq!(parse("", ColumnType::Double), Some(Value::Null));
        assert_eq!(parse("", ColumnType::String), Some(Value::String("")));
    }
}
