//! Objects in the JSON API, without their content.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::download;
use super::json::{Links, check_object_supported, new_object, object_settings, page};
use super::parameters::{Parameters, read_json};
use crate::storage::buckets::Change;
use crate::storage::checksum::Expected;
use crate::storage::copies::{Rewrite, Rewritten};
use crate::storage::error::{Result, StorageError};
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
    let objects = listing.objects.iter().map(|object| links.object(object)).collect();
    let mut answer = page("storage#objects", objects, listing.next);
    if !listing.prefixes.is_empty() {
        answer["prefixes"] = listing.prefixes.into();
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
        let content = download::content(&storage, &source, &headers).await;
        return Ok(content.unwrap_or_else(StorageError::into_text));
    }
    let object = match parameters.soft_deleted {
        true => storage.get_soft_deleted(&source)?,
        false => storage.get_object(&source)?,
    };
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
    check_object_supported(&value)?;
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
    let copy = described(names, &parameters, body).await?;
    let object = storage.copy(&copy.source, copy.new, copy.settings).await?;
    Ok(Json(Links::of(&storage, &headers).object(&object)))
}

pub(super) async fn rewrite(
    State(storage): Service,
    Path(names): FromTo,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>> {
    let rewrite = described(names, &parameters, body).await?;
    Ok(Json(match storage.rewrite(rewrite).await? {
        Rewritten::Done(object) => json!({
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": object.size.to_string(),
            "objectSize": object.size.to_string(),
            "done": true,
            "resource": Links::of(&storage, &headers).object(&object),
        }),
        Rewritten::Partly { bytes, size, token } => json!({
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": bytes.to_string(),
            "objectSize": size.to_string(),
            "done": false,
            "rewriteToken": token,
        }),
    }))
}

async fn described(
    (bucket, name, to_bucket, to_name): (String, String, String, String),
    parameters: &Parameters,
    body: Body,
) -> Result<Rewrite> {
    let value = read_json(body).await?;
    let sent = value.as_object().is_some_and(|fields| fields.values().any(|value| !value.is_null()));
    Ok(Rewrite {
        source: parameters.source(bucket, name),
        settings: if sent { Some(object_settings(&value)?) } else { None },
        new: NewObject { name: to_name, ..destination(&to_bucket, &value, parameters)? },
        most_bytes: parameters.max_bytes_rewritten_per_call,
        token: parameters.rewrite_token.clone(),
    })
}

pub(super) async fn restore(
    State(storage): Service,
    Path((bucket, name)): Named,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<Value>> {
    let object = storage.restore(&parameters.object(bucket, name)).await?;
    Ok(Json(Links::of(&storage, &headers).object(&object)))
}

/// Gives an object another name.
pub(super) async fn rename(
    State(storage): Service,
    Path((bucket, name, to_name)): Path<(String, String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<Value>> {
    let source = parameters.source(bucket, name);
    let object = storage.rename(&source, to_name, parameters.condition()).await?;
    Ok(Json(Links::of(&storage, &headers).object(&object)))
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
