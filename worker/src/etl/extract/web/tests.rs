//! Against real servers, which answer as told and misbehave as told.

use contract::{InputState, SecretReference};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;

/// A server that gives one answer a connection, in order, and tells what it was asked.
struct Server {
    address: String,
    asked: mpsc::UnboundedReceiver<String>,
}

impl Server {
    async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let answers: Vec<String> = answers.iter().map(|answer| answer.replace("SELF", &address)).collect();
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for answer in answers {
                let (stream, _) = listener.accept().await.expect("a connection");
                drop(tell.send(serve(stream, &answer).await));
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> Url {
        Url::parse(&format!("http://{}/in.csv", self.address)).expect("a URL")
    }

    fn requests(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }
}

/// `…` in an answer stands for a pause that outlasts every patience of a test.
async fn serve(mut stream: TcpStream, answer: &str) -> String {
    let mut request = [0; 4096];
    let read = stream.read(&mut request).await.unwrap_or_default();
    for (at, part) in answer.split('…').enumerate() {
        if at > 0 {
            // The client hangs up in the end, and the read returns.
            drop(stream.read(&mut [0; 1]).await);
        }
        drop(stream.write_all(part.as_bytes()).await);
    }
    String::from_utf8_lossy(&request[..read]).into_owned()
}

fn local() -> Host {
    Host { local_root: Some(".".into()), secrets: None }
}

async fn fetch_as(config: HttpConfig, url: Url) -> Result<Fetched, HandlerError> {
    Web::new(Some(&config), &local()).expect("a client").fetch(url, 1000).await
}

async fn fetch(answers: &[&str]) -> Result<Fetched, HandlerError> {
    fetch_as(HttpConfig::default(), Server::start(answers).await.url()).await
}

/// The text of a permanent error.
fn never(fetched: Result<Fetched, HandlerError>) -> String {
    match fetched.err().expect("an error") {
        HandlerError::Permanent(error) => format!("{error:#}"),
        HandlerError::Retry(error) => panic!("not permanent: {error:#}"),
    }
}

/// The text of an error that may pass.
fn later(fetched: Result<Fetched, HandlerError>) -> String {
    match fetched.err().expect("an error") {
        HandlerError::Retry(error) => format!("{error:#}"),
        HandlerError::Permanent(error) => panic!("permanent: {error:#}"),
    }
}

const GOOD: &str = "HTTP/1.1 200 OK\r\netag: \"e\"\r\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    connection: close\r\n\r\n123456789";

#[tokio::test]
async fn an_input_is_read_with_its_identity_after_a_busy_moment() {
    let busy = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\nconnection: close\r\n\r\n";
    let past = "HTTP/1.1 503 Busy\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\nconnection: close\r\n\r\n";
    let began = std::time::Instant::now();
    let input = fetch(&[busy, past, GOOD]).await.map(|fetched| fetched.input).expect("an input");
    assert!(began.elapsed() >= Duration::from_secs(1), "the server's wish counts");
    assert_eq!((input.size, input.etag.as_deref()), (Some(9), Some("\"e\"")));
    assert_eq!(input.last_modified.as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(input.crc32c.as_deref(), Some("e3069283"), "the check value of CRC-32C");
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_for_long_costs_no_time() {
    let closed = "HTTP/1.1 503 Closed\r\nretry-after: 3600\r\nconnection: close\r\n\r\n";
    assert!(later(fetch(&[closed]).await).contains("503"));
}

#[tokio::test]
async fn what_is_not_there_never_will_be() {
    assert!(never(fetch(&["HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n"]).await).contains("404"));
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: ftp://x/\r\nconnection: close\r\n\r\n";
    assert!(never(fetch(&[elsewhere]).await).contains("neither http nor https"));
}

#[tokio::test]
async fn an_input_that_breaks_off_is_no_input_and_is_asked_for_again() {
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n123";
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\n12345\r\n";
    let input = fetch(&[short, chunk, GOOD]).await.map(|fetched| fetched.input).expect("an input");
    assert_eq!(input.size, Some(9));
    let config = HttpConfig { tries: 1, ..HttpConfig::default() };
    let error = later(fetch_as(config, Server::start(&[short]).await.url()).await);
    assert!(error.contains("broke off"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_silent_or_slow_is_given_up() {
    let silent = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n123…";
    let config = HttpConfig { tries: 1, idle_timeout: 1, ..HttpConfig::default() };
    later(fetch_as(config, Server::start(&[silent]).await.url()).await);
    let config = HttpConfig { tries: 1, timeout: 1, ..HttpConfig::default() };
    let error = later(fetch_as(config, Server::start(&[silent]).await.url()).await);
    assert!(error.contains("took longer than 1 s"), "{error}");
}

#[tokio::test]
async fn an_input_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    let honest = "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\nconnection: close\r\n\r\n…";
    assert!(never(fetch(&[honest]).await).contains("`max_input`"));
    let silent = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(1001));
    assert!(never(fetch(&[&silent]).await).contains("larger than 1000B"));
}

#[tokio::test]
async fn redirects_are_followed_but_not_forever() {
    let on = "HTTP/1.1 307 On\r\nlocation: /next\r\nconnection: close\r\n\r\n";
    assert!(fetch(&[on, on, on, on, on, GOOD]).await.is_ok());
    let error = never(fetch(&[on; 6]).await);
    assert!(error.contains("more than 5 redirects"), "{error}");
}

#[tokio::test]
async fn each_hop_is_judged() {
    let inside = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/token\r\nconnection: close\r\n\r\n";
    assert!(never(fetch(&[inside]).await).contains("not an address of the public internet"));
    let config = HttpConfig { allowed_hosts: vec!["127.0.0.1".to_owned()], ..HttpConfig::default() };
    let other = "HTTP/1.1 302 Found\r\nlocation: http://localhost/\r\nconnection: close\r\n\r\n";
    let error = never(fetch_as(config, Server::start(&[other]).await.url()).await);
    assert!(error.contains("`localhost` is not one of `allowed_hosts`"), "{error}");
}

#[tokio::test]
async fn a_name_of_a_private_address_is_refused_after_dns() {
    let host = Host { local_root: None, secrets: None };
    let web = Web::new(None, &host).expect("a client");
    let error = never(web.fetch(Url::parse("http://localhost:1/x.csv").expect("a URL"), 9).await);
    assert!(error.contains("not an address of the public internet; `allow_private`"), "{error}");
}

#[tokio::test]
async fn headers_go_to_their_host_and_to_no_other() {
    let mut second = Server::start(&[GOOD]).await;
    let away = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\nconnection: close\r\n\r\n",
        second.url().as_str().replace("127.0.0.1", "localhost")
    );
    let back = "HTTP/1.1 302 Found\r\nlocation: /again\r\nconnection: close\r\n\r\n";
    let mut first = Server::start(&[back, &away]).await;
    let headers = [("x-key".to_owned(), Header::Text("canary".to_owned()))].into();
    fetch_as(HttpConfig { headers, ..HttpConfig::default() }, first.url()).await.expect("an input");
    let has_key = |request: &String| request.contains("x-key: canary");
    assert_eq!(first.requests().iter().map(has_key).collect::<Vec<_>>(), [true, true]);
    assert_eq!(second.requests().iter().map(has_key).collect::<Vec<_>>(), [false]);
}

#[test]
fn a_secret_that_is_not_there_is_named_and_its_value_is_never_shown() {
    let secret = |name: &str| SecretReference { secret: name.to_owned(), prefix: "Bearer ".to_owned() };
    let config = |name| {
        let headers = [("Authorization".to_owned(), Header::Secret(secret(name)))].into();
        HttpConfig { headers, ..HttpConfig::default() }
    };
    let worker = Host::of_worker(None, crate::secrets::Secrets::default());
    assert_eq!(
        Web::new(Some(&config("no-such-token")), &worker).expect_err("refused"),
        ["there is no secret `no-such-token`: PROVISION_SECRET_NO_SUCH_TOKEN is not set"]
    );
    let checked = Web::new(Some(&config("no-such-token")), &local()).expect("a check needs no secret");
    assert!(!format!("{checked:?}").contains("Bearer"), "{checked:?}");
}

/// What became of an input that had an `ETag` and a date, or neither.
async fn revisited(answer: &str, known: bool) -> (InputState, Vec<String>) {
    let mut server = Server::start(&[answer]).await;
    let given = |text: &str| known.then(|| text.to_owned());
    let input = contract::Input {
        uri: server.url().to_string(),
        generation: None,
        etag: given("\"e\""),
        last_modified: given("Sun, 06 Nov 1994 08:49:37 GMT"),
        size: None,
        crc32c: None,
    };
    let states = revisit(&Revisit { http: None, inputs: vec![input] }, &local()).await;
    let [state] = <[InputState; 1]>::try_from(states).expect("one state");
    (state, server.requests())
}

#[tokio::test]
async fn a_page_is_asked_for_again_only_if_it_is_another_one() {
    let answer = |head: &str| format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let (state, asked) = revisited(&answer("304 Not Modified"), true).await;
    assert_eq!(state, InputState::Same);
    assert!(asked[0].contains("if-none-match: \"e\""), "{asked:?}");
    for (head, expected) in [
        ("200 OK\r\netag: \"e\"", InputState::Same),
        ("200 OK\r\netag: \"f\"", InputState::Changed),
        ("200 OK\r\nlast-modified: Mon, 07 Nov 1994 08:49:37 GMT", InputState::Changed),
        ("404 Not Found", InputState::Gone),
    ] {
        assert_eq!(revisited(&answer(head), true).await.0, expected, "{head}");
    }
    for (head, known) in [("200 OK", true), ("500 Broken", true), ("200 OK\r\netag: \"e\"", false)] {
        let (state, _) = revisited(&answer(head), known).await;
        assert!(matches!(state, InputState::Unknown(_)), "{head}: {state:?}");
    }
}
