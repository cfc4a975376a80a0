//! The parsers of Cloud Storage's REST API, fed with anything.

use std::convert::Infallible;

use bytes::Bytes;
use futures::FutureExt as _;

use super::multipart::Multipart;
use super::{download, upload};
use crate::storage::{names, place};

/// The body comes in pieces of as many bytes as its first one says.
pub(crate) fn multipart(bytes: &[u8]) {
    let size = bytes.first().map_or(1, |byte| usize::from(*byte).max(1));
    let pieces = bytes.chunks(size).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)));
    let read = async {
        let mut parts = Multipart::new("multipart/related; boundary=b", futures::stream::iter(pieces))?;
        parts.first().await?;
        parts.whole(1 << 10).await?;
        while parts.next().await?.is_some() {
            while parts.bytes().await?.is_some() {}
        }
        crate::storage::error::Result::Ok(())
    };
    // Nothing in it waits.
    let _ = read.now_or_never();
}

pub(crate) fn ranges(bytes: &[u8]) {
    let range = String::from_utf8_lossy(bytes);
    let _ = upload::part(&range);
    if let Some((start, end)) = download::part(&range, 10) {
        assert!(end <= 10, "{start}-{end} of 10");
    }
}

pub(crate) fn names(bytes: &[u8]) {
    let name = String::from_utf8_lossy(bytes);
    let _ = (names::check_bucket(&name), names::check_object(&name));
    let place = place::choose(std::path::Path::new("/nowhere"), &name);
    let below = |part| matches!(part, std::path::Component::Normal(_));
    assert!(place.components().all(below), "{} leaves the bucket", place.display());
}
