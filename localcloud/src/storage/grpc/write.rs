//! Content on its way in over gRPC: an object in one stream of messages, or a part of a resumable
//! upload.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tonic::{Status, Streaming};

use super::convert;
use crate::storage::checksum::Expected;
use crate::storage::error::{Result, StorageError};
use crate::storage::objects::NewObject;
use crate::storage::parts::{Last, Part};
use crate::storage::proto::write_object_request::{Data, FirstMessage};
use crate::storage::proto::write_object_response::WriteStatus;
use crate::storage::proto::{WriteObjectRequest, WriteObjectResponse, WriteObjectSpec};
use crate::storage::state::Storage;
use crate::storage::uploads::Standing;

/// Takes a stream of messages in.
pub(super) async fn object(
    storage: &Storage,
    mut requests: Streaming<WriteObjectRequest>,
) -> std::result::Result<WriteObjectResponse, Status> {
    let mut first = requests.message().await?.unwrap_or_default();
    let expected = convert::expected(first.object_checksums.clone());
    let (target, offset) = (first.first_message.take(), first.write_offset);
    let finished = Arc::new(AtomicBool::new(false));
    let body = content(first, requests, finished.clone());
    let status = match target {
        Some(FirstMessage::WriteObjectSpec(spec)) => {
            let new = NewObject { expected, ..new_object(spec)? };
            whole(storage, new, body, &finished).await?
        }
        Some(FirstMessage::UploadId(id)) => {
            let start = u64::try_from(offset)
                .map_err(|_| StorageError::invalid("The write offset can't be negative."))?;
            let part = Part { start: Some(start), last: Last::Said(finished), total: None, expected };
            match storage.continue_upload(&id, part, pin!(body)).await? {
                Standing::Done(object) => WriteStatus::Resource(convert::object(*object)),
                Standing::Partial(size) => {
                    WriteStatus::PersistedSize(i64::try_from(size).unwrap_or(i64::MAX))
                }
            }
        }
        None => {
            return Err(StorageError::invalid("The first message must name an object or an upload.").into());
        }
    };
    Ok(WriteObjectResponse { write_status: Some(status) })
}

async fn whole(
    storage: &Storage,
    new: NewObject,
    body: impl Stream<Item = Result<Bytes>>,
    finished: &AtomicBool,
) -> Result<WriteStatus> {
    storage.check_new(&new)?;
    let mut draft = storage.draft().await?;
    let mut body = pin!(body);
    while let Some(bytes) = body.next().await {
        draft.write(&bytes?).await?;
    }
    if !finished.load(Ordering::Relaxed) {
        return Err(StorageError::invalid("The stream ended before finish_write."));
    }
    let object = storage.commit(new, &draft.finish().await?, None)?;
    Ok(WriteStatus::Resource(convert::object(object)))
}

/// An object that is to be, with its conditions.
pub(super) fn new_object(spec: WriteObjectSpec) -> Result<NewObject> {
    if spec.appendable.unwrap_or_default() {
        return Err(StorageError::unsupported("`appendable`"));
    }
    if !spec.predefined_acl.is_empty() {
        return Err(StorageError::unsupported("`predefined_acl`"));
    }
    let condition = super::requests::condition!(spec);
    let new = convert::new_object(&spec.resource.unwrap_or_default())?;
    Ok(NewObject { condition, expected: Expected::default(), ..new })
}

/// The bytes of the messages, each checked, until one says that it is the last.
fn content(
    first: WriteObjectRequest,
    requests: Streaming<WriteObjectRequest>,
    finished: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Bytes>> {
    let state = (Some(first), requests, finished);
    futures::stream::try_unfold(state, |(first, mut requests, finished)| async move {
        if finished.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let next = match first {
            Some(first) => Some(first),
            None => requests.message().await.map_err(|status| StorageError::invalid(status.message()))?,
        };
        let Some(next) = next else { return Ok(None) };
        finished.store(next.finish_write, Ordering::Relaxed);
        let bytes = match next.data {
            Some(Data::ChecksummedData(data)) => {
                let differs = data.crc32c.is_some_and(|sum| sum != crc32c::crc32c(&data.content));
                if differs {
                    return Err(StorageError::invalid(
                        "The checksum of a message is not that of its content.",
                    ));
                }
                data.content
            }
            None => Bytes::new(),
        };
        Ok(Some((bytes, (None, requests, finished))))
    })
}
