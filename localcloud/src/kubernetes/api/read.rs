//! Get and list.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::super::object;
use super::super::selector::{Fields, Labels};
use super::super::store::Expired;
use super::Api;
use super::body::Parameters;
use super::status::{FieldError, Refusal};
use super::table;
use super::target::Target;

/// Which objects a request is about.
pub(super) struct Selection {
    labels: Labels,
    fields: Fields,
    /// Nothing is asked of the objects.
    is_all: bool,
}

impl Selection {
    pub(super) fn of(parameters: &Parameters, kind: &Kind) -> Result<Self, Refusal> {
        let labels = parameters.get("labelSelector").unwrap_or_default();
        let fields = parameters.get("fieldSelector").unwrap_or_default();
        Ok(Self {
            labels: Labels::parse(labels).map_err(Refusal::bad_request)?,
            fields: Fields::parse(fields, kind).map_err(Refusal::bad_request)?,
            is_all: labels.is_empty() && fields.is_empty(),
        })
    }

    pub(super) fn accepts(&self, object: &Value) -> bool {
        self.labels.accepts(object) && self.fields.accepts(object)
    }
}

#[derive(Serialize)]
struct List {
    kind: String,
    #[serde(rename = "apiVersion")]
    api_version: String,
    metadata: Value,
    items: Vec<Value>,
}

impl Api {
    pub(super) fn get(
        &self,
        target: &Target,
        name: &str,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        if let Some(text) = parameters.get("resourceVersion").filter(|text| text.parse::<u64>().is_err()) {
            return Err(Refusal::plain(no_revision(text)));
        }
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
        let selection = Selection::of(parameters, target.kind)?;
        let page = Page::of(parameters)?;
        let (all, revision) = self.at(target, &page)?;
        let mut found: Vec<Arc<Value>> = all.into_iter().filter(|object| selection.accepts(object)).collect();
        if let Some((_, after)) = &page.after {
            found.retain(|object| place(object) > *after);
        }
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if let Some(limit) = page.limit.filter(|limit| *limit < found.len()) {
            if selection.is_all {
                metadata["remainingItemCount"] = (found.len() - limit).into();
            }
            found.truncate(limit);
            metadata["continue"] = found.last().map(|object| write_token(revision, object)).into();
        }
        if parameters.as_table {
            let now = self.store.clock().now();
            return Ok(axum::Json(table::table(target.kind, &found, &metadata, true, now)).into_response());
        }
        let kind = format!("{}List", target.kind.kind);
        let items = found.iter().map(|object| untyped(object)).collect();
        Ok(axum::Json(List { kind, api_version: target.kind.api_version(), metadata, items }).into_response())
    }
}

impl Api {
    /// The objects that a page is of, and the revision at which they were so.
    fn at(&self, target: &Target, page: &Page) -> Result<(Vec<Arc<Value>>, u64), Refusal> {
        let namespace = target.namespace.as_deref();
        let exact = page.after.as_ref().map(|(revision, _)| *revision).or(page.exact);
        if let Some(wanted) = page.at_least.max(exact).filter(|wanted| *wanted > self.store.revision()) {
            return Err(Refusal::too_new(wanted, self.store.revision()));
        }
        let Some(revision) = exact else { return Ok(self.store.snapshot(target.kind, namespace)) };
        match self.store.snapshot_at(target.kind, namespace, revision) {
            Ok(objects) => Ok((objects, revision)),
            Err(Expired) => Err(Refusal::expired(EXPIRED_PAGE)),
        }
    }
}

const EXPIRED_PAGE: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.";

/// Which part of a list is asked for, and as of when.
struct Page {
    limit: Option<usize>,
    /// The revision of the first page, and what the page before ended with.
    after: Option<(u64, (String, String))>,
    exact: Option<u64>,
    at_least: Option<u64>,
}

impl Page {
    fn of(parameters: &Parameters) -> Result<Self, Refusal> {
        let limit = parameters
            .signed("limit")?
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| *limit > 0);
        let refuse = |error| Err(Refusal::invalid_options("ListOptions", error));
        let (revision, how) = (parameters.get("resourceVersion"), parameters.get("resourceVersionMatch"));
        match (revision, how) {
            (None, Some(_)) => {
                return refuse(FieldError::forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                ));
            }
            (Some("0"), Some("Exact")) => {
                return refuse(FieldError::forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                ));
            }
            (Some(_), Some(other)) if !matches!(other, "Exact" | "NotOlderThan") => {
                return refuse(FieldError::unsupported(
                    "resourceVersionMatch",
                    &other.into(),
                    &["Exact", "NotOlderThan", ""],
                ));
            }
            _ => {}
        }
        let after = parameters.get("continue").map(read_token).transpose().map_err(|why| {
            Refusal::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
        })?;
        let revision = revision.map(|text| {
            text.parse::<u64>()
                .map_err(|_| Refusal::bad_request(format!("invalid resource version: {}", no_revision(text))))
        });
        let revision = revision.transpose()?;
        let (exact, at_least) = if how == Some("Exact") { (revision, None) } else { (None, revision) };
        Ok(Self { limit, after, exact, at_least })
    }
}

/// What is said of a revision that is none.
pub(super) fn no_revision(text: &str) -> String {
    format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax")
}

/// An item of a list: its kind stands on the list.
pub(super) fn untyped(object: &Value) -> Value {
    let mut object = object.clone();
    for field in ["kind", "apiVersion"] {
        object::entries(&mut object).remove(field);
    }
    object
}

/// Lists are ordered by namespace and name: the token says after which one to go on, and as of when.
fn place(object: &Value) -> (String, String) {
    (object::namespace(object).into(), object::name(object).into())
}

fn write_token(revision: u64, last: &Value) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .encode(object::to_json(&(revision, place(last))).to_string())
}

fn read_token(token: &str) -> Result<(u64, (String, String)), String> {
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_| "illegal base64 data at input byte 0".to_owned())?;
    serde_json::from_slice(&bytes).map_err(|_| {
        let first = bytes.first().copied().unwrap_or_default();
        format!("invalid character '\\u{first:04x}' looking for beginning of value")
    })
}
