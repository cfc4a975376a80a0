//! Content on its way out over gRPC: the whole or a range in one answer, or as many ranges of one
//! object as a client asks for on a stream.

use std::collections::VecDeque;
use std::fs::File;
use std::io::SeekFrom;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::Stream;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tonic::{Status, Streaming};

use super::convert;
use crate::storage::error::{Result, StorageError};
use crate::storage::object::Object;
use crate::storage::objects::Source;
use crate::storage::proto::{
    BidiReadHandle, BidiReadObjectRequest, BidiReadObjectResponse, ChecksummedData, ContentRange,
    ObjectRangeData, ReadObjectResponse, ReadRange,
};
use crate::storage::state::Storage;

/// Bytes of one answer; Google's are no larger than 2 MiB.
const BLOCK: u64 = 1 << 20;
/// Most ranges that wait to be read on one stream. A client with more waits to ask.
const MOST_RANGES: usize = 1000;

pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = std::result::Result<T, Status>> + Send>>;

/// Answers a read of one range. A limit of 0 is none; an offset below 0 counts from the end.
pub(super) fn range(
    storage: &Storage,
    source: &Source,
    offset: i64,
    limit: i64,
) -> Result<Answers<ReadObjectResponse>> {
    let (object, file) = storage.open_object(source)?;
    let (start, end) = bounds(&object, offset, limit)?;
    let reading = Reading { file: tokio::fs::File::from_std(file), at: start, end, first: Some(object) };
    Ok(Box::pin(futures::stream::try_unfold(reading, |mut reading| async move {
        let first = reading.first.take();
        if first.is_none() && reading.at == reading.end {
            return Ok(None);
        }
        let (start, end) = (reading.at, reading.end);
        let content = block(&mut reading.file, reading.at, reading.end).await?;
        reading.at += content.len() as u64;
        let about = first.map(|object| {
            let range =
                ContentRange { start: signed(start), end: signed(end), complete_length: signed(object.size) };
            (range, convert::object(object))
        });
        let (range, metadata) = about.unzip();
        let answer = ReadObjectResponse {
            checksummed_data: Some(checksummed(content)),
            object_checksums: metadata.as_ref().and_then(|object| object.checksums.clone()),
            content_range: range,
            metadata,
        };
        Ok(Some((answer, reading)))
    })))
}

struct Reading {
    file: tokio::fs::File,
    at: u64,
    end: u64,
    first: Option<Object>,
}

/// A stream of ranges of one object.
struct Ranges {
    requests: Streaming<BidiReadObjectRequest>,
    file: tokio::fs::File,
    object: Object,
    /// What the first answer says beside content.
    greeting: Option<BidiReadObjectResponse>,
    waiting: VecDeque<Range>,
    closed: bool,
}

struct Range {
    asked: ReadRange,
    at: u64,
    end: u64,
}

/// Opens a stream on the object that its first request names.
pub(super) async fn ranges(
    storage: &Arc<Storage>,
    mut requests: Streaming<BidiReadObjectRequest>,
) -> std::result::Result<Answers<BidiReadObjectResponse>, Status> {
    let first = requests.message().await?.unwrap_or_default();
    let Some(spec) = first.read_object_spec else {
        return Err(StorageError::invalid("The first request of a stream must name an object.").into());
    };
    let condition = super::requests::condition!(spec);
    let source = super::requests::source(&spec.bucket, spec.object, spec.generation, condition)?;
    let (object, file): (Object, File) = storage.open_object(&source)?;
    let handle = BidiReadHandle { handle: Bytes::copy_from_slice(&object.generation.to_be_bytes()) };
    let greeting = BidiReadObjectResponse {
        metadata: Some(convert::object(object.clone())),
        read_handle: Some(handle),
        object_data_ranges: Vec::new(),
    };
    let file = tokio::fs::File::from_std(file);
    let mut ranges =
        Ranges { requests, file, object, greeting: Some(greeting), waiting: VecDeque::new(), closed: false };
    ranges.ask(first.read_ranges)?;
    Ok(Box::pin(futures::stream::try_unfold(ranges, |mut ranges| async move {
        Ok(ranges.next().await?.map(|answer| (answer, ranges)))
    })))
}

impl Ranges {
    /// The greeting, then a block of the range that waits longest.
    async fn next(&mut self) -> std::result::Result<Option<BidiReadObjectResponse>, Status> {
        if let Some(greeting) = self.greeting.take() {
            return Ok(Some(greeting));
        }
        while self.waiting.is_empty() {
            if self.closed {
                return Ok(None);
            }
            self.listen().await?;
        }
        let Some(mut range) = self.waiting.pop_front() else { return Ok(None) };
        let content = block(&mut self.file, range.at, range.end).await?;
        let read_range = ReadRange {
            read_offset: signed(range.at),
            read_length: signed(content.len() as u64),
            read_id: range.asked.read_id,
        };
        range.at += content.len() as u64;
        let range_end = range.at == range.end;
        if !range_end {
            self.waiting.push_back(range);
        }
        let data = ObjectRangeData {
            checksummed_data: Some(checksummed(content)),
            read_range: Some(read_range),
            range_end,
        };
        Ok(Some(BidiReadObjectResponse { object_data_ranges: vec![data], ..Default::default() }))
    }

    async fn listen(&mut self) -> std::result::Result<(), Status> {
        match self.requests.message().await? {
            Some(request) => self.ask(request.read_ranges)?,
            None => self.closed = true,
        }
        Ok(())
    }

    fn ask(&mut self, asked: Vec<ReadRange>) -> Result<()> {
        if self.waiting.len() + asked.len() > MOST_RANGES {
            return Err(StorageError::invalid(format!(
                "More than {MOST_RANGES} ranges are asked for at once."
            )));
        }
        for asked in asked {
            let (at, end) = bounds(&self.object, asked.read_offset, asked.read_length)?;
            self.waiting.push_back(Range { asked, at, end });
        }
        Ok(())
    }
}

/// First byte and the one after the last.
fn bounds(object: &Object, offset: i64, limit: i64) -> Result<(u64, u64)> {
    let size = object.size;
    let limit =
        u64::try_from(limit).map_err(|_| StorageError::invalid("A range can't be of negative length."))?;
    let start = match u64::try_from(offset) {
        Ok(offset) if offset > size => return Err(StorageError::range()),
        Ok(offset) => offset,
        Err(_) => size.saturating_sub(offset.unsigned_abs()),
    };
    let end = if limit == 0 { size } else { start.saturating_add(limit).min(size) };
    Ok((start, end))
}

async fn block(file: &mut tokio::fs::File, at: u64, end: u64) -> std::result::Result<Bytes, Status> {
    let failed = |error: std::io::Error| Status::from(StorageError::from(error));
    file.seek(SeekFrom::Start(at)).await.map_err(failed)?;
    let mut block = BytesMut::zeroed(usize::try_from((end - at).min(BLOCK)).unwrap_or(usize::MAX));
    file.read_exact(&mut block).await.map_err(failed)?;
    Ok(block.freeze())
}

fn checksummed(content: Bytes) -> ChecksummedData {
    ChecksummedData { crc32c: Some(crc32c::crc32c(&content)), content }
}

/// Sizes of files are far below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
