//! Objects in the JSON API, without their content.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::download;
use super::json::{Links, new_object, object_settings};
use super::parameters::{Parameters, read_json};
use crate::storage::buckets::Change;
use crate::storage::checksum::Expected;
use crate::storage::error::Result;
use crate::storage::object::Object;
use crate::storage::objects::{NewObject, Source};
use crate::storage::precondition::Precondition;
use crate::storage::state::Storage;

type Service = State<Arc<Storage>>;
type Named = Path<(String, String)>;
type FromTo = Path<(String, String, String, String)>;

pub(super) async fn list(
    State(storage): Service,
    Path(bucket): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<Value>> {
    let listing = storage.list_objects(&bucket, &parameters.list()?)?;
    let links = Links::of(&storage, &headers);
    let mut answer = json!({"kind": "storage#objects"});
    if !listing.objects.is_empty() {
        answer["items"] = listing.objects.iter().map(|object| links.object(object)).collect();
    }
    if !listing.prefixes.is_empty() {
        answer["prefixes"] = listing.prefixes.into();
    }
    if !listing.next.is_empty() {
        answer["nextPageToken"] = listing.next.into();
    }
    Ok(Json(answer))
}

/// Metadata, or with `alt=media` the content.
pub(super) async fn get(
    State(storage): Service,
    Path((bucket, name)): Named,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    let source = parameters.object(bucket, name);
    if parameters.alt == "media" {
        let (object, file) = storage.open_object(&source)?;
        return download::answer(&object, file, &headers).await;
    }
    let object = storage.get_object(&source)?;
    Ok(Json(Links::of(&storage, &headers).object(&object)).into_response())
}

pub(super) async fn patch(
    State(storage): Service,
    Path((bucket, name)): Named,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>> {
    let value = read_json(body).await?;
    let object = storage.update_object(&parameters.object(bucket, name), &Change::Merge(&value))?;
    Ok(Json(Links::of(&storage, &headers).object(&object)))
}

pub(super) async fn update(
    State(storage): Service,
    Path((bucket, name)): Named,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>> {
    let settings = object_settings(&read_json(body).await?)?;
    let object = storage.update_object(&parameters.object(bucket, name), &Change::Whole(settings))?;
    Ok(Json(Links::of(&storage, &headers).object(&object)))
}

pub(super) async fn delete(
    State(storage): Service,
    Path((bucket, name)): Named,
    parameters: Parameters,
) -> Result<StatusCode> {
    storage.delete_object(&parameters.object(bucket, name))?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn copy(
    State(storage): Service,
    Path(names): FromTo,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>> {
    let object = copied(&storage, names, &parameters, body).await?;
    Ok(Json(Links::of(&storage, &headers).object(&object)))
}

/// A rewrite is done in one call here.
pub(super) async fn rewrite(
    State(storage): Service,
    Path(names): FromTo,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>> {
    let object = copied(&storage, names, &parameters, body).await?;
    let size = object.size.to_string();
    Ok(Json(json!({
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": size,
        "objectSize": size,
        "done": true,
        "resource": Links::of(&storage, &headers).object(&object),
    })))
}

async fn copied(
    storage: &Storage,
    (bucket, name, to_bucket, to_name): (String, String, String, String),
    parameters: &Parameters,
    body: Body,
) -> Result<Object> {
    let value = read_json(body).await?;
    let sent = value.as_object().is_some_and(|fields| fields.values().any(|value| !value.is_null()));
    let settings = if sent { Some(object_settings(&value)?) } else { None };
    let new = NewObject { name: to_name, ..destination(&to_bucket, &value, parameters)? };
    storage.copy(&parameters.source(bucket, name), new, settings).await
}

pub(super) async fn compose(
    State(storage): Service,
    Path((bucket, name)): Named,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>> {
    let value = read_json(body).await?;
    let new = NewObject { name, ..destination(&bucket, &value["destination"], &parameters)? };
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let source = |value: &Value| Source {
        bucket: bucket.clone(),
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        generation: number(&value["generation"]),
        condition: Precondition {
            generation: number(&value["objectPreconditions"]["ifGenerationMatch"]),
            ..Precondition::default()
        },
    };
    let sources: Vec<Source> = value["sourceObjects"].as_array().into_iter().flatten().map(source).collect();
    let object = storage.compose(&sources, new).await?;
    Ok(Json(Links::of(&storage, &headers).object(&object)))
}

/// An object that is made of others. Clients send the checksums of one of those along; they mean nothing.
fn destination(bucket: &str, value: &Value, parameters: &Parameters) -> Result<NewObject> {
    let new = new_object(bucket, value)?;
    Ok(NewObject { condition: parameters.condition(), expected: Expected::default(), ..new })
}
