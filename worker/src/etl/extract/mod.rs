//! Brings an item's input to a scratch file, and says exactly what was read.

mod file;
mod object;
mod web;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use contract::Input;

use super::address::Source;
use crate::handler::{HandlerError, Work, permanent};

/// Largest input, in bytes: a bound on the scratch folder, far above what one item should read.
const LARGEST: u64 = 64 << 30;
/// Longest silence of a source.
const IDLE: Duration = Duration::from_mins(1);

/// An input that has arrived.
pub(super) struct Fetched {
    pub(super) file: Arc<File>,
    pub(super) input: Input,
}

/// Fetches the item's input. `local_root` is the folder that `file:` may read, where that is allowed.
pub(super) async fn fetch(
    source: &Source,
    work: &Work<'_>,
    web: &Web,
    local_root: Option<&Path>,
) -> Result<Fetched, HandlerError> {
    match source {
        Source::Object(template) => object::fetch(&template.fill(work.item)?, work.storage).await,
        Source::Web(template) => web.fetch(template.fill(work.item)?).await,
        Source::File(template) => file::fetch(&template.fill(work.item), local_root),
    }
}

pub(super) use web::Web;

/// A scratch file that measures what goes into it.
struct Scratch {
    file: File,
    size: u64,
    crc32c: u32,
}

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let file = tempfile::tempfile().context("cannot make a scratch file")?;
        Ok(Self { file, size: 0, crc32c: 0 })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), HandlerError> {
        self.size += bytes.len() as u64;
        if self.size > LARGEST {
            return Err(permanent!("the input is larger than {} GiB", LARGEST >> 30));
        }
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        Ok(self.file.write_all(bytes).context("cannot write to the scratch folder")?)
    }

    /// `uri` and whatever identity the source gave.
    fn finish(self, uri: String, generation: Option<i64>, etag: Option<String>) -> Fetched {
        let crc32c = Some(format!("{:08x}", self.crc32c));
        let input = Input { uri, generation, etag, size: Some(self.size), crc32c };
        Fetched { file: Arc::new(self.file), input }
    }
}
