//! Brings an item's input to a scratch file, and says exactly what was read.

mod file;
mod object;
mod web;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clients::Bucket;
use contract::{Input, size};

use super::address::{ObjectTemplate, Source};
use crate::handler::{HandlerError, ObjectAddress, Work, permanent};

pub(super) use self::web::Web;
pub use self::web::{Revisit, revisit};

/// Longest silence of a storage service.
const IDLE: Duration = Duration::from_mins(1);

/// An input that has arrived.
pub(super) struct Fetched {
    pub(super) file: Arc<File>,
    pub(super) input: Input,
}

/// Fetches the item's input of so many bytes at most. `local_root` is the folder that `file:` may
/// read, where that is allowed.
pub(super) async fn fetch(
    source: &Source,
    work: &Work<'_>,
    web: &Web,
    local_root: Option<&Path>,
    largest: u64,
) -> Result<Fetched, HandlerError> {
    match source {
        Source::Web(template) => web.fetch(template.fill(work.item)?, largest).await,
        Source::Object(template) => {
            Place::Object(template.fill(work.item)?).fetch(work.storage, local_root, largest).await
        }
        Source::File(template) => {
            Place::File(template.fill(work.item)).fetch(work.storage, local_root, largest).await
        }
    }
}

/// Where something is that is not on the web.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Object(ObjectAddress),
    File(PathBuf),
}

impl Place {
    /// Reads an address without placeholders.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("file:") {
            return Some(Self::File(path.into()));
        }
        let item = contract::Item(String::new());
        ObjectTemplate::parse(text).ok()?.fill(&item).ok().map(Self::Object)
    }

    pub(super) async fn fetch(
        &self,
        storage: &Bucket,
        local_root: Option<&Path>,
        largest: u64,
    ) -> Result<Fetched, HandlerError> {
        match self {
            Self::Object(address) => object::fetch(address, storage, largest).await,
            Self::File(path) => file::fetch(path, local_root, largest),
        }
    }
}

/// A scratch file that measures what goes into it.
struct Scratch {
    file: File,
    size: u64,
    crc32c: u32,
    largest: u64,
}

impl Scratch {
    fn new(largest: u64) -> anyhow::Result<Self> {
        let file = tempfile::tempfile().context("cannot make a scratch file")?;
        Ok(Self { file, size: 0, crc32c: 0, largest })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), HandlerError> {
        self.size += bytes.len() as u64;
        self.admit(self.size)?;
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        Ok(self.file.write_all(bytes).context("cannot write to the scratch folder")?)
    }

    /// Whether an input of that size may come.
    fn admit(&self, size: u64) -> Result<(), HandlerError> {
        if size <= self.largest {
            return Ok(());
        }
        Err(permanent!("the input is larger than {}; `max_input` is the bound", size::print(self.largest)))
    }

    /// What has arrived from there; the identity that the source gave is yet to be filled in.
    fn finish(self, uri: String) -> Fetched {
        let (size, crc32c) = (Some(self.size), Some(format!("{:08x}", self.crc32c)));
        let input = Input { uri, generation: None, etag: None, last_modified: None, size, crc32c };
        Fetched { file: Arc::new(self.file), input }
    }
}
