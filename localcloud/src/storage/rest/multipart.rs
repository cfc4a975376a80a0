//! `multipart/related` and `multipart/mixed` bodies, read as they come: parts are headers and a stream of bytes.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use memchr::memmem;

use crate::storage::error::{Result, StorageError};

/// Most bytes of a part's headers.
const LARGEST_HEADERS: usize = 16 << 10;

/// What the headers of a part say. Empty where they say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) content_type: String,
    pub(super) content_id: String,
}

/// A body that is taken apart.
pub(super) struct Multipart<S> {
    body: S,
    buffer: BytesMut,
    boundary: String,
    /// The line end before a boundary belongs to it. Python's libraries end lines without `\r`.
    line_end: &'static str,
}

impl<S, E> Multipart<S>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
{
    /// The body of a request with that content type.
    pub(super) fn new(content_type: &str, body: S) -> Result<Self> {
        let parameters = content_type.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
        let boundary = parameters
            .filter(|(name, _)| name.eq_ignore_ascii_case("boundary"))
            .map(|(_, value)| value.trim_matches(['"', '\'']).to_owned())
            .find(|boundary| !boundary.is_empty())
            .ok_or_else(|| {
                StorageError::invalid("Missing boundary in the content type of a multipart body.")
            })?;
        Ok(Self { body, buffer: BytesMut::new(), boundary, line_end: "\r\n" })
    }

    /// Goes to the first part and returns its head.
    pub(super) async fn first(&mut self) -> Result<Head> {
        let opening = format!("--{}", self.boundary);
        self.fill(opening.len() + 2).await?;
        if !self.buffer.starts_with(opening.as_bytes()) {
            return Err(StorageError::invalid("The body does not begin with its boundary."));
        }
        let _ = self.buffer.split_to(opening.len());
        if self.buffer.starts_with(b"\n") {
            self.line_end = "\n";
        }
        self.headers().await
    }

    /// Goes past what is left of this part. Returns the next one's head, or none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Head>> {
        while self.bytes().await?.is_some() {}
        let _ = self.buffer.split_to(self.delimiter().len());
        self.fill(2).await?;
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        self.headers().await.map(Some)
    }

    /// The next bytes of this part, or none at its end.
    pub(super) async fn bytes(&mut self) -> Result<Option<Bytes>> {
        let delimiter = self.delimiter();
        loop {
            if let Some(at) = memmem::find(&self.buffer, delimiter.as_bytes()) {
                return Ok((at > 0).then(|| self.buffer.split_to(at).freeze()));
            }
            // A delimiter may have begun at the end of what is here.
            let safe = self.buffer.len().saturating_sub(delimiter.len());
            if safe > 0 {
                return Ok(Some(self.buffer.split_to(safe).freeze()));
            }
            self.more().await?;
        }
    }

    /// This part whole, if it is no larger than `limit`.
    pub(super) async fn whole(&mut self, limit: usize) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.bytes().await? {
            if whole.len() + bytes.len() > limit {
                return Err(StorageError::invalid(format!("A part is larger than {limit} bytes.")));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    async fn headers(&mut self) -> Result<Head> {
        let end = format!("{0}{0}", self.line_end);
        let at = loop {
            if let Some(at) = memmem::find(&self.buffer, end.as_bytes()) {
                break at;
            }
            if self.buffer.len() > LARGEST_HEADERS {
                return Err(StorageError::invalid("The headers of a part are too large."));
            }
            self.more().await?;
        };
        let headers = self.buffer.split_to(at + end.len());
        let headers = String::from_utf8_lossy(&headers);
        let value = |wanted: &str| {
            let mut fields = headers.lines().filter_map(|line| line.split_once(':'));
            let found = fields.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        Ok(Head { content_type: value("content-type"), content_id: value("content-id") })
    }

    fn delimiter(&self) -> String {
        format!("{}--{}", self.line_end, self.boundary)
    }

    async fn fill(&mut self, size: usize) -> Result<()> {
        while self.buffer.len() < size {
            self.more().await?;
        }
        Ok(())
    }

    async fn more(&mut self) -> Result<()> {
        match self.body.next().await {
            Some(Ok(bytes)) => {
                self.buffer.extend_from_slice(&bytes);
                Ok(())
            }
            _ => Err(StorageError::invalid("The multipart body ended before its last boundary.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parts(text: &str, piece: usize) -> Result<Vec<(String, String)>> {
        let pieces: Vec<_> =
            text.as_bytes().chunks(piece).map(|c| Ok::<_, ()>(Bytes::copy_from_slice(c))).collect();
        let mut body = Multipart::new("multipart/related; boundary=\"x y\"", futures::stream::iter(pieces))?;
        let mut found = Vec::new();
        let mut next = Some(body.first().await?);
        while let Some(head) = next {
            let content = body.whole(1000).await?;
            found.push((head.content_type, String::from_utf8_lossy(&content).into_owned()));
            next = body.next().await?;
        }
        Ok(found)
    }

    #[tokio::test]
    async fn parts_are_found_however_the_body_is_cut_and_its_lines_end() {
        let crlf = "--x y\r\nContent-Type: application/json\r\n\r\n{}\r\n--x y\r\n\r\n\r\n--x \r\ny\r\n\r\n--x y--\r\n";
        let expected = [("application/json", "{}"), ("", "\r\n--x \r\ny\r\n")];
        let expected = expected.map(|(kind, content)| (kind.to_owned(), content.to_owned()));
        for piece in 1..crlf.len() {
            assert_eq!(parts(crlf, piece).await.expect("parts"), expected, "{piece}");
        }
        let lf = "--x y\ncontent-type: a/b\n\none\r\n--x y\n\ntwo\n--x y--";
        for piece in 1..lf.len() {
            let found = parts(lf, piece).await.expect("parts");
            assert_eq!(found, [("a/b".into(), "one\r".into()), (String::new(), "two".into())], "{piece}");
        }
    }

    #[tokio::test]
    async fn a_body_without_an_end_is_refused() {
        for wrong in ["", "--x y", "--x y\r\n\r\nabc", "--z\r\n\r\nabc\r\n--z--", "--x y\r\nno headers"] {
            assert!(parts(wrong, 3).await.is_err(), "{wrong:?}");
        }
    }
}
