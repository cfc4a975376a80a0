//! Columns in the making.

use std::sync::Arc;

use contract::ColumnType;
use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int8Builder, Int16Builder,
    Int32Builder, Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};

use super::{Cell, UTC, Value, data_type};

/// A column in the making.
pub(in crate::etl) enum Builder {
    String(StringBuilder),
    Bool(BooleanBuilder),
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int(Int64Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl Builder {
    pub(in crate::etl) fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::String => Self::String(StringBuilder::new()),
            ColumnType::Bool => Self::Bool(BooleanBuilder::new()),
            ColumnType::Int8 => Self::Int8(Int8Builder::new()),
            ColumnType::Int16 => Self::Int16(Int16Builder::new()),
            ColumnType::Int32 => Self::Int32(Int32Builder::new()),
            ColumnType::Int => Self::Int(Int64Builder::new()),
            ColumnType::Double => Self::Double(Float64Builder::new()),
            ColumnType::Decimal { .. } => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type(kind)))
            }
            ColumnType::Date => Self::Date(Date32Builder::new()),
            ColumnType::Time => Self::Time(Time64MicrosecondBuilder::new()),
            ColumnType::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
        }
    }

    /// Appends a value that fits the column; any other is null. `cell` is where it was read.
    pub(in crate::etl) fn push(&mut self, value: Value, cell: Cell<'_>) {
        match self {
            Self::String(column) => column.append_option(text(value, cell)),
            Self::Bool(column) => {
                column.append_option(if let Value::Bool(b) = value { Some(b) } else { None });
            }
            Self::Int8(column) => column.append_option(int(value)),
            Self::Int16(column) => column.append_option(int(value)),
            Self::Int32(column) => column.append_option(int(value)),
            Self::Int(column) => column.append_option(int(value)),
            Self::Double(column) => {
                column.append_option(if let Value::Double(number) = value { Some(number) } else { None });
            }
            Self::Decimal(column) => {
                column.append_option(if let Value::Decimal(number) = value { Some(number) } else { None });
            }
            Self::Date(column) => column.append_option(int(value)),
            Self::Time(column) => column.append_option(int(value)),
            Self::Timestamp(column) => column.append_option(int(value)),
        }
    }

    pub(in crate::etl) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::String(column) => Arc::new(column.finish()),
            Self::Bool(column) => Arc::new(column.finish()),
            Self::Int8(column) => Arc::new(column.finish()),
            Self::Int16(column) => Arc::new(column.finish()),
            Self::Int32(column) => Arc::new(column.finish()),
            Self::Int(column) => Arc::new(column.finish()),
            Self::Double(column) => Arc::new(column.finish()),
            Self::Decimal(column) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
            Self::Timestamp(column) => Arc::new(column.finish()),
        }
    }
}

fn int<T: TryFrom<i64>>(value: Value) -> Option<T> {
    if let Value::Int(number) = value { T::try_from(number).ok() } else { None }
}

fn text(value: Value, cell: Cell<'_>) -> Option<&str> {
    match (value, cell) {
        (Value::Text, Cell::Text(text)) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}
