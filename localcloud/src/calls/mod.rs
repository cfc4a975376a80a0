//! Every call that comes in, whichever service and wire it is for: known by one name and one
//! resource before it is answered.
//!
//! `methods/` is the table: what is not in it is not served. Whoever handles a request finds its
//! call, and its wire, in the request's extensions. On its way a call passes two points, before its effect and
//! after it; there the faults strike that a test has set ([`Fault`]), and a bounded log tells what
//! became of every call ([`Entry`]) and which points were passed ([`Passed`]).

pub(crate) mod admin;
mod call;
mod connection;
mod coverage;
mod failure;
mod fault;
mod glob;
mod kill;
mod kubernetes;
mod log;
mod message;
mod methods;
mod passage;
mod peek;
mod peer;
mod request;
mod rules;
mod stream;
mod template;
mod wire;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;

use crate::clock::Clock;
pub(crate) use call::{Call, Peer};
pub(crate) use connection::Connection;
pub use coverage::Passed;
pub use failure::Failure;
pub use fault::{Fault, Latency, Moment, Point, What, When};
use log::Log;
pub use log::{Entry, Fate};
#[cfg(test)]
pub(crate) use methods::names as method_names;
use request::Told;
use rules::Rules;
pub use rules::SetFault;
pub(crate) use stream::{Actions, Within};
pub(crate) use wire::{Wire, is_grpc};

/// Tells from a request's headers who asks.
pub(crate) type Principals = Arc<dyn Fn(&HeaderMap) -> Arc<str> + Send + Sync>;

/// The calls of one local cloud. Cheap to clone.
#[derive(Clone)]
pub struct Calls(Arc<Inner>);

struct Inner {
    clock: Clock,
    principals: Principals,
    rules: Rules,
    log: Log,
}

/// The log does not reach back to a mark.
#[derive(Debug, thiserror::Error)]
#[error("the log of calls begins at {oldest}, after the mark {mark}: set marks more often")]
pub struct Forgotten {
    mark: u64,
    oldest: u64,
}

impl Calls {
    pub(crate) fn new(clock: &Clock, principals: Principals) -> Self {
        let (rules, log) = (Rules::new(), Log::new());
        Self(Arc::new(Inner { clock: clock.clone(), principals, rules, log }))
    }

    /// Sets a fault; the id by which it is removed and released.
    #[expect(clippy::must_use_candidate, reason = "most faults are set and forgotten")]
    pub fn fault(&self, fault: Fault) -> u64 {
        self.0.rules.add(fault)
    }

    /// The faults that are set, and how often they struck.
    #[must_use]
    pub fn faults(&self) -> Vec<SetFault> {
        self.0.rules.list()
    }

    /// Removes a fault, or all; calls that wait there go on. How many there were.
    #[expect(clippy::must_use_candidate, reason = "what matters is that none is left")]
    pub fn clear(&self, id: Option<u64>) -> usize {
        self.0.rules.remove(id)
    }

    /// Lets calls go on that wait at a fault, and all that come there later. Whether there is such a
    /// fault.
    #[expect(clippy::must_use_candidate, reason = "who set it knows that it is there")]
    pub fn release(&self, id: u64) -> bool {
        self.0.rules.release(id)
    }

    /// Here and now in the log of calls: the number of the next one.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.0.log.next()
    }

    /// The calls since a mark, of those that are remembered (65,536).
    #[must_use]
    pub fn since(&self, mark: u64) -> Vec<Entry> {
        self.0.log.read(mark, |record| Some(Entry::from(record)))
    }

    /// The points that calls passed since a mark.
    pub fn coverage(&self, mark: u64) -> Result<Vec<Passed>, Forgotten> {
        let oldest = self.0.log.oldest();
        if oldest > mark.max(1) {
            return Err(Forgotten { mark, oldest });
        }
        Ok(coverage::since(&self.0.log, mark))
    }

    /// Waits until a call since a mark has passed a point, or stands there.
    pub async fn reached(&self, point: &Point, mark: u64) -> Entry {
        let is_there = |record: &log::Record| {
            let is_far_enough = point.moment == Moment::Before || record.status.is_some();
            is_far_enough && point.is_of(record.method, &record.resource, &record.caller)
        };
        self.0.log.wait(mark, |record| is_there(record).then(|| record.into())).await
    }

    /// Waits until a fault has struck a call since a mark: it is held, failed, its caller killed.
    pub async fn struck(&self, fault: u64, mark: u64) -> Entry {
        let is_struck = |record: &log::Record| record.faults.contains(&fault);
        self.0.log.wait(mark, |record| is_struck(record).then(|| record.into())).await
    }

    /// Who asks.
    async fn caller(&self, headers: &HeaderMap, connection: Option<&Connection>) -> Peer {
        let program = match connection {
            Some(connection) => connection.program().await,
            None => None,
        };
        Peer { principal: (self.0.principals)(headers), program }
    }

    /// Takes a request its way, now that it is told what it is.
    async fn carry<F: Future<Output = Response>>(
        &self,
        told: Told,
        wire: Wire,
        mut request: Request,
        handle: impl FnOnce(Request) -> F,
    ) -> Response {
        let connection = request.extensions().get::<Connection>().cloned();
        let call = Call {
            caller: self.caller(request.headers(), connection.as_ref()).await,
            method: told.method,
            resource: told.resource.into(),
            parent: told.parent.map(Into::into),
        };
        request.extensions_mut().insert(Within::new(self, &call, connection.as_ref()));
        request.extensions_mut().insert(call.clone());
        request.extensions_mut().insert(wire);
        passage::run(self.begin(call, connection), wire, || handle(request)).await
    }

    /// Around the API server of a cluster.
    pub(crate) async fn carry_kubernetes<F: Future<Output = Response>>(
        &self,
        cluster: &str,
        request: Request,
        handle: impl FnOnce(Request) -> F,
    ) -> Response {
        match kubernetes::read(cluster, request).await {
            Ok((Some(told), request)) => self.carry(told, Wire::Kubernetes, request, handle).await,
            Ok((None, request)) => handle(request).await,
            Err(refused) => refused,
        }
    }
}

/// Whoever brings a token is only known to bring one.
#[cfg(test)]
pub(crate) fn by_bearing() -> Principals {
    let (owner, bearer): (Arc<str>, Arc<str>) = ("owner".into(), "bearer".into());
    Arc::new(move |headers| {
        let bears = headers.contains_key(http::header::AUTHORIZATION);
        if bears { bearer.clone() } else { owner.clone() }
    })
}

/// Around all services of Google.
pub(crate) async fn carry(State(calls): State<Calls>, request: Request, next: Next) -> Response {
    match request::read(request).await {
        Ok((Some(told), request)) => {
            let wire = Wire::of(request.headers(), told.method);
            calls.carry(told, wire, request, |request| next.run(request)).await
        }
        Ok((None, request)) => next.run(request).await,
        Err(refused) => refused,
    }
}
