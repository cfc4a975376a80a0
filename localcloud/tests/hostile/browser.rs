//! What a page of somebody else can make a browser send here: nothing of it is answered, and what
//! it would have changed is as it was.

use serde_json::json;

use crate::Local;
use crate::wire::{Answer, Wire};

/// Headers by which browsers give a foreign page away, whatever made them send the request.
const FOREIGN: &[(&str, &str)] = &[
    ("fetch and forms of another site", "Origin: https://evil.example"),
    ("sandboxed frames, files, redirected forms", "Origin: null"),
    ("a page of another port of this machine", "Origin: http://127.0.0.1:3000"),
    ("the same over TLS", "Origin: https://127.0.0.1:PORT"),
    ("two origins, one of them ours", "Origin: http://127.0.0.1:PORT\r\nOrigin: https://evil.example"),
    (
        "img and script, which send no origin",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: img",
    ),
    ("the same from another port of this machine", "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors"),
    (
        "a link or a form that leads here",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document",
    ),
    (
        "a WebSocket",
        "Origin: https://evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
    (
        "leave asked for before a request",
        "Origin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Private-Network: true",
    ),
];

/// Hosts under which a name that somebody made point here would come.
const FOREIGN_HOSTS: &[&str] = &[
    "Host: evil.example",
    "Host: evil.example:PORT",
    "Host: 127.0.0.1.evil.example:PORT",
    "Host: localhost.evil.example",
    "Host: 127.0.0.1:80",
    "Host: user@127.0.0.1:PORT",
    "Host: 10.0.0.1:PORT",
    "Host: 0.0.0.0:PORT",
    "Host: ",
    "Host: 127.0.0.1:PORT\r\nHost: evil.example",
    "Host: evil.example\r\nHost: 127.0.0.1:PORT",
    "X-Forwarded-Host: 127.0.0.1",
];

const WRITES: [&str; 4] = [
    "PUT /v1/projects/fx-dev/topics/made HTTP/1.1",
    "POST /storage/v1/b?project=fx-dev HTTP/1.1",
    "OPTIONS /v1/projects/fx-dev/topics/made HTTP/1.1",
    "GET /v1/projects/fx-dev/topics/there HTTP/1.1",
];

async fn ask(port: u16, line: &str, headers: &str) -> Answer {
    let headers = headers.replace("PORT", &port.to_string());
    let body = r#"{"name": "made-bucket"}"#;
    let request = format!(
        "{line}\r\n{headers}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Wire::ask(port, &request).await
}

async fn local_with_a_topic() -> Local {
    let local = Local::start().await;
    local.rest().json("PUT", "/v1/projects/fx-dev/topics/there", json!({})).await.expect("a topic");
    local
}

async fn nothing_was_made(local: &Local) {
    let topics = local.rest().get("/v1/projects/fx-dev/topics").await.expect("topics");
    assert_eq!(topics["topics"].as_array().map(Vec::len), Some(1), "{topics}");
    let buckets = local.rest().get("/storage/v1/b?project=fx-dev").await.expect("buckets");
    assert!(buckets["items"].is_null(), "{buckets}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_foreign_pages_are_refused_whatever_made_the_browser_send_them() {
    let local = local_with_a_topic().await;
    let port = local.port();
    for (what, headers) in FOREIGN {
        for line in WRITES {
            let answer = ask(port, line, &format!("Host: 127.0.0.1:{port}\r\n{headers}")).await;
            assert_eq!(answer.status, 403, "{what}: {line}: {answer:?}");
            assert!(!answer.head.contains("access-control-allow"), "{what}: {}", answer.head);
        }
    }
    nothing_was_made(&local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_made_point_here_is_not_answered_to() {
    let local = local_with_a_topic().await;
    for host in FOREIGN_HOSTS {
        for line in WRITES {
            let answer = ask(local.port(), line, host).await;
            assert!(matches!(answer.status, 400 | 403), "{host}: {line}: {answer:?}");
        }
    }
    let absolute = "PUT http://evil.example/v1/projects/fx-dev/topics/made HTTP/1.1";
    let answer = ask(local.port(), absolute, "Host: 127.0.0.1:PORT").await;
    assert_eq!(answer.status, 403, "{answer:?}");
    nothing_was_made(&local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_opens_in_a_browser_can_run_no_script_here() {
    let local = local_with_a_topic().await;
    let rest = local.rest();
    rest.json("POST", "/storage/v1/b?project=fx-dev", json!({"name": "data"})).await.expect("a bucket");
    let page = "<script>fetch('/v1/projects/fx-dev/topics/made', {method: 'PUT'})</script>";
    rest.call("POST", "/upload/storage/v1/b/data/o?uploadType=media&name=p.html", page)
        .await
        .expect("a page");
    let headers = "Host: 127.0.0.1:PORT\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate";
    let answer = ask(local.port(), "GET /storage/v1/b/data/o/p.html?alt=media HTTP/1.1", headers).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, page.as_bytes()));
    for header in [
        "content-security-policy: sandbox; default-src 'none'",
        "x-content-type-options: nosniff",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(answer.head.contains(header), "{}", answer.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_calls_need_the_token_of_the_folder() {
    let local = Local::start().await;
    let port = local.port();
    let token = local.cloud.admin_token();
    let calls = ["GET /-/status HTTP/1.1", "POST /-/gke/preempt HTTP/1.1", "POST /-/shutdown HTTP/1.1"];
    for line in calls {
        for given in ["", "wrong", &token[1..], &format!("{token}0"), &token.to_uppercase().replace('A', "B")]
        {
            let headers = format!("Host: 127.0.0.1:{port}\r\nX-Provision-Token: {given}");
            assert_eq!(ask(port, line, &headers).await.status, 403, "{line} with {given:?}");
        }
        assert_eq!(ask(port, line, &format!("Host: 127.0.0.1:{port}")).await.status, 403, "{line}");
    }
    let headers = format!("Host: 127.0.0.1:{port}\r\nX-Provision-Token: {token}");
    assert_eq!(ask(port, "GET /-/status HTTP/1.1", &headers).await.status, 200);
    let page = format!("{headers}\r\nOrigin: https://evil.example");
    assert_eq!(ask(port, "GET /-/status HTTP/1.1", &page).await.status, 403, "not even with the token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_hidden_in_another_is_not_answered() {
    let local = local_with_a_topic().await;
    let port = local.port();
    let hidden = format!(
        "PUT /v1/projects/fx-dev/topics/made HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n"
    );
    let outer = "POST /v1/projects/fx-dev/topics/there:publish HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n"
        .replace("PORT", &port.to_string());
    let length = hidden.len();
    let tricks = [
        // Two lengths that differ.
        format!("{outer}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        // A length that is none.
        format!("{outer}Content-Length: +0\r\n\r\n{hidden}"),
        format!("{outer}Content-Length: 0, {length}\r\n\r\n{hidden}"),
        // A length and chunks that the next server might not see.
        format!("{outer}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{outer}Transfer-Encoding: xchunked\r\n\r\n{hidden}"),
        format!("{outer}Transfer-Encoding: chunked, identity\r\n\r\n{hidden}"),
        format!("{outer}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{outer}Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n{hidden}"),
        // A chunk's length that overflows.
        format!("{outer}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{hidden}"),
        // A line that another server would join to the one before.
        format!("{outer}X: a\r\n Content-Length: {length}\r\nContent-Length: 0 \u{0}\r\n\r\n{hidden}"),
        // A name with a space, a lone line feed in a value.
        format!("{outer}Content Length: {length}\r\n\r\n{hidden}"),
    ];
    for trick in &tricks {
        let answers = Wire::exchange(port, trick.as_bytes()).await;
        let text = String::from_utf8_lossy(&answers);
        assert!(text.starts_with("HTTP/1.1 4"), "{trick:?}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{trick:?}: {text}");
    }
    nothing_was_made(&local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_the_folder_is_its_owners_alone_and_every_port_is_on_the_loopback() {
    use std::os::unix::fs::PermissionsExt as _;
    let local = Local::start().await;
    let rest = local.rest();
    let state = local.folder.path().join(".provision");
    rest.json("POST", "/storage/v1/b?project=fx-dev", json!({"name": "data"})).await.expect("a bucket");
    rest.call("POST", "/upload/storage/v1/b/data/o?uploadType=media&name=a/b/c", "x")
        .await
        .expect("an object");
    let begun = "/upload/storage/v1/b/data/o?uploadType=resumable&name=r";
    rest.json("POST", begun, json!({})).await.expect("an upload");
    crate::cluster(&rest, &state.join("local")).await;
    let mut folders = vec![state];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let metadata = path.symlink_metadata().expect("there");
            assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", path.display());
            seen += 1;
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(seen > 10, "{seen} files");
    if let Ok(listening) = listening_ports() {
        assert!(
            listening.len() >= 2 && listening.iter().all(|address| address == "0100007F"),
            "{listening:?}"
        );
    }
}

/// Local addresses of this process's listening sockets, in hexadecimal.
fn listening_ports() -> std::io::Result<Vec<String>> {
    let mut inodes = std::collections::BTreeSet::new();
    for file in std::fs::read_dir("/proc/self/fd")?.flatten() {
        if let Ok(target) = std::fs::read_link(file.path())
            && let Some(inode) = target.to_string_lossy().strip_prefix("socket:[")
        {
            inodes.insert(inode.trim_end_matches(']').to_owned());
        }
    }
    let mut addresses = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in std::fs::read_to_string(table)?.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" && inodes.contains(fields[9]) {
                addresses.push(fields[1].split(':').next().unwrap_or_default().to_owned());
            }
        }
    }
    Ok(addresses)
}
