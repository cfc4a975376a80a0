//! The declared columns of a table: how a cell of an input becomes a value of one, and when it does
//! not fit.
//!
//! An empty field of text is null, but for strings: there it is the empty text. Numbers are finite;
//! `NaN` and `inf` in a text are far more often a mistake than a measurement. Nothing is trimmed,
//! rounded or cut off to make it fit.

mod builder;
mod decimal;
mod instant;
mod rules;
mod value;

use std::sync::Arc;

use contract::{ColumnType, Schema};
use datafusion::arrow::datatypes::{self, DataType, Field, SchemaRef, TimeUnit};

pub(super) use builder::Builder;
pub(super) use rules::{Column, shortened};
pub(super) use value::{Cell, Value};

/// The zone of every timestamp, as Arrow spells it.
pub(super) const UTC: &str = "+00:00";

/// The declared columns, in the order of their names.
#[derive(Debug)]
pub(super) struct Columns {
    columns: Vec<Column>,
    table: SchemaRef,
}

impl Columns {
    /// Everything that is wrong with a schema, or its columns. `nulls` holds for all of them.
    pub(super) fn declared(schema: &Schema, nulls: &[String]) -> Result<Self, Vec<String>> {
        let (mut columns, mut wrong) = (Vec::new(), Vec::new());
        for (name, column) in schema {
            match Column::new(name, column, nulls) {
                Ok(column) => columns.push(column),
                Err(message) => wrong.push(format!("column `{name}`: {message}")),
            }
        }
        let fields = schema.iter().map(|(name, column)| Field::new(name, data_type(column.kind), true));
        let table = Arc::new(datatypes::Schema::new(fields.collect::<Vec<_>>()));
        if wrong.is_empty() { Ok(Self { columns, table }) } else { Err(wrong) }
    }

    pub(super) fn all(&self) -> &[Column] {
        &self.columns
    }

    /// Whether the input itself must tell its columns.
    pub(super) fn are_unknown(&self) -> bool {
        self.columns.is_empty()
    }

    /// The table that a query sees.
    pub(super) fn table(&self) -> &SchemaRef {
        &self.table
    }
}

/// How the engine holds values of a type.
pub(super) fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::String => DataType::Utf8,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Int8 => DataType::Int8,
        ColumnType::Int16 => DataType::Int16,
        ColumnType::Int32 => DataType::Int32,
        ColumnType::Int => DataType::Int64,
        ColumnType::Double => DataType::Float64,
        ColumnType::Decimal { precision, scale } => {
            DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
        }
        ColumnType::Date => DataType::Date32,
        ColumnType::Time => DataType::Time64(TimeUnit::Microsecond),
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}
