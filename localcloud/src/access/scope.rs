//! Who asks, for as long as the answer is made: also while the body of a streamed answer is, which is
//! long after its headers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::iam::caller::{CALLER, Caller};

/// Makes an answer for a caller.
pub(super) async fn answer(caller: Caller, answer: impl Future<Output = Response>) -> Response {
    let answer = CALLER.scope(caller.clone(), answer).await;
    answer.map(|body| Body::new(Scoped { caller, body }))
}

struct Scoped {
    caller: Caller,
    body: Body,
}

impl HttpBody for Scoped {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { caller, body } = self.get_mut();
        CALLER.sync_scope(caller.clone(), || Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
