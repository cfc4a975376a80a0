//! Reads Parquet. It brings its own types; a declared schema chooses columns and casts them.

use std::fs::File;
use std::sync::Arc;

use anyhow::Context;
use contract::Schema;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::csv::Read;
use super::rows::RowsWriter;
use super::schema;
use crate::handler::{HandlerError, permanent};

/// Reads a whole file.
pub(super) async fn read(file: &Arc<File>, declared: &Schema) -> Result<Read, HandlerError> {
    let file = file.try_clone().context("cannot read from the scratch folder")?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| permanent!("the input is not Parquet: {error}"))?;
    let table = if declared.is_empty() { reader.schema().clone() } else { schema::table(declared) };
    let batches = reader.build().map_err(|error| permanent!("cannot read the input: {error}"))?;
    let mut rows = RowsWriter::new(table.clone());
    let mut total = 0;
    for batch in batches {
        let batch = batch.map_err(|error| permanent!("cannot read the input: {error}"))?;
        total += batch.num_rows() as u64;
        rows.push(typed(&batch, &table)?)?;
        tokio::task::yield_now().await;
    }
    Ok(Read { rows: rows.finish()?, total, rejected: 0 })
}

fn typed(batch: &RecordBatch, table: &SchemaRef) -> Result<RecordBatch, HandlerError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let columns = table.fields().iter().map(|field| {
        let name = field.name();
        let column =
            batch.column_by_name(name).ok_or_else(|| permanent!("the input has no column `{name}`"))?;
        cast_with_options(column, field.data_type(), &strict)
            .map_err(|error| permanent!("column `{name}` is not {}: {error}", field.data_type()))
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(table.clone(), columns).map_err(anyhow::Error::from)?)
}
