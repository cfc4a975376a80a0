//! Unpacks inputs while they are read. A few packed bytes can stand for terabytes: what comes out is
//! bounded.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use anyhow::Context;
use contract::{Compression, size};
use flate2::read::MultiGzDecoder;

use super::{Written, copy, judged};
use crate::etl::scratch::Reader;
use crate::handler::HandlerError;

/// Bytes that are read ahead.
const AHEAD: usize = 1 << 16;

/// The input as it was before it was packed.
pub(super) fn stream(file: Arc<File>, written: Written) -> Result<Box<dyn Read + Send>, HandlerError> {
    let packed = BufReader::with_capacity(AHEAD, Reader::new(file));
    Ok(match written.compression {
        Compression::None => Box::new(packed),
        Compression::Gzip => bounded(MultiGzDecoder::new(packed), written.largest, "gzip"),
        Compression::Zstd => {
            let unpacked = zstd::Decoder::with_buffer(packed).map_err(judged)?;
            bounded(unpacked, written.largest, "zstd")
        }
    })
}

/// As [`stream`], where any place of it may be read.
pub(super) fn file(file: Arc<File>, written: Written) -> Result<Arc<File>, HandlerError> {
    if written.compression == Compression::None {
        return Ok(file);
    }
    let mut unpacked = tempfile::tempfile().context("cannot make a scratch file")?;
    copy(&mut stream(file, written)?, &mut unpacked)?;
    Ok(Arc::new(unpacked))
}

fn bounded<R: Read + Send + 'static>(
    unpacked: R,
    largest: u64,
    packing: &'static str,
) -> Box<dyn Read + Send> {
    Box::new(Bounded { unpacked, left: largest, largest, packing })
}

/// Stops where the bound is.
struct Bounded<R> {
    unpacked: R,
    left: u64,
    largest: u64,
    packing: &'static str,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.unpacked.read(into).map_err(|error| match error.raw_os_error() {
            Some(_) => error,
            None => io::Error::other(format!("the input is not whole and sound {}: {error}", self.packing)),
        })?;
        let Some(left) = self.left.checked_sub(read as u64) else {
            let largest = size::print(self.largest);
            return Err(io::Error::other(format!(
                "the input is larger than {largest} as unpacked; `max_input` is the bound"
            )));
        };
        self.left = left;
        Ok(read)
    }
}
