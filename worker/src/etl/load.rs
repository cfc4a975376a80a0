//! Writes rows down: the same rows always become the same bytes.
//!
//! CSV: a header, `\n` at the end of lines, fields quoted where RFC 4180 requires, nulls empty,
//! numbers in the shortest form that reads back the same. Parquet: one writer version, no times.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use anyhow::Context;
use bytes::Bytes;
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use tempfile::SpooledTempFile;

use super::address::Format;
use crate::handler::Body;

/// Output that stays in memory, in bytes.
const MEMORY: usize = 8 << 20;

/// An output in the making.
pub(super) struct Output {
    writer: Writer,
    rows: u64,
}

enum Writer {
    Csv(Box<datafusion::arrow::csv::Writer<SpooledTempFile>>),
    Parquet(Box<ArrowWriter<SpooledTempFile>>),
}

impl Output {
    pub(super) fn new(format: Format, schema: &SchemaRef) -> anyhow::Result<Self> {
        let file = SpooledTempFile::new(MEMORY);
        let mut output = Self { rows: 0, writer: Writer::new(format, file, schema)? };
        // The header, even if no row follows.
        output.push(&RecordBatch::new_empty(schema.clone()))?;
        Ok(output)
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        self.rows += batch.num_rows() as u64;
        match &mut self.writer {
            Writer::Csv(writer) => writer.write(batch).context("cannot write the output as CSV"),
            Writer::Parquet(writer) => writer.write(batch).context("cannot write the output as Parquet"),
        }
    }

    /// The output and its number of rows.
    pub(super) fn finish(self) -> anyhow::Result<(Body, u64)> {
        let file = match self.writer {
            Writer::Csv(writer) => writer.into_inner(),
            Writer::Parquet(writer) => writer.into_inner().context("cannot write the output as Parquet")?,
        };
        Ok((body(file)?, self.rows))
    }
}

impl Writer {
    fn new(format: Format, file: SpooledTempFile, schema: &SchemaRef) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(WriterBuilder::new().with_header(true).build(file))),
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::UNCOMPRESSED)
                    .set_created_by("provision".to_owned())
                    .build();
                Self::Parquet(Box::new(ArrowWriter::try_new(file, schema.clone(), Some(properties))?))
            }
        })
    }
}

fn body(mut file: SpooledTempFile) -> anyhow::Result<Body> {
    file.flush().context("cannot write to the scratch folder")?;
    match file.into_inner() {
        tempfile::SpooledData::InMemory(bytes) => Ok(Body::Memory(Bytes::from(bytes.into_inner()))),
        tempfile::SpooledData::OnDisk(file) => Ok(Body::File(rewound(file)?)),
    }
}

fn rewound(mut file: File) -> anyhow::Result<File> {
    file.seek(SeekFrom::Start(0)).context("cannot read from the scratch folder")?;
    Ok(file)
}
