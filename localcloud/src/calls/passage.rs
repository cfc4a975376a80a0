//! A call on its way: before its effect, after it, and the answer. Here faults strike, and what
//! becomes of the call is noted.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::call::Call;
use super::connection::Connection;
use super::failure::Failure;
use super::fault::{Moment, What};
use super::log::{Fate, Status};
use super::rules::Strike;
use super::wire::Wire;
use super::{Calls, kill};

/// Notes the call's end when it is dropped, whatever the reason.
pub(crate) struct Passage {
    calls: Calls,
    number: u64,
    call: Call,
    connection: Option<Connection>,
    is_over: bool,
}

/// What stops a call on its way.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// It is answered with this.
    Failed(Failure),
    /// There is nobody left to answer.
    Cut,
}

impl Calls {
    /// Notes that a call came.
    pub(crate) fn begin(&self, call: Call, connection: Option<Connection>) -> Passage {
        let number = self.0.log.begin(&call, self.0.clock.now());
        Passage { calls: self.clone(), number, call, connection, is_over: false }
    }
}

impl Passage {
    /// Lets the faults of a moment strike.
    pub(crate) async fn pass(&mut self, moment: Moment) -> Result<(), Stopped> {
        let (method, resource) = (self.call.method.name, &self.call.resource);
        let strikes = self.calls.0.rules.strike(method, resource, &self.call.caller, moment);
        for strike in strikes {
            self.struck(&strike).await?;
        }
        Ok(())
    }

    /// Notes that it took effect.
    pub(super) fn effected(&self, status: Status) {
        self.calls.0.log.note(self.number, |record| {
            record.status = Some(status);
            record.fate = Fate::Effected;
        });
    }

    /// Notes that all went well with a call that has no answer of its own.
    pub(crate) fn answered(mut self) {
        self.end(Fate::Answered);
    }

    async fn struck(&mut self, Strike { rule, count }: &Strike) -> Result<(), Stopped> {
        match &rule.fault.what {
            What::Delay(latency) => {
                self.note(rule.id, None);
                self.calls.0.clock.sleep(latency.of(*count)).await;
                Ok(())
            }
            What::Stall => {
                let before = self.note(rule.id, Some(Fate::Held));
                rule.released.cancelled().await;
                self.calls.0.log.note(self.number, |record| record.fate = before);
                Ok(())
            }
            What::Fail(failure) => {
                self.stopped(rule.id, Fate::Faulted);
                Err(Stopped::Failed(failure.about(self.call.method.name, &self.call.resource)))
            }
            What::Drop => {
                self.stopped(rule.id, Fate::Faulted);
                Err(self.cut())
            }
            What::Kill => match kill::caller(self.connection.as_ref(), self.noting_death(rule.id)).await {
                Ok(()) => {
                    self.is_over = true;
                    Err(self.cut())
                }
                Err(spared) => {
                    self.stopped(rule.id, Fate::Faulted);
                    Err(Stopped::Failed(internal(&spared.to_string())))
                }
            },
        }
    }

    /// Notes that a fault struck, and what becomes of the call; what it was before.
    fn note(&self, fault: u64, fate: Option<Fate>) -> Fate {
        let mut before = Fate::Began;
        self.calls.0.log.note(self.number, |record| {
            record.faults.push(fault);
            before = record.fate;
            record.fate = fate.unwrap_or(before);
        });
        before
    }

    fn stopped(&mut self, fault: u64, fate: Fate) {
        self.is_over = true;
        self.note(fault, Some(fate));
    }

    /// Notes that the caller was killed. Its connection may end, and this call be dropped, before the
    /// one who killed it comes back.
    fn noting_death(&self, fault: u64) -> impl FnOnce() + Send + 'static {
        let (calls, number) = (self.calls.clone(), self.number);
        move || {
            calls.0.log.note(number, |record| {
                record.faults.push(fault);
                record.fate = Fate::Killed;
            });
        }
    }

    fn cut(&self) -> Stopped {
        match &self.connection {
            Some(connection) => {
                connection.cut();
                Stopped::Cut
            }
            None => Stopped::Failed(internal("this connection can't be cut")),
        }
    }

    fn end(&mut self, fate: Fate) {
        self.is_over = true;
        self.calls.0.log.note(self.number, |record| {
            if record.fate != Fate::Killed {
                record.fate = fate;
            }
        });
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(Fate::Dropped);
        }
    }
}

impl Stopped {
    /// The answer to whoever is still there; nobody waits for it on a connection that is cut.
    pub(super) async fn response(self, wire: Wire) -> Response {
        match self {
            Self::Failed(failure) => failure.response(wire),
            Self::Cut => std::future::pending().await,
        }
    }

    /// The same for an action within a stream.
    pub(crate) async fn status(self) -> tonic::Status {
        match self {
            Self::Failed(failure) => failure.grpc(),
            Self::Cut => std::future::pending().await,
        }
    }
}

fn internal(message: &str) -> Failure {
    let (code, reason) = ("INTERNAL".into(), "backendError".into());
    Failure { status: 500, code, reason, message: message.into(), retry_after: None }
}

/// Takes a call all its way: `handle` makes the effect.
pub(super) async fn run<F: Future<Output = Response>>(
    mut passage: Passage,
    wire: Wire,
    handle: impl FnOnce() -> F,
) -> Response {
    if let Err(stopped) = passage.pass(Moment::Before).await {
        return stopped.response(wire).await;
    }
    let answer = handle().await;
    passage.effected(status_of(&answer, wire));
    if let Err(stopped) = passage.pass(Moment::After).await {
        return stopped.response(wire).await;
    }
    let length = answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    answer.map(|body| match body.is_end_stream() {
        true => {
            passage.answered();
            body
        }
        false => Body::new(Answering { body, passage, left: length, is_grpc: wire == Wire::Grpc }),
    })
}

fn status_of(answer: &Response, wire: Wire) -> Status {
    match wire {
        // Without trailers of its own: nothing but a status.
        Wire::Grpc => Status::Grpc(
            tonic::Status::from_header_map(answer.headers()).map_or(tonic::Code::Ok, |status| status.code()),
        ),
        _ => Status::Http(answer.status().as_u16()),
    }
}

/// An answer on its way out.
struct Answering {
    body: Body,
    passage: Passage,
    /// Bytes to come, where that is known: whoever sends them does not ask for more.
    left: Option<u64>,
    is_grpc: bool,
}

impl Answering {
    fn ended(&mut self, trailers: Option<&http::HeaderMap>) {
        if let Some(status) = trailers.filter(|_| self.is_grpc).and_then(tonic::Status::from_header_map) {
            let status = Status::Grpc(status.code());
            self.passage.calls.0.log.note(self.passage.number, |record| record.status = Some(status));
        }
        if !self.passage.is_over {
            self.passage.end(Fate::Answered);
        }
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => self.ended(None),
            Some(Ok(frame)) if frame.is_trailers() => self.ended(frame.trailers_ref()),
            Some(Ok(data)) => {
                let sent = data.data_ref().map_or(0, |bytes| bytes.len() as u64);
                self.left = self.left.map(|left| left.saturating_sub(sent));
                if self.left == Some(0) || self.body.is_end_stream() {
                    self.ended(None);
                }
            }
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::calls::{Peer, by_bearing, methods};
    use crate::clock::Clock;

    /// Generous: it takes a fifth of a second on an idle machine, without optimization.
    const MOST: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_hundred_thousand_calls_without_a_fault_cost_little() {
        let calls = Calls::new(&Clock::system(), by_bearing());
        let method = methods::named("pubsub.topics.publish").expect("a method");
        let caller = Peer { principal: "owner".into(), program: None };
        let call = Call { caller, method, resource: "projects/p/topics/t".into(), parent: None };
        let since = Instant::now();
        for _ in 0..100_000 {
            let mut passage = calls.begin(call.clone(), None);
            passage.pass(Moment::Before).await.expect("no fault");
            passage.effected(Status::Http(200));
            passage.pass(Moment::After).await.expect("no fault");
            passage.answered();
        }
        let took = since.elapsed();
        assert!(took < MOST, "{took:?}");
        assert_eq!(calls.since(0).len(), 1 << 16, "the log is bounded");
        assert!(calls.coverage(1).is_err(), "and says so");
    }
}
