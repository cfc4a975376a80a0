//! Every call that comes in, whichever service and wire it is for: known by one name and one
//! resource before it is answered.
//!
//! `methods/` is the table: what is not in it is not served. Whoever handles a request finds its
//! [`Call`] in the request's extensions.

mod call;
mod connection;
mod message;
mod methods;
mod peek;
mod peer;
mod request;
mod template;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;

pub(crate) use call::{Call, Caller, OWNER, Program};
pub(crate) use connection::Connection;
pub(crate) use methods::Method;
#[cfg(test)]
pub(crate) use methods::names as method_names;

/// Tells from a request's headers who asks.
pub(crate) type Principals = Arc<dyn Fn(&HeaderMap) -> Arc<str> + Send + Sync>;

/// The calls of one local cloud. Cheap to clone.
#[derive(Clone)]
pub struct Calls(Arc<Inner>);

struct Inner {
    principals: Principals,
}

impl Calls {
    pub(crate) fn new(principals: Principals) -> Self {
        Self(Arc::new(Inner { principals }))
    }

    /// Who asks.
    pub(crate) async fn caller(&self, headers: &HeaderMap, connection: Option<&Connection>) -> Caller {
        let program = match connection {
            Some(connection) => connection.program().await,
            None => None,
        };
        Caller { principal: (self.0.principals)(headers), program }
    }
}

/// Whoever brings a token is only known to bring one.
#[cfg(test)]
pub(crate) fn by_bearing() -> Principals {
    let (owner, bearer): (Arc<str>, Arc<str>) = (OWNER.into(), "bearer".into());
    Arc::new(move |headers| {
        let bears = headers.contains_key(http::header::AUTHORIZATION);
        if bears { bearer.clone() } else { owner.clone() }
    })
}

/// Around all services of Google: tells what a request is, and hands it on with its [`Call`].
pub(crate) async fn carry(State(calls): State<Calls>, request: Request, next: Next) -> Response {
    let (told, mut request) = match request::read(request).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let Some(told) = told else { return next.run(request).await };
    let connection = request.extensions().get::<Connection>().cloned();
    let call = Call {
        caller: calls.caller(request.headers(), connection.as_ref()).await,
        method: told.method,
        resource: told.resource.into(),
        parent: told.parent.map(Into::into),
    };
    request.extensions_mut().insert(call);
    next.run(request).await
}
