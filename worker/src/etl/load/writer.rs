//! One output in the making: the same rows always become the same bytes.
//!
//! CSV: a header, `\n` at the end of lines, fields quoted where RFC 4180 requires, nulls empty,
//! numbers in the shortest form that reads back the same. NDJSON: every column in every line, nulls
//! too. Parquet: one writer version, no times.

use anyhow::{Context, Result};
use contract::{Compression, Format};
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder as JsonBuilder};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{self, GzipLevel, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use crate::etl::pack::Packer;
use crate::handler::Body;

/// Rows of Parquet that wait in memory, in bytes, over all outputs of an item.
const ROW_GROUP: usize = 64 << 20;

/// How an output is written down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::etl) struct Form {
    pub(in crate::etl) format: Format,
    pub(in crate::etl) compression: Compression,
}

/// An output in the making.
pub(super) struct Output {
    writer: Writer,
    shares: usize,
}

enum Writer {
    Csv(Box<datafusion::arrow::csv::Writer<Packer>>),
    Ndjson(Box<datafusion::arrow::json::Writer<Packer, LineDelimited>>),
    Parquet(Box<ArrowWriter<Packer>>),
}

impl Output {
    /// One of so many outputs.
    pub(super) fn new(form: Form, schema: &SchemaRef, shares: usize) -> Result<Self> {
        let packer = |compression| Packer::sharing(compression, shares);
        let writer = match form.format {
            Format::Csv => {
                let writer = WriterBuilder::new().with_header(true).build(packer(form.compression)?);
                Writer::Csv(Box::new(writer))
            }
            Format::Ndjson => {
                let writer = JsonBuilder::new().with_explicit_nulls(true).build(packer(form.compression)?);
                Writer::Ndjson(Box::new(writer))
            }
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(codec(form.compression)?)
                    .set_created_by("provision".to_owned())
                    .build();
                let file = packer(Compression::None)?;
                Writer::Parquet(Box::new(ArrowWriter::try_new(file, schema.clone(), Some(properties))?))
            }
        };
        let mut output = Self { writer, shares };
        // The header, even if no row follows.
        output.push(&RecordBatch::new_empty(schema.clone()))?;
        Ok(output)
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.writer {
            Writer::Csv(writer) => writer.write(batch).context("cannot write the output as CSV"),
            Writer::Ndjson(writer) => writer.write(batch).context("cannot write the output as NDJSON"),
            Writer::Parquet(writer) => {
                writer.write(batch).context("cannot write the output as Parquet")?;
                if writer.in_progress_size() > ROW_GROUP / self.shares {
                    writer.flush().context("cannot write the output as Parquet")?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn finish(self) -> Result<Body> {
        match self.writer {
            Writer::Csv(writer) => writer.into_inner().finish(),
            Writer::Ndjson(mut writer) => {
                writer.finish().context("cannot write the output as NDJSON")?;
                writer.into_inner().finish()
            }
            Writer::Parquet(writer) => {
                writer.into_inner().context("cannot write the output as Parquet")?.finish()
            }
        }
    }
}

/// Parquet packs its pages one by one.
fn codec(compression: Compression) -> Result<basic::Compression> {
    Ok(match compression {
        Compression::None => basic::Compression::UNCOMPRESSED,
        Compression::Gzip => basic::Compression::GZIP(GzipLevel::default()),
        Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::try_new(3)?),
    })
}
