//! Rows that no memory holds, generated while they are read.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::streaming::PartitionStream as _;
use futures::TryStreamExt as _;

use super::*;

const GIB: u64 = 1 << 30;

/// A beginning, and then as many bytes as one likes of a pattern that comes again and again.
struct Endless<'a> {
    head: &'a [u8],
    /// The pattern, often enough for any one look at it.
    pattern: Vec<u8>,
    period: usize,
    at: usize,
    left: u64,
    /// What was read of it.
    given: &'a AtomicU64,
}

impl io::Read for Endless<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut size = self.head.read(into)?;
        if size == 0 {
            let pattern = &self.pattern[self.at..];
            size = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len()).min(pattern.len());
            into[..size].copy_from_slice(&pattern[..size]);
            self.at = (self.at + size) % self.period;
            self.left -= size as u64;
        }
        self.given.fetch_add(size as u64, Relaxed);
        Ok(size)
    }
}

fn text_column() -> Arc<Columns> {
    let schema = [("a".to_owned(), contract::ColumnType::String.into())].into();
    Arc::new(Columns::declared(&schema, &[]).expect("a schema"))
}

/// Why an input is refused, and how much of it was read. Under every policy it is the same.
async fn refused(format: Format, head: &str, pattern: &str, size: u64) -> (String, u64) {
    let given = AtomicU64::new(0);
    let (period, pattern) = (pattern.len(), pattern.repeat((1 << 17) / pattern.len()).into_bytes());
    let input = Endless { head: head.as_bytes(), pattern, period, at: 0, left: size, given: &given };
    let columns = text_column();
    let intake = Intake::new(columns.clone(), Policy::Drop);
    let read = match format {
        Format::Csv => csv::read(input, &columns, intake).await,
        _ => ndjson::read(input, &columns, intake).await,
    };
    match read {
        Err(HandlerError::Permanent(error)) => (format!("{error:#}"), given.load(Relaxed)),
        other => panic!("{head}: {other:?}"),
    }
}

#[tokio::test]
async fn a_line_of_a_gibibyte_is_refused_before_it_is_in_memory() {
    let row = |line| format!("the row that begins in line {line} is longer than 16 MiB");
    let fields = |line| format!("the row that begins in line {line} has more than 1048576 fields");
    let quote = "the quote that opens in line 2 does not close within 16 MiB".to_owned();
    let line = |line| format!("line {line} is longer than 16 MiB");
    let (csv, ndjson) = (Format::Csv, Format::Ndjson);
    for (format, head, pattern, expected) in [
        (csv, "", "x", row(1)),
        (csv, "a\n", ",", fields(2)),
        (csv, "", "a,", fields(1)),
        (csv, "a\n", "\"\",", fields(2)),
        // Fields that close, in a row that does not end, over many lines.
        (csv, "a\n", "\"0123456789\n0123456789012345678901234567890123456789\",", row(2)),
        (csv, "a\n\"", "\n", quote.clone()),
        (csv, "a\n\"", "\"\"", quote),
        (ndjson, "", "x", line(1)),
        (ndjson, "{\"a\":\"1\"}\n{\"a\":\"", "x", line(2)),
    ] {
        let (said, read) = refused(format, head, pattern, GIB).await;
        assert_eq!(said, expected, "{head:?} {pattern:?}");
        assert!(read < 17 << 20, "{head:?} {pattern:?}: {read} bytes were read");
    }
}

#[tokio::test]
async fn long_rows_are_handed_on_a_few_at_a_time() {
    const LONG: usize = 1 << 20;
    const ROWS: usize = 40;
    let row = |before: &str, after: &str| format!("{before}{}{after}\n", "x".repeat(LONG));
    for (format, head, row) in
        [(Format::Csv, "a\n", row("", "")), (Format::Ndjson, "", row("{\"a\":\"", "\"}"))]
    {
        let columns = text_column();
        let intake = Intake::new(columns.clone(), Policy::Fail);
        let input = io::Cursor::new(head.to_owned() + &row.repeat(ROWS));
        let read = match format {
            Format::Csv => csv::read(input, &columns, intake).await,
            _ => ndjson::read(input, &columns, intake).await,
        };
        let read = read.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.total, ROWS as u64);
        let batches = read.rows.execute(Arc::new(TaskContext::default()));
        let batches: Vec<_> = batches.try_collect().await.expect("rows");
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), ROWS);
        let largest = batches.iter().map(RecordBatch::num_rows).max().expect("a batch");
        assert!(largest * LONG <= BATCH_BYTES + LONG, "{largest} rows of {LONG} bytes at once");
    }
}
