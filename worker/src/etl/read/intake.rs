//! Takes rows as they are read: those that fit become columns; the policy says what becomes of the
//! others.

use std::mem;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;

use super::rejects::AsRead;
use super::{BATCH, BATCH_BYTES, Policy, Read};
use crate::etl::columns::{Builder, Cell, Columns, Value};
use crate::etl::rows::RowsWriter;
use crate::handler::{HandlerError, permanent};

/// Rows left out that are logged one by one.
const EXAMPLES: u64 = 3;

/// Rows on their way into a table.
pub(super) struct Intake {
    columns: Arc<Columns>,
    builders: Vec<Builder>,
    /// The values of the row at hand.
    values: Vec<Value>,
    /// Rows in the builders.
    pending: usize,
    /// Bytes of text in the builders.
    bytes: usize,
    rows: Option<RowsWriter>,
    policy: Policy,
    total: u64,
    rejected: u64,
}

impl Intake {
    pub(super) fn new(columns: Arc<Columns>, policy: Policy) -> Self {
        let builders = columns.all().iter().map(|column| Builder::new(column.kind())).collect();
        let (values, rows) = (Vec::new(), None);
        Self { columns, builders, values, pending: 0, bytes: 0, rows, policy, total: 0, rejected: 0 }
    }

    /// What rejected rows are written under, beside the reason.
    pub(super) fn names(&mut self, header: &[&[u8]]) -> Result<(), HandlerError> {
        if let Policy::Reject(rejects) = &mut self.policy {
            rejects.begin(header)?;
        }
        Ok(())
    }

    /// Appends a row whole, or says why it does not fit. `cell` is what the input has for the
    /// declared column of that place.
    pub(super) fn push<'r>(&mut self, cell: impl Fn(usize) -> Cell<'r>) -> Result<(), String> {
        self.values.clear();
        for (at, column) in self.columns.all().iter().enumerate() {
            let value =
                column.read(cell(at)).map_err(|what| format!("column `{}`: {what}", column.name()))?;
            self.values.push(value);
        }
        for (at, (builder, value)) in self.builders.iter_mut().zip(&self.values).enumerate() {
            let cell = cell(at);
            if let Cell::Text(text) = cell {
                self.bytes += text.len();
            }
            builder.push(*value, cell);
        }
        self.total += 1;
        self.pending += 1;
        Ok(())
    }

    /// A row that does not fit.
    pub(super) fn reject(&mut self, line: u64, reason: &str, row: AsRead<'_>) -> Result<(), HandlerError> {
        self.total += 1;
        self.rejected += 1;
        match &mut self.policy {
            Policy::Fail => return Err(permanent!("line {line}: {reason}")),
            Policy::Drop if self.rejected <= EXAMPLES => {
                tracing::warn!("row left out: line {line}: {reason}");
            }
            Policy::Drop => {}
            Policy::Reject(rejects) => rejects.push(line, reason, row)?,
        }
        Ok(())
    }

    /// To be called between rows: moves full batches on, and pauses after one.
    pub(super) async fn pause(&mut self) -> Result<(), HandlerError> {
        if self.pending == BATCH
            || self.bytes >= BATCH_BYTES
            || (self.pending == 0 && self.rejected > 0 && self.rejected.is_multiple_of(BATCH as u64))
        {
            self.flush()?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Rows that have their types already.
    pub(super) fn push_batch(&mut self, batch: RecordBatch) -> Result<(), HandlerError> {
        self.total += batch.num_rows() as u64;
        let table = batch.schema();
        Ok(self.writer(table).push(batch)?)
    }

    pub(super) fn finish(mut self, table: SchemaRef) -> Result<Read, HandlerError> {
        self.flush()?;
        let rows = self.rows.unwrap_or_else(|| RowsWriter::new(table)).finish()?;
        let rejects = match self.policy {
            Policy::Reject(rejects) => Some(rejects.finish()?),
            Policy::Fail | Policy::Drop => None,
        };
        Ok(Read { rows, total: self.total, rejected: self.rejected, rejects })
    }

    /// Moves the rows so far on.
    pub(super) fn flush(&mut self) -> Result<(), HandlerError> {
        self.bytes = 0;
        if mem::take(&mut self.pending) == 0 {
            return Ok(());
        }
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        let table = self.columns.table().clone();
        let batch = RecordBatch::try_new(table.clone(), columns).map_err(anyhow::Error::from)?;
        Ok(self.writer(table).push(batch)?)
    }

    fn writer(&mut self, table: SchemaRef) -> &mut RowsWriter {
        self.rows.get_or_insert_with(|| RowsWriter::new(table))
    }
}
