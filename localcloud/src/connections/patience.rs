//! Bodies that must keep coming.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::Request;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::calls::is_grpc;

/// The longest pause between two pieces of a body.
const PAUSE: Duration = Duration::from_mins(1);

/// A body that fails when the next piece of it does not come.
struct Patient {
    body: Incoming,
    pause: Pin<Box<Sleep>>,
}

/// The request, with a body that fails when it stalls. Streams of gRPC may be silent for as long as
/// they like.
pub(super) fn patiently(request: Request<Incoming>) -> Request<Body> {
    if is_grpc(request.headers()) || request.body().is_end_stream() {
        return request.map(Body::new);
    }
    request.map(|body| Body::new(Patient { body, pause: Box::pin(sleep(PAUSE)) }))
}

impl hyper::body::Body for Patient {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.pause.as_mut().reset(Instant::now() + PAUSE);
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        ready!(self.pause.as_mut().poll(context));
        Poll::Ready(Some(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the rest of the request did not come",
        ))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
