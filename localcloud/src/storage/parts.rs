//! Parts of a resumable upload, and what of each is kept: whole blocks, and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};

use super::checksum::Expected;
use super::draft::{BLOCK, Draft};
use super::error::{Result, StorageError};

/// A part of the content, as `Content-Range` says it.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// Where it begins; none asks only how far the upload is.
    pub(super) start: Option<u64>,
    /// Whether the content ends with it.
    pub(super) last: Last,
    /// Size of the whole content, where it is known.
    pub(super) total: Option<u64>,
    /// What the whole content comes to, where it is known only now.
    pub(super) expected: Expected,
}

/// Whether a part is the last one.
#[derive(Clone, Debug, Default)]
pub(super) enum Last {
    #[default]
    No,
    Yes,
    /// It is said in the body itself, as gRPC does.
    Said(Arc<AtomicBool>),
}

impl Last {
    fn is_true(&self) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::Said(said) => said.load(Ordering::Relaxed),
        }
    }
}

impl From<bool> for Last {
    fn from(last: bool) -> Self {
        if last { Self::Yes } else { Self::No }
    }
}

impl Draft {
    /// Takes a part in, and says whether the content is complete with it.
    pub(super) async fn take<B, E>(&mut self, part: &Part, body: B) -> Result<bool>
    where
        B: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    {
        let Some(start) = part.start else {
            return Ok(part.total == Some(self.size()));
        };
        let (came, tail) = self.append(start, body).await?;
        let size = self.size() + tail.len() as u64;
        if let Some(total) = part.total.filter(|total| size > *total) {
            return Err(StorageError::invalid(format!(
                "The upload has {size} bytes, more than it said ({total})."
            )));
        }
        let whole = came.is_some();
        if whole && part.total.map_or_else(|| part.last.is_true(), |total| size == total) {
            self.write(&tail).await?;
            self.flush().await?;
            return Ok(true);
        }
        self.flush().await?;
        match came {
            Some(came) if came < BLOCK as u64 => Err(StorageError::too_small(came, BLOCK as u64)),
            _ => Ok(false),
        }
    }

    /// Appends a part that begins at `start`; what is here already is skipped. Only whole blocks are
    /// written; the rest is returned, and how many bytes came, if the body came to its end.
    async fn append<B, E>(&mut self, start: u64, mut body: B) -> Result<(Option<u64>, BytesMut)>
    where
        B: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    {
        if start > self.size() {
            return Err(StorageError::beyond(start, self.size()));
        }
        let (mut skip, mut came) = (self.size() - start, 0);
        let mut tail = BytesMut::new();
        while let Some(bytes) = body.next().await {
            let Ok(bytes) = bytes else { return Ok((None, tail)) };
            came += bytes.len() as u64;
            let skipped = skip.min(bytes.len() as u64);
            skip -= skipped;
            tail.extend_from_slice(&bytes[usize::try_from(skipped).unwrap_or(bytes.len())..]);
            while tail.len() >= BLOCK {
                self.write(&tail.split_to(BLOCK)).await?;
            }
        }
        Ok((Some(came), tail))
    }
}
