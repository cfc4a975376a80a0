//! Get and list.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::object;
use super::super::selector::{Fields, Labels};
use super::Api;
use super::body::Parameters;
use super::status::Refusal;
use super::table;
use super::target::Target;

/// Which objects a request is about.
pub(super) struct Selection {
    labels: Labels,
    fields: Fields,
}

impl Selection {
    pub(super) fn of(parameters: &Parameters) -> Result<Self, Refusal> {
        let wrong =
            |what: &str, text: &str| Refusal::bad_request(format!("unable to parse {what} selector: {text}"));
        let labels = parameters.get("labelSelector").unwrap_or_default();
        let fields = parameters.get("fieldSelector").unwrap_or_default();
        Ok(Self {
            labels: Labels::parse(labels).ok_or_else(|| wrong("label", labels))?,
            fields: Fields::parse(fields).ok_or_else(|| wrong("field", fields))?,
        })
    }

    pub(super) fn accepts(&self, object: &Value) -> bool {
        self.labels.accepts(object) && self.fields.accepts(object)
    }
}

#[derive(Serialize)]
struct List<'a> {
    kind: String,
    #[serde(rename = "apiVersion")]
    api_version: String,
    metadata: Value,
    items: Vec<&'a Value>,
}

impl Api {
    pub(super) fn get(
        &self,
        target: &Target,
        name: &str,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        let object =
            self.store.get(&target.key(name)).ok_or_else(|| Refusal::not_found(target.kind, name))?;
        if parameters.as_table {
            let metadata = json!({"resourceVersion": object::text(&object, "/metadata/resourceVersion")});
            let now = self.store.clock().now();
            return Ok(axum::Json(table::table(target.kind, &[object], &metadata, true, now)).into_response());
        }
        Ok(axum::Json(&*object).into_response())
    }

    pub(super) fn list(&self, target: &Target, parameters: &Parameters) -> Result<Response, Refusal> {
        let selection = Selection::of(parameters)?;
        let (all, revision) = self.store.snapshot(target.kind, target.namespace.as_deref());
        let mut found: Vec<Arc<Value>> = all.into_iter().filter(|object| selection.accepts(object)).collect();
        if let Some(token) = parameters.get("continue") {
            let after = read_token(token).ok_or_else(|| Refusal::bad_request("continue key is not valid"))?;
            found.retain(|object| place(object) > after);
        }
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        let limit = parameters
            .number("limit")?
            .filter(|limit| *limit > 0)
            .and_then(|limit| usize::try_from(limit).ok());
        if let Some(limit) = limit.filter(|limit| *limit < found.len()) {
            metadata["remainingItemCount"] = (found.len() - limit).into();
            found.truncate(limit);
            metadata["continue"] = found.last().map(|object| write_token(object)).into();
        }
        if parameters.as_table {
            let now = self.store.clock().now();
            return Ok(axum::Json(table::table(target.kind, &found, &metadata, true, now)).into_response());
        }
        let kind = format!("{}List", target.kind.kind);
        let items = found.iter().map(|object| &**object).collect();
        Ok(axum::Json(List { kind, api_version: target.kind.api_version(), metadata, items }).into_response())
    }
}

/// Lists are ordered by namespace and name: the token says after which one to go on.
fn place(object: &Value) -> (String, String) {
    (object::namespace(object).into(), object::name(object).into())
}

fn write_token(last: &Value) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(object::to_json(&place(last)).to_string())
}

fn read_token(token: &str) -> Option<(String, String)> {
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_slice(&bytes).ok()
}
