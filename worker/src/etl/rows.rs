//! The rows of one input with their types, kept for as many scans as the query wants: in memory
//! while they are few, in a scratch file beyond.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

use super::scratch::Reader;

/// Rows that stay in memory, in bytes; the query's own limit comes on top.
const MEMORY: usize = 32 << 20;

/// All rows of one input or table.
#[derive(Debug)]
pub(super) struct Rows {
    schema: SchemaRef,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<RecordBatch>),
    File(Arc<File>),
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

impl Rows {
    fn scan(&self) -> Result<Batches, ArrowError> {
        Ok(match &self.store {
            Store::Memory(batches) => Box::new(batches.clone().into_iter().map(Ok)),
            Store::File(file) => {
                Box::new(StreamReader::try_new(BufReader::new(Reader::new(file.clone())), None)?)
            }
        })
    }
}

/// The rows as the one partition of a table.
impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = self.scan().unwrap_or_else(|error| Box::new(std::iter::once(Err(error))));
        let batches = futures::stream::iter(batches.map(|batch| batch.map_err(DataFusionError::from)));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}

/// Collects rows.
pub(super) struct RowsWriter {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    bytes: usize,
    file: Option<StreamWriter<File>>,
}

impl RowsWriter {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, batches: Vec::new(), bytes: 0, file: None }
    }

    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if let Some(file) = &mut self.file {
            return file.write(&batch).context("cannot write rows to the scratch folder");
        }
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        if self.bytes > MEMORY { self.spill() } else { Ok(()) }
    }

    pub(super) fn finish(self) -> Result<Rows> {
        let store = match self.file {
            None => Store::Memory(self.batches),
            Some(file) => {
                Store::File(Arc::new(file.into_inner().context("cannot write rows to the scratch folder")?))
            }
        };
        Ok(Rows { schema: self.schema, store })
    }

    fn spill(&mut self) -> Result<()> {
        let file = tempfile::tempfile().context("cannot make a scratch file")?;
        let mut file = StreamWriter::try_new(file, &self.schema)?;
        for batch in self.batches.drain(..) {
            file.write(&batch).context("cannot write rows to the scratch folder")?;
        }
        self.file = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn rows_larger_than_memory_can_be_scanned_twice_at_once() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let mut writer = RowsWriter::new(schema.clone());
        let batches = 12;
        for _ in 0..batches {
            let column = Int64Array::from_value(7, 512 << 10);
            writer
                .push(RecordBatch::try_new(schema.clone(), vec![Arc::new(column)]).expect("a batch"))
                .expect("room");
        }
        let rows = writer.finish().expect("rows");
        assert!(matches!(rows.store, Store::File(_)));
        let scans = rows.scan().expect("a scan").zip(rows.scan().expect("another"));
        assert_eq!(scans.filter(|(a, b)| a.as_ref().ok() == b.as_ref().ok()).count(), batches);
    }
}
