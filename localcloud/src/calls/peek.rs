//! The beginning of a request's body, read and put back in front of the rest.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// A body whose beginning is known.
pub(super) struct Peeked {
    pub(super) beginning: Bytes,
    /// The same body, whole.
    pub(super) body: Body,
}

/// Reads until `enough`, or to the end.
pub(super) async fn peek(mut body: Body, enough: impl Fn(&[u8]) -> bool) -> Result<Peeked, axum::Error> {
    let (mut beginning, mut trailers) = (BytesMut::new(), None);
    while !enough(&beginning) {
        match body.frame().await.transpose()?.map(Frame::into_data) {
            Some(Ok(bytes)) => beginning.extend_from_slice(&bytes),
            Some(Err(other)) => trailers = Some(other),
            None => break,
        }
    }
    let beginning = beginning.freeze();
    let read = Some(Frame::data(beginning.clone())).filter(|_| !beginning.is_empty());
    let read = read.into_iter().chain(trailers).collect();
    Ok(Peeked { beginning, body: Body::new(Again { read, rest: body }) })
}

/// What was read, and then the rest.
struct Again {
    read: VecDeque<Frame<Bytes>>,
    rest: Body,
}

impl HttpBody for Again {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(frame) = self.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        Poll::Ready(ready!(Pin::new(&mut self.rest).poll_frame(context)))
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.read.iter().filter_map(Frame::data_ref).map(|bytes| bytes.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_read_comes_again() {
        let parts = ["one ", "two ", "three"].map(|part| Ok::<_, std::io::Error>(Bytes::from(part)));
        let body = Body::from_stream(futures::stream::iter(parts));
        let peeked = peek(body, |read| read.len() >= 5).await.expect("read");
        assert_eq!(peeked.beginning, "one two ");
        let whole = peeked.body.collect().await.expect("the rest").to_bytes();
        assert_eq!(whole, "one two three");
    }

    #[tokio::test]
    async fn a_body_that_ends_early_is_whole() {
        let peeked = peek(Body::from("short"), |read| read.len() > 100).await.expect("read");
        assert_eq!((peeked.beginning.as_ref(), peeked.body.size_hint().exact()), (&b"short"[..], Some(5)));
    }
}
