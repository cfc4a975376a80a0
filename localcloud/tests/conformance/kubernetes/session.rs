//! One case's conversation with a server, written down as it goes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, WARNING};
use serde_json::{Value, json};

use super::normal::{Normal, settled, show};

/// How long a state may take to come about.
const DEADLINE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(40);

/// Where a server is, and who we are to it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) http: reqwest::Client,
    pub(super) url: String,
    pub(super) token: Option<String>,
    /// How much faster than a real one it waits where nobody is kept waiting for it.
    pub(super) speed_up: u32,
}

/// One request.
pub(super) struct Ask<'a> {
    method: Method,
    path: String,
    content_type: &'a str,
    accept: &'a str,
    body: Option<String>,
}

/// An answer as it came.
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

/// The kinds of patches.
pub(super) const MERGE: &str = "application/merge-patch+json";
pub(super) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(super) const JSON: &str = "application/json-patch+json";
pub(super) const APPLY: &str = "application/apply-patch+yaml";

/// A conversation.
pub(super) struct Session {
    server: Server,
    pub(super) namespace: String,
    transcript: String,
    normal: Normal,
}

impl Session {
    pub(super) fn new(server: Server, case: &str) -> Self {
        Self {
            server,
            namespace: case.replace('_', "-"),
            transcript: String::new(),
            normal: Normal::default(),
        }
    }

    /// Makes the case's namespace, unseen.
    pub(super) async fn begin(&mut self) {
        let namespace = json!({"metadata": {"name": self.namespace}});
        let ask = Ask::new(Method::POST, "/api/v1/namespaces").json(&namespace);
        assert_eq!(self.exchange(&ask).await.code, 201, "the case's namespace is made");
        // A node that has no kubelet: pods that are bound to it do as the case says.
        let node = json!({"metadata": {"name": "nowhere"}});
        self.exchange(&Ask::new(Method::POST, "/api/v1/nodes").json(&node)).await;
        self.wait("serviceaccounts/default", |found| found["metadata"].is_object()).await;
        // The part of the server that looks at pods learns of the account a moment later.
        let pod = json!({"metadata": {"name": "x"}, "spec": {"schedulerName": "nobody", "containers": [{"name": "x", "image": "x"}]}});
        let ask = Ask::new(Method::POST, "pods?dryRun=All").json(&pod);
        let since = Instant::now();
        while self.exchange(&ask).await.code != 201 {
            assert!(since.elapsed() < DEADLINE, "{}: pods are not let in", self.namespace);
            tokio::time::sleep(POLL).await;
        }
    }

    pub(super) fn transcript(self) -> String {
        self.transcript
    }

    fn url(&self, path: &str) -> String {
        let whole = if path.starts_with('/') {
            path.to_owned()
        } else {
            let group = match path.split(['/', '?']).next().unwrap_or_default() {
                "jobs" | "cronjobs" => "apis/batch/v1",
                "leases" => "apis/coordination.k8s.io/v1",
                _ => "api/v1",
            };
            format!("/{group}/namespaces/{}/{path}", self.namespace)
        };
        format!("{}{whole}", self.server.url)
    }

    /// Sends a request, unseen.
    pub(super) async fn exchange(&self, ask: &Ask<'_>) -> Answer {
        let mut request =
            self.server.http.request(ask.method.clone(), self.url(&ask.path)).header(ACCEPT, ask.accept);
        if let Some(token) = &self.server.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &ask.body {
            request = request.header(CONTENT_TYPE, ask.content_type).body(body.clone());
        }
        let answer = request.timeout(DEADLINE).send().await.expect("an answer");
        let (code, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.expect("the whole answer");
        Answer { code, headers, text }
    }

    /// Sends a request and writes both sides down.
    pub(super) async fn send(&mut self, ask: Ask<'_>) -> Value {
        let answer = self.exchange(&ask).await;
        self.write_ask(&ask);
        self.write_answer(&answer);
        answer.body()
    }

    fn write_ask(&mut self, ask: &Ask<'_>) {
        let kind = if ask.content_type == "application/json" || ask.body.is_none() {
            String::new()
        } else {
            format!(" [{}]", ask.content_type.trim_start_matches("application/"))
        };
        let head = self.normal.text(&format!("### {} {}{kind}\n", ask.method, ask.path));
        self.transcript.push_str(&head);
        if let Some(body) = &ask.body {
            let body = self.normal.text(body);
            let _ = writeln!(self.transcript, "{body}");
        }
    }

    fn write_answer(&mut self, answer: &Answer) {
        let _ = writeln!(self.transcript, "=> {}", answer.code);
        for warning in answer.headers.get_all(WARNING) {
            let _ = writeln!(self.transcript, "Warning: {}", warning.to_str().unwrap_or("?"));
        }
        match serde_json::from_str::<Value>(&answer.text) {
            Ok(body) => self.tell(&body),
            Err(_) => {
                let _ = writeln!(self.transcript, "{}\n", answer.text.trim_end());
            }
        }
    }

    /// Writes down a value.
    pub(super) fn tell(&mut self, body: &Value) {
        self.normal.note(body);
        let mut shown = String::new();
        show(&settled(body), 0, &mut shown);
        let shown = self.normal.text(&shown);
        self.transcript.push_str(&shown);
        self.transcript.push('\n');
    }

    /// Writes down how long something took, to the nearest doubling of the controllers' ten seconds.
    pub(super) fn tell_delay(&mut self, what: &str, took: Duration) {
        let tens = took.as_secs_f64() * f64::from(self.server.speed_up) / 10.0;
        // What is there may take longer on a busy machine; it may not come sooner.
        let shown = if tens < 0.8 { "less than 10 s" } else { "10 s or more" };
        self.note(&format!("{what} after {shown}"));
    }

    /// Writes down what comes next.
    pub(super) fn note(&mut self, text: &str) {
        let _ = writeln!(self.transcript, "# {text}");
    }

    pub(super) async fn get(&mut self, path: &str) -> Value {
        let ask = Ask::new(Method::GET, path);
        self.send(ask).await
    }

    pub(super) async fn post(&mut self, path: &str, body: Value) -> Value {
        let ask = Ask::new(Method::POST, path).json(&body);
        self.send(ask).await
    }

    pub(super) async fn put(&mut self, path: &str, body: Value) -> Value {
        let ask = Ask::new(Method::PUT, path).json(&body);
        self.send(ask).await
    }

    pub(super) async fn patch(&mut self, kind: &'static str, path: &str, body: Value) -> Value {
        let ask = Ask::new(Method::PATCH, path).json(&body).typed(kind);
        self.send(ask).await
    }

    pub(super) async fn apply(&mut self, path: &str, body: Value) -> Value {
        self.patch(APPLY, path, body).await
    }

    pub(super) async fn delete(&mut self, path: &str, options: Option<Value>) -> Value {
        let ask = Ask::new(Method::DELETE, path);
        let ask = if let Some(options) = options { ask.json(&options) } else { ask };
        self.send(ask).await
    }

    /// Does something that the case is not about: it must work, and is not written down.
    pub(super) async fn quietly(
        &mut self,
        method: Method,
        kind: &'static str,
        path: &str,
        body: Value,
    ) -> Value {
        let ask = Ask::new(method, path).typed(kind);
        let ask = if body.is_null() { ask } else { ask.json(&body) };
        let answer = self.exchange(&ask).await;
        assert!(answer.code < 300, "{}: {path}: {} {}", self.namespace, answer.code, answer.text);
        let body = answer.body();
        self.normal.note(&body);
        body
    }

    /// Waits, unseen, until an object is as wanted.
    pub(super) async fn wait(&mut self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        loop {
            let found = self.exchange(&Ask::new(Method::GET, path)).await.body();
            if wanted(&found) {
                self.normal.note(&found);
                return found;
            }
            assert!(since.elapsed() < DEADLINE, "{}: {path} never became as wanted: {found}", self.namespace);
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until an object is as wanted, and writes it down.
    pub(super) async fn until(&mut self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = self.wait(path, wanted).await;
        let head = self.normal.text(&format!("### until {path}\n"));
        self.transcript.push_str(&head);
        self.tell(&found);
        found
    }

    /// Waits until there is no such object.
    pub(super) async fn until_gone(&mut self, path: &str) {
        self.wait(path, |found| found["code"] == 404).await;
        let head = self.normal.text(&format!("### until {path} is gone\n\n"));
        self.transcript.push_str(&head);
    }
}

impl<'a> Ask<'a> {
    /// A request. A path without slash in front is one in the case's namespace: `jobs/x?dryRun=All`.
    pub(super) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.into(),
            content_type: "application/json",
            accept: "application/json",
            body: None,
        }
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    pub(super) fn raw(mut self, body: String) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn typed(mut self, kind: &'a str) -> Self {
        self.content_type = kind;
        self
    }

    pub(super) fn accept(mut self, accept: &'a str) -> Self {
        self.accept = accept;
        self
    }
}
