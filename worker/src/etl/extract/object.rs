//! Inputs in Cloud Storage.

use anyhow::anyhow;
use clients::Bucket;
use tokio::time::timeout;

use super::{Fetched, IDLE, Scratch};
use crate::handler::{HandlerError, ObjectAddress, permanent};

/// Where an object is looked for under a name that nobody may have written so.
const ENCODED: &str =
    "; of an item, all but A-Z, a-z, 0-9, `.`, `_`, `-` and `/` is percent-encoded in names of objects";

pub(super) async fn fetch(
    address: &ObjectAddress,
    storage: &Bucket,
    largest: u64,
) -> Result<Fetched, HandlerError> {
    let bucket = storage.sibling(&address.bucket);
    let silent = |_| HandlerError::Retry(anyhow!("{address} sent nothing for {} s", IDLE.as_secs()));
    let opened = timeout(IDLE, bucket.open(&address.object)).await.map_err(silent)?;
    let Some(mut object) = opened.map_err(|error| HandlerError::Retry(error.into()))? else {
        let encoded = if address.object.contains('%') { ENCODED } else { "" };
        return Err(permanent!("there is no input {address}{encoded}"));
    };
    let mut scratch = Scratch::new(largest)?;
    while let Some(chunk) = timeout(IDLE, object.next()).await.map_err(silent)? {
        scratch.push(&chunk.map_err(|error| anyhow!(error).context(format!("cannot read {address}")))?)?;
    }
    let mut fetched = scratch.finish(address.to_string());
    fetched.input.generation = Some(object.object().generation);
    Ok(fetched)
}
