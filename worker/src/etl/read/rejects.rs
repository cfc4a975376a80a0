//! Keeps rows that did not fit as they were read, each with its line and the reason.
//!
//! CSV: the columns `line` and `reason`, and then the fields of the row under the input's own header.
//! NDJSON: `{"line": …, "reason": …, "row": …}`, where `row` is the line as text, or the fields.

use std::io::Write;

use anyhow::{Context, Result};
use contract::{Compression, Format};
use serde::Serialize;

use crate::etl::pack::Packer;
use crate::handler::Body;

/// A row as the input has it.
#[derive(Clone, Copy)]
pub(super) enum AsRead<'a> {
    /// A record of CSV.
    Fields(&'a csv::ByteRecord),
    /// A line of text, or what stands for a row that has none.
    Line(&'a [u8]),
}

/// Rows that did not fit.
pub(in crate::etl) struct Rejects {
    writer: Writer,
}

enum Writer {
    Csv(Box<csv::Writer<Packer>>),
    Ndjson(Box<Packer>),
}

#[derive(Serialize)]
struct Rejected<'a, R> {
    line: u64,
    reason: &'a str,
    row: R,
}

impl Rejects {
    /// Parquet is no format for rows that have no types; it is written as NDJSON.
    pub(in crate::etl) fn new(format: Format, compression: Compression) -> Result<Self> {
        let packer = Packer::new(compression)?;
        let writer = match format {
            Format::Csv => {
                Writer::Csv(Box::new(csv::WriterBuilder::new().flexible(true).from_writer(packer)))
            }
            Format::Ndjson | Format::Parquet => Writer::Ndjson(Box::new(packer)),
        };
        Ok(Self { writer })
    }

    /// Names the fields of the rows that follow.
    pub(super) fn begin(&mut self, header: &[&[u8]]) -> Result<()> {
        let Writer::Csv(writer) = &mut self.writer else { return Ok(()) };
        let names = [&b"line"[..], b"reason"].into_iter().chain(header.iter().copied());
        writer.write_record(names).context(CANNOT_WRITE)
    }

    pub(super) fn push(&mut self, line: u64, reason: &str, row: AsRead<'_>) -> Result<()> {
        match (&mut self.writer, row) {
            (Writer::Csv(writer), row) => {
                let number = line.to_string();
                let place = [number.as_bytes(), reason.as_bytes()].into_iter();
                match row {
                    AsRead::Fields(fields) => writer.write_record(place.chain(fields)),
                    AsRead::Line(text) => writer.write_record(place.chain([text])),
                }
                .context(CANNOT_WRITE)
            }
            (Writer::Ndjson(packer), AsRead::Fields(fields)) => {
                let row: Vec<_> = fields.iter().map(String::from_utf8_lossy).collect();
                write_line(packer, &Rejected { line, reason, row })
            }
            (Writer::Ndjson(packer), AsRead::Line(text)) => {
                write_line(packer, &Rejected { line, reason, row: String::from_utf8_lossy(text) })
            }
        }
    }

    pub(super) fn finish(self) -> Result<Body> {
        let packer = match self.writer {
            Writer::Csv(writer) => {
                writer.into_inner().map_err(csv::IntoInnerError::into_error).context(CANNOT_WRITE)?
            }
            Writer::Ndjson(packer) => *packer,
        };
        packer.finish()
    }
}

const CANNOT_WRITE: &str = "cannot write rejected rows to the scratch folder";

fn write_line(packer: &mut Packer, row: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *packer, row).context(CANNOT_WRITE)?;
    packer.write_all(b"\n").context(CANNOT_WRITE)
}
