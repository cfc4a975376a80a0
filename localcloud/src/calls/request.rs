//! What a request to Google's services is: its method and resource, read from the path, the query and
//! the beginning of the body, before anybody answers it.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::methods::{self, Method, Route};
use super::template::{self, Captures};
use super::wire::is_grpc;
use super::{message, peek::peek};
use crate::error::ApiError;
use crate::rest::LARGEST_BODY;

/// Longest JSON body in which a name is looked for. What is longer is no description of a resource.
const LARGEST_DESCRIPTION: usize = 1 << 20;
/// How long the first message of a request, or its JSON body, may take to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where APIs stand. What is asked of them and has no row in the table is not served.
const APIS: [&str; 10] = [
    "/v1/",
    "/v1beta1/",
    "/v2/",
    "/v3/",
    "/compute/",
    "/storage/",
    "/upload/",
    "/resumable/",
    "/download/",
    "/batch/",
];

/// What a request is.
pub(super) struct Told {
    pub(super) method: &'static Method,
    pub(super) resource: String,
    pub(super) parent: Option<String>,
}

/// What a request is, and the request as it came; none if it is no call of an API.
pub(super) async fn read(request: Request) -> Result<(Option<Told>, Request), Response> {
    if is_grpc(request.headers()) {
        return grpc(request).await;
    }
    let path = request.uri().path();
    match methods::on_rest(request.method(), path) {
        Some(((method, route), captures)) => rest(method, route, &captures, request).await,
        None if APIS.iter().any(|api| path.starts_with(api)) || path == "/batch" => {
            Err(ApiError::unsupported(format!("{} {path}", request.method())).into_response())
        }
        None => match methods::in_bucket(request.method(), path) {
            Some(((method, route), captures)) => rest(method, route, &captures, request).await,
            None => Ok((None, request)),
        },
    }
}

async fn grpc(request: Request) -> Result<(Option<Told>, Request), Response> {
    let (parts, body) = request.into_parts();
    let rows = methods::on_grpc(parts.uri.path());
    if rows.is_empty() {
        return Err(unsupported(&parts));
    }
    let is_whole = |read: &[u8]| {
        message::frame_length(read).is_some_and(|length| length <= read.len() || length > LARGEST_BODY)
    };
    let reading = tokio::time::timeout(PATIENCE, peek(body, is_whole)).await;
    let peeked = match reading {
        Ok(Ok(peeked)) => peeked,
        Ok(Err(error)) => {
            return Err(status(tonic::Code::Cancelled, format!("the request broke off: {error}")));
        }
        Err(_) => {
            return Err(status(tonic::Code::DeadlineExceeded, "the request's message did not come".into()));
        }
    };
    if let Some(length) = message::frame_length(&peeked.beginning).filter(|length| *length > LARGEST_BODY) {
        let why = format!(
            "Error, decoded message length too large: found {length} bytes, the limit is: {LARGEST_BODY} bytes"
        );
        return Err(status(tonic::Code::OutOfRange, why));
    }
    let read = message::message(&peeked.beginning).unwrap_or_default();
    let look =
        |piece: &str| piece.strip_prefix('#').and_then(|path| message::text(read, path)).map(Into::into);
    let told = rows.iter().find_map(|(method, route)| {
        let resource = template::fill(route.resource(), &look);
        resource.contains(route.only).then(|| told(method, route, resource, &look))
    });
    // A policy of what has none here: the service says so.
    let told = told.or_else(|| rows.first().map(|(method, route)| told_of(method, route, &look)));
    Ok((told, Request::from_parts(parts, peeked.body)))
}

async fn rest(
    method: &'static Method,
    route: &'static Route,
    captures: &Captures,
    request: Request,
) -> Result<(Option<Told>, Request), Response> {
    let (description, request) = match template::asks_for(route.resource(), '.') {
        true => description(request).await?,
        false => (Value::Null, request),
    };
    let query = request.uri().query().unwrap_or_default();
    let look = |piece: &str| match piece.split_at_checked(1) {
        Some(("?", name)) => parameter(query, name).map(Cow::into_owned),
        Some((".", path)) => {
            description.pointer(&format!("/{}", path.replace('.', "/")))?.as_str().map(str::to_owned)
        }
        _ => captures.get(piece).map(str::to_owned),
    };
    let told = told_of(method, route, &look);
    Ok((Some(told), request))
}

type Look<'a> = dyn Fn(&str) -> Option<String> + 'a;

fn told_of(method: &'static Method, route: &'static Route, look: &Look<'_>) -> Told {
    told(method, route, template::fill(route.resource(), look), look)
}

fn told(method: &'static Method, route: &'static Route, resource: String, look: &Look<'_>) -> Told {
    let parent = (!route.parent.is_empty()).then(|| template::fill(route.parent, look));
    Told { method, resource, parent }
}

/// The JSON body of a request that describes a resource, if it is short.
pub(super) async fn description(request: Request) -> Result<(Value, Request), Response> {
    let (parts, body) = request.into_parts();
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > LARGEST_DESCRIPTION) {
        return Ok((Value::Null, Request::from_parts(parts, body)));
    }
    let reading = tokio::time::timeout(PATIENCE, peek(body, |read| read.len() > LARGEST_DESCRIPTION)).await;
    let wrong = |why: String| ApiError::invalid_argument(why).into_response();
    let peeked = reading
        .map_err(|_| wrong("The request's body did not come.".into()))?
        .map_err(|error| wrong(format!("The request's body can't be read: {error}")))?;
    let value = serde_json::from_slice(&peeked.beginning).unwrap_or_default();
    Ok((value, Request::from_parts(parts, peeked.body)))
}

/// The value of a query's parameter; of one that comes twice the last.
fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = query.split('&').rev().filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(given, _)| *given == name)?;
    if !value.contains('+') {
        return percent_decode_str(value).decode_utf8().ok();
    }
    Some(percent_decode_str(&value.replace('+', " ")).decode_utf8().ok()?.into_owned().into())
}

fn unsupported(parts: &Parts) -> Response {
    let method = parts.uri.path().trim_start_matches('/');
    tonic::Status::from(ApiError::unsupported(method)).into_http::<Body>()
}

fn status(code: tonic::Code, message: String) -> Response {
    tonic::Status::new(code, message).into_http::<Body>()
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    async fn told(request: http::request::Builder, body: impl Into<Body>) -> (String, String, String) {
        let (told, _) = read(request.body(body.into()).expect("a request")).await.expect("a call");
        let told = told.expect("a call of an API");
        (told.method.name.into(), told.resource, told.parent.unwrap_or_default())
    }

    fn is(method: &str, resource: &str, parent: &str) -> (String, String, String) {
        (method.into(), resource.into(), parent.into())
    }

    #[tokio::test]
    async fn what_is_made_is_named_by_the_body_the_query_or_the_message() {
        let clusters = Request::post("/v1/projects/p/locations/europe-west1/clusters");
        let body = r#"{"cluster": {"name": "main", "nodePools": []}}"#;
        let location = "projects/p/locations/europe-west1";
        let expected = is("container.clusters.create", &format!("{location}/clusters/main"), location);
        assert_eq!(told(clusters, body).await, expected);

        let upload = Request::post("/upload/storage/v1/b/data/o?uploadType=media&name=a%2Fb+c");
        let bucket = "projects/_/buckets/data";
        let expected = is("storage.objects.insert", "projects/_/buckets/data/objects/a/b c", bucket);
        assert_eq!(told(upload, "content").await, expected);

        // CreateBucket: parent in 1, the bucket's own project in 2.3, the name in 3.
        let frame = b"\0\0\0\0\x21\x0a\x0aprojects/_\x12\x0c\x1a\x0aprojects/p\x1a\x05data5";
        let create = Request::post("/google.storage.v2.Storage/CreateBucket");
        let create = create.header(CONTENT_TYPE, "application/grpc");
        let expected = is("storage.buckets.insert", "projects/_/buckets/data5", "projects/p");
        assert_eq!(told(create, &frame[..]).await, expected);
    }

    #[tokio::test]
    async fn a_policy_is_of_the_kind_that_the_resource_names() {
        for (kind, resource) in
            [("topics", "projects/p/topics/t"), ("subscriptions", "projects/p/subscriptions/s")]
        {
            let length = u8::try_from(resource.len()).expect("short");
            let frame = [&[0, 0, 0, 0, length + 2, 0x0a, length], resource.as_bytes()].concat();
            let get = Request::post("/google.iam.v1.IAMPolicy/GetIamPolicy");
            let get = get.header(CONTENT_TYPE, "application/grpc+proto");
            assert_eq!(told(get, frame).await, is(&format!("pubsub.{kind}.getIamPolicy"), resource, ""));
        }
    }

    #[tokio::test]
    async fn what_has_no_row_is_refused_and_what_is_no_api_passes() {
        let unknown = Request::get("/v1/projects/p/jobs").body(Body::empty()).expect("a request");
        assert_eq!(read(unknown).await.err().expect("refused").status(), 501);
        let told = told(Request::head("/data/a/b%20c"), Body::empty()).await;
        assert_eq!(told, is("storage.objects.get", "projects/_/buckets/data/objects/a/b c", ""));
        let page = Request::get("/favicon.ico").body(Body::empty()).expect("a request");
        assert!(read(page).await.expect("passes").0.is_none());
    }
}
