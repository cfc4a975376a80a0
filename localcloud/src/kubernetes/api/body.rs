//! Reads what a request carries: query parameters, objects, patches, options.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Query;
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use serde_json::Value;

use super::super::kinds::Kind;
use super::super::object::{DEEPEST, depth};
use super::json::{self, Document};
use super::protobuf;
use super::status::{FieldError, Refusal};

/// What etcd behind a real API server takes at most, twice over.
const LONGEST_BODY: usize = 3 << 20;
/// YAML is read by a parser of its own; what servers accept as such.
const YAML: [&str; 3] = ["application/yaml", "application/x-yaml", "text/yaml"];

/// Bytes of a field manager's name.
const LONGEST_MANAGER: usize = 128;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The parameters of a request.
pub(super) struct Parameters {
    query: BTreeMap<String, String>,
    /// The client asks for a table of columns.
    pub(super) as_table: bool,
    user_agent: String,
    accept: String,
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
        Ok(Self {
            query: query.0,
            as_table: first.contains("as=Table"),
            user_agent: agent.into(),
            accept: accept.into(),
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn truth(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "true" | "1" | "True"))
    }

    /// A number.
    pub(super) fn signed(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let parse = |value: &str| {
            value.parse().map_err(|_| {
                Refusal::bad_request(format!("strconv.ParseInt: parsing {value:?}: invalid syntax"))
            })
        };
        self.get(name).map(parse).transpose()
    }

    /// A number that is not negative.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        Ok(self.signed(name)?.and_then(|number| u64::try_from(number).ok()))
    }

    /// Nothing is to be written.
    pub(super) fn is_dry_run(&self) -> bool {
        self.get("dryRun") == Some("All")
    }

    /// Refuses parameters that make no sense; `options` is the kind of object that they are.
    pub(super) fn check(&self, options: &'static str) -> Result<(), Refusal> {
        let refuse = |error| Err(Refusal::invalid_options(options, error));
        if let Some(other) = self.get("dryRun").filter(|mode| *mode != "All") {
            return refuse(FieldError::unsupported("dryRun", &vec![other].into(), &["All"]));
        }
        if let Some(other) =
            self.get("fieldValidation").filter(|mode| !matches!(*mode, "Ignore" | "Strict" | "Warn"))
        {
            return refuse(FieldError::unsupported(
                "fieldValidation",
                &other.into(),
                &["", "Ignore", "Strict", "Warn"],
            ));
        }
        if self.get("fieldManager").is_some_and(|manager| manager.len() > LONGEST_MANAGER) {
            return refuse(FieldError::too_long("fieldManager", LONGEST_MANAGER));
        }
        Ok(())
    }

    /// Whether the client takes a form that is served.
    pub(super) fn is_acceptable(&self) -> bool {
        let known = ["*/*", "application/*", "application/json", PROTOBUF];
        let takes = |form: &str| {
            known.contains(&form.split(';').next().unwrap_or_default().trim()) || YAML.contains(&form.trim())
        };
        self.accept.is_empty() || self.accept.split(',').any(takes)
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
fn shallow(value: Value) -> Result<Value, String> {
    if depth(&value) > DEEPEST { Err(format!("nested deeper than {DEEPEST} levels")) } else { Ok(value) }
}

fn json_object(bytes: &[u8]) -> Result<Document, String> {
    let Document { value, twice } = json::read(bytes)?;
    Ok(Document { value: shallow(value)?, twice })
}

fn protobuf_object(bytes: &Bytes) -> Result<Value, String> {
    let object = protobuf::object(bytes).ok_or("the protobuf is not of a kind that is known here")?;
    shallow(object)
}

pub(super) fn yaml_object(bytes: &Bytes) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let read: Value = serde_saphyr::from_str(text).map_err(|error| {
        format!(
            "error converting YAML to JSON: yaml: {}",
            error.to_string().lines().next().unwrap_or_default()
        )
    })?;
    shallow(read)
}

/// What a body that is no object is shown as.
fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 1024;
    match bytes {
        [] => "<empty>".into(),
        [b'{', ..] => String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]).into_owned(),
        _ => hex::encode(&bytes[..bytes.len().min(MOST)]),
    }
}

fn unrecognized(kind: &Kind, why: &str) -> Refusal {
    Refusal::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): {why}",
        kind.kind
    ))
}

/// Reads a whole object.
pub(super) async fn object(request: Request<Body>, kind: &Kind) -> Result<Document, Refusal> {
    let form = content_type(request.headers());
    let bytes = bytes(request).await?;
    let no_kind = |why: &str| {
        unrecognized(kind, &format!("couldn't get version/kind; json parse error: {why} ({})", shown(&bytes)))
    };
    let document = match form.as_str() {
        "" | "application/json" => json_object(&bytes).map_err(|why| no_kind(&why))?,
        yaml if YAML.contains(&yaml) => {
            let value = yaml_object(&bytes).map_err(|why| unrecognized(kind, &why))?;
            Document { value, twice: vec![] }
        }
        PROTOBUF if !bytes.starts_with(b"k8s\0") => {
            let why = format!(
                "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] ({})",
                shown(&bytes)
            );
            return Err(unrecognized(kind, &why));
        }
        PROTOBUF => {
            let value = protobuf_object(&bytes).map_err(|why| unrecognized(kind, &why))?;
            Document { value, twice: vec![] }
        }
        _ => return Err(Refusal::unsupported_media_type()),
    };
    if document.value.is_object() {
        return Ok(document);
    }
    let found = go_kind(&document.value);
    let why = format!(
        "json: cannot unmarshal {found} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
    );
    Err(no_kind(&why))
}

fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Reads the options of a deletion; they may be missing.
pub(super) async fn options(request: Request<Body>) -> Result<Option<Value>, Refusal> {
    let kind = content_type(request.headers());
    let bytes = bytes(request).await?;
    let read = match kind.as_str() {
        _ if bytes.is_empty() => return Ok(None),
        yaml if YAML.contains(&yaml) => yaml_object(&bytes),
        PROTOBUF => protobuf_object(&bytes),
        _ => json_object(&bytes).map(|document| document.value),
    };
    read.map(Some).map_err(Refusal::bad_request)
}

/// Reads a patch by its content type.
pub(super) async fn patch(request: Request<Body>) -> Result<Patch, Refusal> {
    let kind = content_type(request.headers());
    let bytes = bytes(request).await?;
    let read =
        || json_object(&bytes).map_err(|why| Refusal::bad_request(format!("error decoding patch: {why}")));
    let patch = match kind.as_str() {
        "application/json-patch+json" => Patch::Json(read()?.value),
        "application/merge-patch+json" => Patch::Merge(read()?.value),
        "application/strategic-merge-patch+json" => Patch::Strategic(read()?.value),
        // JSON is YAML, and the usual form of it.
        "application/apply-patch+yaml" => {
            Patch::Apply(json_object(&bytes).map(|document| document.value).or_else(|_| {
                yaml_object(&bytes).map_err(|why| Refusal::bad_request(format!("error decoding YAML: {why}")))
            })?)
        }
        _ => return Err(Refusal::unsupported_patch()),
    };
    match &patch {
        Patch::Json(Value::Array(_))
        | Patch::Apply(Value::Object(_))
        | Patch::Merge(Value::Object(_))
        | Patch::Strategic(Value::Object(_)) => Ok(patch),
        Patch::Json(other) => Err(wrong_form(other, "[]handlers.jsonPatchOp")),
        Patch::Merge(other) | Patch::Strategic(other) | Patch::Apply(other) => {
            Err(wrong_form(other, "map[string]interface {}"))
        }
    }
}

fn wrong_form(found: &Value, wanted: &str) -> Refusal {
    let found = go_kind(found);
    Refusal::bad_request(format!(
        "error decoding patch: json: cannot unmarshal {found} into Go value of type {wanted}"
    ))
}
