//! Who may talk to the local cloud at all. It runs programs, so a web page that merely reaches the
//! port, under a name that it made point here, gets nothing. What a browser shows of an answer all
//! the same can run no script and be read by no other page.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::uri::Authority;

use crate::error::ApiError;

/// What browsers say of where a request comes from, and what of it is not another page.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const NO_FOREIGN_PAGE: [&str; 2] = ["same-origin", "none"];

/// An object may be a page. Shown by a browser it gets an origin of its own, from which it reaches
/// nothing here.
const FOR_BROWSERS: [(HeaderName, HeaderValue); 3] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Lets through what comes for a loopback address or name at `port`, and from no foreign page.
pub(crate) async fn guard(State(port): State<u16>, request: Request, next: Next) -> Response {
    let mut answer = match check(port, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    answer.headers_mut().extend(FOR_BROWSERS);
    answer
}

/// Refuses what a page or a name of somebody else sent here.
pub(crate) fn check<B>(port: u16, request: &http::Request<B>) -> Result<(), ApiError> {
    // HTTP/2 says it in the address, HTTP/1.1 in a header; each, if there, must be ours.
    let address = request.uri().authority().map(Authority::as_str);
    let mut named = address.into_iter().chain(all(request.headers(), &HOST)).peekable();
    if named.peek().is_none() {
        return Err(ApiError::permission_denied("a request to the local cloud needs a Host header"));
    }
    if let Some(foreign) = named.find(|host| !is_ours(port, host)) {
        return Err(ApiError::permission_denied(format!(
            "the local cloud does not answer to the name {foreign}: use 127.0.0.1 or localhost"
        )));
    }
    let of_a_page = all(request.headers(), &ORIGIN).any(|origin| !is_our_origin(port, origin))
        || all(request.headers(), &FETCH_SITE).any(|site| !NO_FOREIGN_PAGE.contains(&site));
    if of_a_page {
        return Err(ApiError::permission_denied("the local cloud does not answer to web pages"));
    }
    Ok(())
}

/// An origin without a port is a page of port 80.
fn is_our_origin(port: u16, origin: &str) -> bool {
    let named = |host: &str| host.parse::<Authority>().is_ok_and(|host| host.port().is_some());
    origin.strip_prefix("http://").is_some_and(|host| named(host) && is_ours(port, host))
}

/// What can't be read is text that is nobody's name.
fn all<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or(""))
}

fn is_ours(port: u16, host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback =
        name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let plain = !authority.as_str().contains('@');
    // Google's own clients leave the port out.
    plain && loopback && authority.port().is_none_or(|theirs| theirs.as_str() == port.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn only_loopback_names_at_our_port_are_ours() {
        for host in ["127.0.0.1:8080", "127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:8080", "127.1.2.3"]
        {
            assert!(is_ours(8080, host), "{host}");
        }
        for host in
            ["", "evil.example", "127.0.0.1:81", "127.0.0.1.evil.example", "a@127.0.0.1", "10.0.0.1:8080"]
        {
            assert!(!is_ours(8080, host), "{host}");
        }
    }

    #[test]
    fn a_request_from_a_foreign_page_is_refused() {
        let request = |origin: &str| {
            Request::builder()
                .header(HOST, "127.0.0.1:8080")
                .header(ORIGIN, origin)
                .body(Body::empty())
                .expect("a request")
        };
        assert!(check(8080, &request("http://127.0.0.1:8080")).is_ok());
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost",
            "http://127.0.0.1:81",
            "https://127.0.0.1:8080",
        ] {
            assert!(check(8080, &request(origin)).is_err(), "{origin}");
        }
    }
}
