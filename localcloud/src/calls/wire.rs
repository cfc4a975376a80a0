//! How a call came in, which is how its answer goes out. Decided once; whoever refuses a request
//! finds it in the request's extensions, beside its call.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::methods::Method;

/// How errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Rest,
    /// Cloud Storage's JSON, whose errors are older than the others'.
    Storage,
    Grpc,
    Kubernetes,
    /// A registry of images, as docker speaks to it.
    Registry,
}

impl Wire {
    /// Of a call of one of Google's services.
    pub(super) fn of(headers: &HeaderMap, method: &Method) -> Self {
        match method.name {
            _ if is_grpc(headers) => Self::Grpc,
            name if name.starts_with("storage.") => Self::Storage,
            name if name.starts_with("artifactregistry.docker.") => Self::Registry,
            _ => Self::Rest,
        }
    }
}

/// Of requests that are not known to be calls yet, this much can be told.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}
