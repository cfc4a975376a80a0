//! Who is let in.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Local;

/// The status line of a raw HTTP/1.1 request.
fn ask(local: &Local, method: &str, path: &str, headers: &str) -> String {
    let authority = local.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(authority).expect("connected");
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: {authority}\r\n") };
    write!(stream, "{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n").expect("written");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_name_or_page_gets_nothing() {
    let local = Local::start().await;
    let project = "/v3/projects/fx-dev";
    assert!(ask(&local, "GET", project, "").starts_with("HTTP/1.1 200"));
    for headers in ["Host: evil.example\r\n", "Origin: https://evil.example\r\n", "Origin: null\r\n"] {
        assert!(ask(&local, "GET", project, headers).starts_with("HTTP/1.1 403"), "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_calls_need_the_token() {
    let local = Local::start().await;
    let token = format!("X-Provision-Token: {}\r\n", local.cloud.admin_token());
    assert!(ask(&local, "GET", "/-/status", &token).starts_with("HTTP/1.1 200"));
    for headers in ["", "X-Provision-Token: x\r\n"] {
        assert!(ask(&local, "GET", "/-/status", headers).starts_with("HTTP/1.1 403"), "{headers}");
        assert!(ask(&local, "POST", "/-/shutdown", headers).starts_with("HTTP/1.1 403"), "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_supported_says_so_by_name() {
    let local = Local::start().await;
    let answer = ask(&local, "GET", "/v1/projects/fx-dev/jobs", "");
    assert!(
        answer.starts_with("HTTP/1.1 501") && answer.contains("GET /v1/projects/fx-dev/jobs"),
        "{answer}"
    );
    assert!(ask(&local, "DELETE", "/v1/projects/fx-dev", "").starts_with("HTTP/1.1 501"));
    assert!(ask(&local, "GET", "/favicon.ico", "").starts_with("HTTP/1.1 404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_or_too_long_is_refused() {
    let local = Local::start().await;
    let accounts = "/v1/projects/fx-dev/serviceAccounts";
    assert!(ask(&local, "POST", accounts, "").starts_with("HTTP/1.1 400"), "an account without a name");
    // Refused by what it says, before any of it is sent.
    let answer = ask(&local, "POST", accounts, "Content-Length: 99999999\r\n");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("exceeds the limit"), "{answer}");
}
