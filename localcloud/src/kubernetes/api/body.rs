//! Reads what a request carries: query parameters, objects, patches, options.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Query;
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::super::object::{DEEPEST, depth};
use super::protobuf;
use super::status::Refusal;

/// What etcd behind a real API server takes at most, twice over.
const LONGEST_BODY: usize = 3 << 20;
/// YAML is read by a parser of its own; what servers accept as such.
const YAML: [&str; 3] = ["application/yaml", "application/x-yaml", "text/yaml"];

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The parameters of a request.
pub(super) struct Parameters {
    query: BTreeMap<String, String>,
    /// The client asks for a table of columns.
    pub(super) as_table: bool,
    user_agent: String,
}

/// A patch and its type.
pub(super) enum Patch {
    Merge(Value),
    Strategic(Value),
    Json(Value),
    Apply(Value),
}

impl Parameters {
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let query =
            Query::try_from_uri(request.uri()).map_err(|error| Refusal::bad_request(error.to_string()))?;
        let accept = text(request.headers(), header::ACCEPT);
        let first = accept.split(',').next().unwrap_or_default();
        let agent = text(request.headers(), header::USER_AGENT);
        Ok(Self { query: query.0, as_table: first.contains("as=Table"), user_agent: agent.into() })
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn truth(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "true" | "1" | "True"))
    }

    /// A number, or a refusal that names the parameter.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let parse = |value: &str| {
            let wrong = |_| {
                Refusal::bad_request(format!(
                    "invalid value for parameter {name}: \"{value}\" is not a number"
                ))
            };
            value.parse().map_err(wrong)
        };
        self.get(name).map(parse).transpose()
    }

    /// Nothing is to be written.
    pub(super) fn is_dry_run(&self) -> Result<bool, Refusal> {
        match self.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => {
                Err(Refusal::bad_request(format!("invalid dryRun \"{other}\": supported values: \"All\"")))
            }
        }
    }

    /// Who writes: named, or else the first part of the user agent.
    pub(super) fn manager(&self) -> &str {
        let agent = self.user_agent.split('/').next().unwrap_or_default();
        self.get("fieldManager").unwrap_or(if agent.is_empty() { "unknown" } else { agent })
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn content_type(headers: &HeaderMap) -> String {
    let whole = text(headers, header::CONTENT_TYPE);
    whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

async fn bytes(request: Request<Body>) -> Result<Bytes, Refusal> {
    let limited = http_body_util::Limited::new(request.into_body(), LONGEST_BODY);
    match limited.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Refusal::too_large()),
        Err(error) => Err(Refusal::bad_request(format!("could not read the request: {error}"))),
    }
}

/// What is nested deeper could not be read back with what is stored around it.
fn shallow(value: Value) -> Result<Value, Refusal> {
    if depth(&value) > DEEPEST {
        return Err(Refusal::bad_request(format!("the body is nested deeper than {DEEPEST} levels")));
    }
    Ok(value)
}

fn json_object(bytes: &Bytes) -> Result<Value, Refusal> {
    let value = serde_json::from_slice(bytes);
    value.map_err(|error| Refusal::bad_request(format!("the body is not JSON: {error}"))).and_then(shallow)
}

fn protobuf_object(bytes: &Bytes) -> Result<Value, Refusal> {
    protobuf::object(bytes)
        .ok_or_else(|| Refusal::bad_request("the body is not protobuf of a kind that is known here"))
        .and_then(shallow)
}

pub(super) fn yaml_object(bytes: &Bytes) -> Result<Value, Refusal> {
    let wrong = |why: String| Refusal::bad_request(format!("error decoding YAML: {why}"));
    let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string())).and_then(shallow)
}

/// Reads a whole object.
pub(super) async fn object(request: Request<Body>) -> Result<Value, Refusal> {
    let kind = content_type(request.headers());
    let read = match kind.as_str() {
        "" | "application/json" => json_object,
        yaml if YAML.contains(&yaml) => yaml_object,
        PROTOBUF => protobuf_object,
        _ => {
            let all = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
            return Err(Refusal::unsupported_media_type(all));
        }
    };
    let object = read(&bytes(request).await?)?;
    if object.is_object() { Ok(object) } else { Err(Refusal::bad_request("the body is not an object")) }
}

/// Reads the options of a deletion; they may be missing.
pub(super) async fn options(request: Request<Body>) -> Result<Value, Refusal> {
    let kind = content_type(request.headers());
    let bytes = bytes(request).await?;
    match kind.as_str() {
        _ if bytes.is_empty() => Ok(json!({})),
        yaml if YAML.contains(&yaml) => yaml_object(&bytes),
        PROTOBUF => protobuf_object(&bytes),
        _ => json_object(&bytes),
    }
}

/// Reads a patch by its content type.
pub(super) async fn patch(request: Request<Body>) -> Result<Patch, Refusal> {
    let kind = content_type(request.headers());
    let bytes = bytes(request).await?;
    let patch = match kind.as_str() {
        "application/json-patch+json" => Patch::Json(json_object(&bytes)?),
        "application/merge-patch+json" => Patch::Merge(json_object(&bytes)?),
        "application/strategic-merge-patch+json" => Patch::Strategic(json_object(&bytes)?),
        // JSON is YAML, and the usual form of it.
        "application/apply-patch+yaml" => Patch::Apply(json_object(&bytes).or_else(|_| yaml_object(&bytes))?),
        _ => {
            let all = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml";
            return Err(Refusal::unsupported_media_type(all));
        }
    };
    match &patch {
        Patch::Json(Value::Array(_))
        | Patch::Merge(Value::Object(_))
        | Patch::Strategic(Value::Object(_))
        | Patch::Apply(Value::Object(_)) => Ok(patch),
        _ => Err(Refusal::bad_request(
            "the patch has the wrong form: a JSON patch is a list, the others are objects",
        )),
    }
}
