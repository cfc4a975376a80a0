//! Buckets in the JSON API.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::json::{Links, check_supported, page};
use super::parameters::{Parameters, read_json};
use crate::iam::Policy;
use crate::storage::bucket::Settings;
use crate::storage::buckets::Change;
use crate::storage::error::{Result, StorageError};
use crate::storage::patch;
use crate::storage::precondition::Precondition;
use crate::storage::state::Storage;

type Service = State<Arc<Storage>>;

pub(super) async fn list(
    State(storage): Service,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<Value>> {
    if parameters.project.is_empty() {
        return Err(StorageError::required("project"));
    }
    if parameters.soft_deleted {
        return Err(StorageError::unsupported("soft-deleted buckets"));
    }
    let found = storage.list_buckets(&parameters.project, &parameters.prefix, &parameters.page())?;
    let links = Links::of(&storage, &headers);
    let buckets = found.items.iter().map(|bucket| links.bucket(bucket)).collect();
    Ok(Json(page("storage#buckets", buckets, found.next)))
}

pub(super) async fn insert(
    State(storage): Service,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>> {
    let value = read_json(body).await?;
    check_supported(&value)?;
    let text = |field: &str| value[field].as_str().unwrap_or_default();
    let settings = patch::merge(&Settings::default(), &value)?;
    let bucket = storage.create_bucket(text("name"), &parameters.project, text("location"), settings)?;
    Ok(Json(Links::of(&storage, &headers).bucket(&bucket)))
}

pub(super) async fn get(
    State(storage): Service,
    Path(bucket): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<Value>> {
    let bucket = storage.get_bucket(&bucket, &parameters.condition())?;
    Ok(Json(Links::of(&storage, &headers).bucket(&bucket)))
}

pub(super) async fn patch(
    State(storage): Service,
    Path(bucket): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>> {
    let value = read_json(body).await?;
    check_supported(&value)?;
    let bucket = storage.update_bucket(&bucket, &Change::Merge(&value), &parameters.condition())?;
    Ok(Json(Links::of(&storage, &headers).bucket(&bucket)))
}

pub(super) async fn update(
    State(storage): Service,
    Path(bucket): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>> {
    let value = read_json(body).await?;
    check_supported(&value)?;
    let settings: Settings = patch::merge(&Settings::default(), &value)?;
    let bucket = storage.update_bucket(&bucket, &Change::Whole(settings), &parameters.condition())?;
    Ok(Json(Links::of(&storage, &headers).bucket(&bucket)))
}

pub(super) async fn delete(
    State(storage): Service,
    Path(bucket): Path<String>,
    parameters: Parameters,
) -> Result<StatusCode> {
    storage.delete_bucket(&bucket, &parameters.condition())?;
    Ok(StatusCode::NO_CONTENT)
}

/// gcloud asks for it before it moves or removes.
pub(super) async fn layout(State(storage): Service, Path(bucket): Path<String>) -> Result<Json<Value>> {
    let bucket = storage.get_bucket(&bucket, &Precondition::default())?;
    Ok(Json(json!({
        "kind": "storage#storageLayout",
        "bucket": bucket.name,
        "location": bucket.location,
        "locationType": bucket.location_type(),
        "hierarchicalNamespace": {"enabled": false},
    })))
}

/// There are none, which gcloud wants to know before it removes a bucket.
pub(super) async fn managed_folders(
    State(storage): Service,
    Path(bucket): Path<String>,
) -> Result<Json<Value>> {
    storage.get_bucket(&bucket, &Precondition::default())?;
    Ok(Json(json!({"kind": "storage#managedFolders"})))
}

pub(super) async fn get_policy(State(storage): Service, Path(bucket): Path<String>) -> Result<Json<Value>> {
    Ok(Json(shown(&bucket, &storage.policy(&bucket)?)))
}

pub(super) async fn set_policy(
    State(storage): Service,
    Path(bucket): Path<String>,
    body: Body,
) -> Result<Json<Value>> {
    let policy: Policy = patch::from_json(read_json(body).await?)?;
    Ok(Json(shown(&bucket, &storage.set_policy(&bucket, policy)?)))
}

pub(super) async fn test_permissions(
    State(storage): Service,
    Path(bucket): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>> {
    let query = query.unwrap_or_default();
    let asked = query.split('&').filter_map(|pair| pair.strip_prefix("permissions="));
    let asked = asked.map(|text| percent_decode_str(text).decode_utf8_lossy().into_owned()).collect();
    let permissions = storage.permissions(&bucket, asked)?;
    Ok(Json(json!({"kind": "storage#testIamPermissionsResponse", "permissions": permissions})))
}

fn shown(bucket: &str, policy: &Policy) -> Value {
    let mut value = json!(policy);
    value["kind"] = "storage#policy".into();
    value["resourceId"] = format!("projects/_/buckets/{bucket}").into();
    value
}
