//! Reads CSV: a header, then one record a row. Columns are found by name; others are not looked at.

use std::io;

use csv::{ByteRecord, ReaderBuilder};

use super::intake::Intake;
use super::quotes::Checked;
use super::rejects::AsRead;
use super::{Read, judged};
use crate::etl::columns::{Cell, Columns, shortened};
use crate::handler::{HandlerError, permanent};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// Reads a whole input.
pub(super) async fn read(
    input: impl io::Read + Send,
    columns: &Columns,
    mut intake: Intake,
) -> Result<Read, HandlerError> {
    let mut reader =
        ReaderBuilder::new().flexible(true).buffer_capacity(BUFFER).from_reader(Checked::new(input));
    let header = reader.byte_headers().map_err(broken)?.clone();
    let places = places(&header, columns)?;
    intake.names(&header.iter().collect::<Vec<_>>())?;
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(broken)? {
        let fits = match record.len() == header.len() {
            true => intake.push(|at| Cell::Text(&record[places[at]])),
            false => Err(format!("the row has {} fields, the header {}", record.len(), header.len())),
        };
        if let Err(reason) = fits {
            let line = record.position().map_or(0, csv::Position::line);
            intake.reject(line, &reason, AsRead::Fields(&record))?;
        }
        intake.pause().await?;
    }
    intake.finish(columns.table().clone())
}

/// Where the declared columns are.
fn places(header: &ByteRecord, columns: &Columns) -> Result<Vec<usize>, HandlerError> {
    let places = columns.all().iter().map(|column| {
        let name = column.name();
        let mut places = header.iter().enumerate().filter(|(_, found)| *found == name.as_bytes());
        match (places.next(), places.next()) {
            (Some((at, _)), None) => Ok(at),
            (Some(_), Some(_)) => Err(permanent!("the header has two columns `{name}`")),
            (None, _) => Err(permanent!("the header has no column `{name}`; it has {}", names(header))),
        }
    });
    places.collect()
}

fn names(header: &ByteRecord) -> String {
    let shown = |name: &[u8]| format!("`{}`", shortened(&String::from_utf8_lossy(name)));
    let names: Vec<String> = header.iter().take(20).map(shown).collect();
    if names.is_empty() { "none: the input is empty".to_owned() } else { names.join(", ") }
}

fn broken(error: csv::Error) -> HandlerError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => judged(error),
        other => permanent!("the input is no CSV: {other:?}"),
    }
}
