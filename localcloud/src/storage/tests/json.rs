//! The JSON API as a person with curl sees it.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::BUCKET;
use crate::testing::Server;

/// A client of one server.
pub(super) struct Json {
    http: reqwest::Client,
    origin: String,
}

/// A status, and the body if there is one that is JSON.
pub(super) type Answer = (u16, Value);

impl Json {
    pub(super) fn of(server: &Server) -> Self {
        // It installs the TLS provider without which no client is made.
        drop(server.target());
        Self { http: reqwest::Client::new(), origin: server.endpoint() }
    }

    /// A client, and a bucket with those settings.
    pub(super) async fn with_bucket(server: &Server, mut settings: Value) -> Self {
        let json = Self::of(server);
        settings["name"] = BUCKET.into();
        let (status, bucket) = json.send("POST", "/storage/v1/b?project=p", &settings).await;
        assert_eq!(status, 200, "{bucket}");
        json
    }

    pub(super) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().expect("a method");
        self.http.request(method, format!("{}{path}", self.origin))
    }

    pub(super) async fn call(&self, method: &str, path: &str) -> Answer {
        answer(self.request(method, path)).await
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        answer(self.request(method, path).body(body.to_string())).await
    }

    /// Calls about an object of the bucket; `path` is its name and what follows.
    pub(super) async fn object(&self, method: &str, path: &str) -> Answer {
        self.call(method, &format!("/storage/v1/b/{BUCKET}/o/{path}")).await
    }

    /// Writes an object and returns its resource.
    pub(super) async fn write(&self, name: &str, content: &str) -> Value {
        let (status, object) = self.try_write(name, content, "").await;
        assert_eq!(status, 200, "{object}");
        object
    }

    pub(super) async fn try_write(&self, name: &str, content: &str, query: &str) -> Answer {
        let path = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}{query}");
        answer(self.request("POST", &path).body(content.to_owned())).await
    }

    /// The names of a list, each with its generation.
    pub(super) async fn list(&self, query: &str) -> Vec<(String, String)> {
        let (status, list) = self.call("GET", &format!("/storage/v1/b/{BUCKET}/o?{query}")).await;
        assert_eq!(status, 200, "{list}");
        let text = |object: &Value, field: &str| object[field].as_str().unwrap_or_default().to_owned();
        let items = list["items"].as_array().into_iter().flatten();
        items.map(|object| (text(object, "name"), text(object, "generation"))).collect()
    }

    /// Content of an object, or what its absence says.
    pub(super) async fn read(&self, path: &str) -> (u16, String) {
        let join = if path.contains('?') { '&' } else { '?' };
        let answer = self.request("GET", &format!("/storage/v1/b/{BUCKET}/o/{path}{join}alt=media"));
        let answer = answer.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }
}

pub(super) async fn answer(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.expect("a body")).unwrap_or(Value::Null))
}

/// The generation of a resource, as queries have it.
pub(super) fn generation(object: &Value) -> &str {
    object["generation"].as_str().expect("a generation")
}

/// The body of an error as Google writes it.
pub(super) fn error(code: u16, reason: &str, message: &str, place: Option<(&str, &str)>) -> Answer {
    let mut error = json!({"message": message, "domain": "global", "reason": reason});
    if let Some((kind, name)) = place {
        error["locationType"] = kind.into();
        error["location"] = name.into();
    }
    (code, json!({"error": {"code": code, "message": message, "errors": [error]}}))
}
