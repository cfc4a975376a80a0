//! Several calls in one.

use serde_json::json;

use super::BUCKET;
use super::json::Json;
use crate::testing::Server;

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_a_batch_are_answered_each_in_its_part() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    json.write("a", "one").await;
    let call = |id: u8, line: &str, body: &str| {
        format!(
            "--b\r\nContent-Type: application/http\r\nContent-ID: <x+{id}>\r\n\r\n{line} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}\r\n"
        )
    };
    let path = format!("/storage/v1/b/{BUCKET}/o");
    let body = [
        call(1, &format!("PATCH {path}/a"), r#"{"metadata": {"k": "v"}}"#),
        call(2, &format!("DELETE {path}/nothing"), ""),
        call(3, &format!("DELETE {path}/a"), ""),
        "--b--".to_owned(),
    ];
    let request =
        json.request("POST", "/batch/storage/v1").header("content-type", "multipart/mixed; boundary=\"b\"");
    let answer = request.body(body.concat()).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(kind.starts_with("multipart/mixed; boundary=batch_"), "{kind}");
    let text = answer.text().await.expect("text");
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is not in {text}"));
    let order = [
        "<response-x+1>",
        "HTTP/1.1 200 OK",
        "\"metageneration\":\"2\"",
        "<response-x+2>",
        "HTTP/1.1 404 Not Found",
        "<response-x+3>",
        "HTTP/1.1 204 No Content",
    ];
    assert!(order.map(place).is_sorted(), "{text}");
    assert_eq!(json.object("GET", "a").await.0, 404);
    let no_call =
        json.request("POST", "/batch/storage/v1").header("content-type", "multipart/mixed; boundary=b");
    assert_eq!(no_call.body("--b\r\n\r\nhello\r\n--b--").send().await.expect("an answer").status(), 400);
}
