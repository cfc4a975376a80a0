//! Reads a fetched input into rows of the declared types. Each format is a file; what becomes of a
//! row that does not fit is [`intake`]'s.

mod csv;
mod encoding;
mod intake;
mod ndjson;
mod parquet;
mod quotes;
mod rejects;
mod unpack;

use std::fs::File;
use std::io;
use std::sync::Arc;

use anyhow::Context;
use contract::{Compression, Format};

use self::intake::Intake;
use super::columns::Columns;
use super::rows::Rows;
use crate::handler::{Body, HandlerError, permanent};

pub(super) use self::rejects::Rejects;

/// Rows of one batch: the work between two chances to stop.
const BATCH: usize = 8192;
/// Longest row, in bytes; what is longer is no table, or has a quote that is never closed.
const LONGEST_ROW: u64 = 16 << 20;
/// Most fields of a row of CSV: their places take eight bytes each.
const MOST_FIELDS: usize = 1 << 20;
/// Bytes of text that end a batch before it has all its rows.
const BATCH_BYTES: usize = 8 << 20;

/// How an input is written down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) format: Format,
    pub(super) compression: Compression,
    /// Largest size as unpacked, in bytes.
    pub(super) largest: u64,
}

/// What becomes of rows that do not fit.
pub(super) enum Policy {
    Fail,
    Drop,
    Reject(Box<Rejects>),
}

/// Rows read, and how many did not fit.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) rows: Rows,
    pub(super) total: u64,
    pub(super) rejected: u64,
    /// The rows that did not fit, where they are kept.
    pub(super) rejects: Option<Body>,
}

/// Reads a whole input.
pub(super) async fn read(
    file: Arc<File>,
    written: Written,
    columns: &Arc<Columns>,
    policy: Policy,
) -> Result<Read, HandlerError> {
    let intake = Intake::new(columns.clone(), policy);
    match written.format {
        Format::Csv => csv::read(encoding::text(unpack::stream(file, written)?)?, columns, intake).await,
        Format::Ndjson => {
            ndjson::read(encoding::text(unpack::stream(file, written)?)?, columns, intake).await
        }
        Format::Parquet => parquet::read(&unpack::file(file, written)?, columns, intake).await,
    }
}

/// An error of reading: the machine's may pass, what is wrong with the bytes stays.
fn judged(error: io::Error) -> HandlerError {
    match error.raw_os_error() {
        Some(_) => {
            HandlerError::Retry(anyhow::Error::new(error).context("cannot read from the scratch folder"))
        }
        None => permanent!("{error}"),
    }
}

/// Copies what a scratch file takes.
fn copy(from: &mut dyn io::Read, into: &mut File) -> Result<(), HandlerError> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer).map_err(judged)?;
        if read == 0 {
            return Ok(());
        }
        io::Write::write_all(into, &buffer[..read]).context("cannot write to the scratch folder")?;
    }
}

#[cfg(test)]
mod tests;
