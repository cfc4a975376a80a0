//! Reads comma-separated text by the declared schema. Columns are found by the names in the header,
//! in any order; others are not read.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use anyhow::Context as _;
use contract::{BadRows, ColumnType, Schema};
use csv::{ByteRecord, ReaderBuilder};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;

use super::rows::{Rows, RowsWriter};
use super::schema::{self, Column, Value};
use super::scratch::Reader;
use crate::handler::{HandlerError, permanent};

/// Rows of one batch: the work between two chances to stop.
const BATCH: usize = 8192;
/// Rejected rows that are logged one by one.
const EXAMPLES: u64 = 3;
/// Characters of a rejected value that are shown.
const SHOWN: usize = 40;

/// Rows read, and how many did not fit.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) rows: Rows,
    pub(super) total: u64,
    pub(super) rejected: u64,
}

/// Reads a whole file.
pub(super) async fn read(file: Arc<File>, schema: &Schema, policy: BadRows) -> Result<Read, HandlerError> {
    let mut reader =
        ReaderBuilder::new().flexible(true).from_reader(BufReader::with_capacity(1 << 16, Reader::new(file)));
    let header = reader.byte_headers().context("cannot read the header")?;
    let mut table = Table::new(header, schema)?;
    let mut rows = RowsWriter::new(table.schema.clone());
    let mut record = ByteRecord::new();
    let (mut total, mut rejected) = (0, 0);
    while reader.read_byte_record(&mut record).context("cannot read the input")? {
        total += 1;
        if let Err(misfit) = table.push(&record) {
            rejected += 1;
            match policy {
                BadRows::Fail => return Err(permanent!("{misfit}")),
                BadRows::Drop if rejected <= EXAMPLES => tracing::warn!("row left out: {misfit}"),
                BadRows::Drop => {}
            }
        }
        if table.rows == BATCH {
            rows.push(table.take()?)?;
            tokio::task::yield_now().await;
        }
    }
    if table.rows > 0 {
        rows.push(table.take()?)?;
    }
    Ok(Read { rows: rows.finish()?, total, rejected })
}

/// Rows on their way into columns.
struct Table {
    schema: SchemaRef,
    fields: Vec<Field>,
    columns: Vec<Column>,
    /// Fields of a whole row.
    width: usize,
    rows: usize,
}

/// A declared column and its place in the input.
struct Field {
    name: String,
    kind: ColumnType,
    at: usize,
}

impl Table {
    fn new(header: &ByteRecord, schema: &Schema) -> Result<Self, HandlerError> {
        let fields = schema.iter().map(|(name, kind)| {
            let mut places = header.iter().enumerate().filter(|(_, column)| *column == name.as_bytes());
            match (places.next(), places.next()) {
                (Some((at, _)), None) => Ok(Field { name: name.clone(), kind: *kind, at }),
                (Some(_), Some(_)) => Err(permanent!("the header has two columns `{name}`")),
                (None, _) => Err(permanent!("the header has no column `{name}`; it has {}", names(header))),
            }
        });
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        let columns = fields.iter().map(|field| Column::new(field.kind)).collect();
        Ok(Self { schema: schema::table(schema), fields, columns, width: header.len(), rows: 0 })
    }

    /// Appends a row whole, or not at all.
    fn push(&mut self, record: &ByteRecord) -> Result<(), String> {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != self.width {
            return Err(format!("line {line} has {} fields, the header {}", record.len(), self.width));
        }
        let values = self.fields.iter().map(|field| {
            Value::parse(&record[field.at], field.kind).ok_or_else(|| {
                let (found, wanted) = (shown(&record[field.at]), schema::describe(field.kind));
                format!("line {line}, column `{}`: `{found}` is not {wanted}", field.name)
            })
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
        self.rows += 1;
        Ok(())
    }

    fn take(&mut self) -> anyhow::Result<RecordBatch> {
        self.rows = 0;
        let columns = self.columns.iter_mut().map(Column::finish).collect();
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// The beginning of a field as one line of text.
fn shown(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn names(header: &ByteRecord) -> String {
    let names: Vec<String> = header.iter().take(20).map(|name| format!("`{}`", shown(name))).collect();
    if names.is_empty() { "none: the input is empty".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn schema() -> Schema {
        [("rate".to_owned(), ColumnType::Double), ("date".to_owned(), ColumnType::Date)].into()
    }

    async fn read_text(text: &[u8], policy: BadRows) -> Result<Read, HandlerError> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text).expect("room");
        read(Arc::new(file), &schema(), policy).await
    }

    async fn complaint(text: &[u8]) -> String {
        let error = read_text(text, BadRows::Fail).await.expect_err("an error");
        assert!(matches!(error, HandlerError::Permanent(_)), "{error:?}");
        error.to_string()
    }

    #[tokio::test]
    async fn columns_are_found_by_name_and_others_are_not_read() {
        let text = b"\xEF\xBB\xBFx,rate,date\r\n\xff,1.5,2026-01-31\r\n\"a\nb\",,2026-02-01\n";
        let read = read_text(text, BadRows::Fail).await.expect("rows");
        assert_eq!((read.total, read.rejected), (2, 0));
    }

    #[tokio::test]
    async fn rows_that_do_not_fit_are_left_out_and_counted() {
        let text =
            b"date,rate\n2026-01-31,N/A\n2026-01-30,1.1\nshort\n2026-01-29,1.2,more\n2026-01-28,\xff\n";
        let read = read_text(text, BadRows::Drop).await.expect("rows");
        assert_eq!((read.total, read.rejected), (5, 4));
    }

    #[tokio::test]
    async fn a_row_that_does_not_fit_fails_the_item_and_is_named() {
        assert_eq!(
            complaint(b"date,rate\n2026-01-30,1.1\n2026-01-31,N/A\n").await,
            "line 3, column `rate`: `N/A` is not a finite number"
        );
        assert_eq!(complaint(b"date,rate\n2026-01-30\n").await, "line 2 has 1 fields, the header 2");
    }

    #[tokio::test]
    async fn a_column_that_is_not_there_is_named() {
        assert_eq!(
            complaint(b"date,rates\n").await,
            "the header has no column `rate`; it has `date`, `rates`"
        );
        assert_eq!(complaint(b"").await, "the header has no column `date`; it has none: the input is empty");
        assert_eq!(complaint(b"date,rate,rate\n").await, "the header has two columns `rate`");
    }
}
