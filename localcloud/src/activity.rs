//! When the local cloud was last used: requests in flight, and the end of the latest.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Inner>);

struct Inner {
    born: Instant,
    in_flight: AtomicUsize,
    /// Microseconds since `born`; 0 before the first request.
    last: AtomicU64,
}

/// One request, for as long as it is answered.
pub(crate) struct InFlight(Activity);

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            born: Instant::now(),
            in_flight: AtomicUsize::new(0),
            last: AtomicU64::new(0),
        }))
    }

    /// For how long there was no request; zero while one is answered.
    pub(crate) fn idle(&self) -> Duration {
        match self.0.in_flight.load(Ordering::Relaxed) {
            0 => self
                .0
                .born
                .elapsed()
                .saturating_sub(Duration::from_micros(self.0.last.load(Ordering::Relaxed))),
            _ => Duration::ZERO,
        }
    }

    /// Whether anything was ever asked.
    pub(crate) fn is_used(&self) -> bool {
        self.0.in_flight.load(Ordering::Relaxed) > 0 || self.0.last.load(Ordering::Relaxed) > 0
    }

    /// Something happened just now.
    pub(crate) fn touch(&self) {
        let now = u64::try_from(self.0.born.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        self.0.last.fetch_max(now, Ordering::Relaxed);
    }

    /// A request has come.
    pub(crate) fn begin(&self) -> InFlight {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }
}

impl InFlight {
    /// Goes on until the last of a streamed answer.
    pub(crate) fn until_the_end_of(self, answer: Response) -> Response {
        answer.map(|body| Body::new(Held { body, _until_dropped: self }))
    }
}

/// A body that says as much of its length as the one in it.
struct Held {
    body: Body,
    _until_dropped: InFlight,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.touch();
        self.0.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Notes every request.
pub(crate) async fn note(State(activity): State<Activity>, request: Request, next: Next) -> Response {
    let in_flight = activity.begin();
    in_flight.until_the_end_of(next.run(request).await)
}
