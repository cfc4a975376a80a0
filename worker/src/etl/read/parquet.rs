//! Reads Parquet. It brings its own types; a declared schema chooses columns, and a value that the
//! declared type cannot hold exactly does not fit.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use anyhow::Context;
use contract::ColumnType as T;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::kernels::cmp::not_distinct;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::intake::Intake;
use super::rejects::AsRead;
use super::{BATCH, Read};
use crate::etl::columns::{Cell, Column, Columns, Value, data_type};
use crate::handler::{HandlerError, permanent};

/// Reads a whole input.
pub(super) async fn read(
    file: &Arc<File>,
    columns: &Columns,
    mut intake: Intake,
) -> Result<Read, HandlerError> {
    let file = file.try_clone().context("cannot read from the scratch folder")?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| permanent!("the input is not Parquet: {error}"))?
        .with_batch_size(BATCH);
    let found = reader.schema().clone();
    let places = columns.all().iter().map(|column| {
        let name = column.name();
        found.index_of(name).map_err(|_| permanent!("the input has no column `{name}`"))
    });
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let mask = match places.is_empty() {
        true => ProjectionMask::all(),
        false => ProjectionMask::roots(reader.parquet_schema(), places),
    };
    let reader = reader.with_projection(mask);
    let batches = reader.build().map_err(|error| permanent!("cannot read the input: {error}"))?;
    intake.names(&columns.all().iter().map(|column| column.name().as_bytes()).collect::<Vec<_>>())?;
    let mut before = 0;
    for batch in batches {
        let batch = batch.map_err(|error| permanent!("cannot read the input: {error}"))?;
        let rows = batch.num_rows() as u64;
        if columns.are_unknown() {
            intake.push_batch(batch)
        } else {
            typed(&batch, columns, before, &mut intake)
        }?;
        before += rows;
        tokio::task::yield_now().await;
    }
    let table = if columns.are_unknown() { found } else { columns.table().clone() };
    intake.finish(table)
}

fn typed(
    batch: &RecordBatch,
    columns: &Columns,
    before: u64,
    intake: &mut Intake,
) -> Result<(), HandlerError> {
    let cast = columns.all().iter().map(|column| {
        let found = batch.column_by_name(column.name());
        Cast::new(found.context("a column that was asked for is not there")?, column)
    });
    let cast = cast.collect::<Result<Vec<_>, HandlerError>>()?;
    let whole = |(column, cast): (&Column, &Cast)| match cast {
        Cast::Typed { values, unfit } if column.is_free() && unfit.is_empty() => Some(values.clone()),
        _ => None,
    };
    if let Some(values) = columns.all().iter().zip(&cast).map(whole).collect() {
        let batch = RecordBatch::try_new(columns.table().clone(), values).map_err(anyhow::Error::from)?;
        intake.flush()?;
        return intake.push_batch(batch);
    }
    for row in 0..batch.num_rows() {
        if let Err(reason) = intake.push(|at| cast[at].cell(columns.all()[at].kind(), row)) {
            let fields = batch.columns().iter().map(|column| shown(column, row));
            let fields = csv::ByteRecord::from(fields.collect::<Vec<_>>());
            intake.reject(before + row as u64 + 1, &reason, AsRead::Fields(&fields))?;
        }
    }
    intake.flush()
}

/// A column of a batch on its way to the declared type.
enum Cast {
    /// Text, to be read as in any other format.
    Text(StringArray),
    Typed {
        values: ArrayRef,
        /// Values that the type cannot hold, as text.
        unfit: HashMap<usize, String>,
    },
}

impl Cast {
    fn new(found: &ArrayRef, column: &Column) -> Result<Self, HandlerError> {
        let (from, kind) = (found.data_type(), column.kind());
        let wrong = |error: ArrowError| permanent!("column `{}`: {error}", column.name());
        if is_text(from) {
            let text = cast(found, &DataType::Utf8).map_err(wrong)?;
            return Ok(Self::Text(text.as_string().clone()));
        }
        if !may_become(from, kind) {
            return Err(permanent!("column `{}` is {from} in the input, not {kind}", column.name()));
        }
        let found = match (from, column.zone()) {
            (DataType::Timestamp(_, None), None) => {
                return Err(permanent!("column `{}` holds local times; declare their `zone`", column.name()));
            }
            (DataType::Timestamp(_, None), Some(zone)) => {
                let local = DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into()));
                cast(found, &local).map_err(wrong)?
            }
            _ => found.clone(),
        };
        let values = cast(&found, &data_type(kind)).map_err(wrong)?;
        let same = match kind {
            // A finer instant is cut to microseconds, a double holds the nearest number.
            T::Timestamp | T::Double => None,
            _ => {
                Some(not_distinct(&cast(&values, found.data_type()).map_err(wrong)?, &found).map_err(wrong)?)
            }
        };
        let fits = |row: usize| match &same {
            Some(same) => same.value(row),
            None => values.is_valid(row) == found.is_valid(row),
        };
        let unfit = (0..found.len()).filter(|row| !fits(*row));
        let unfit = unfit.map(|row| (row, shown(&found, row))).collect();
        Ok(Self::Typed { values, unfit })
    }

    fn cell(&self, kind: T, row: usize) -> Cell<'_> {
        match self {
            Self::Text(text) if text.is_valid(row) => Cell::Text(text.value(row).as_bytes()),
            Self::Typed { unfit, .. } if unfit.contains_key(&row) => Cell::Nested(&unfit[&row]),
            Self::Typed { values, .. } if values.is_valid(row) => Cell::Typed(value(values, kind, row)),
            Self::Text(_) | Self::Typed { .. } => Cell::Null,
        }
    }
}

fn value(values: &ArrayRef, kind: T, row: usize) -> Value {
    match kind {
        T::String => Value::Null,
        T::Bool => Value::Bool(values.as_boolean().value(row)),
        T::Int8 => Value::Int(values.as_primitive::<Int8Type>().value(row).into()),
        T::Int16 => Value::Int(values.as_primitive::<Int16Type>().value(row).into()),
        T::Int32 => Value::Int(values.as_primitive::<Int32Type>().value(row).into()),
        T::Int => Value::Int(values.as_primitive::<Int64Type>().value(row)),
        T::Double => Value::Double(values.as_primitive::<Float64Type>().value(row)),
        T::Decimal { .. } => Value::Decimal(values.as_primitive::<Decimal128Type>().value(row)),
        T::Date => Value::Int(values.as_primitive::<Date32Type>().value(row).into()),
        T::Time => Value::Int(values.as_primitive::<Time64MicrosecondType>().value(row)),
        T::Timestamp => Value::Int(values.as_primitive::<TimestampMicrosecondType>().value(row)),
    }
}

fn is_text(found: &DataType) -> bool {
    match found {
        DataType::Dictionary(_, values) => is_text(values),
        found => matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

/// Whether values of a type can be values of a declared one at all.
fn may_become(found: &DataType, kind: T) -> bool {
    match kind {
        T::String => false,
        T::Bool => found == &DataType::Boolean,
        T::Int8 | T::Int16 | T::Int32 | T::Int | T::Double | T::Decimal { .. } => found.is_numeric(),
        T::Date => matches!(found, DataType::Date32 | DataType::Date64),
        T::Time => matches!(found, DataType::Time32(_) | DataType::Time64(_)),
        T::Timestamp => matches!(found, DataType::Timestamp(..)),
    }
}

/// What cannot be cast is null.
fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, to, &CastOptions { safe: true, ..CastOptions::default() })
}

fn shown(column: &ArrayRef, row: usize) -> String {
    array_value_to_string(column, row).unwrap_or_default()
}
