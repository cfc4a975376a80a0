//! The resources of the JSON API, out and in.

use http::HeaderMap;
use http::header::HOST;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::project::project_number;
use crate::storage::bucket::Bucket;
use crate::storage::checksum::Expected;
use crate::storage::error::{Result, StorageError};
use crate::storage::generations::Life;
use crate::storage::object::{self, Object};
use crate::storage::objects::NewObject;
use crate::storage::patch;
use crate::storage::state::Storage;

/// What needs no escape in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Fields of buckets that the local cloud does not support.
const UNSUPPORTED: &[&str] = &[
    "acl",
    "autoclass",
    "billing",
    "cors",
    "customPlacementConfig",
    "defaultObjectAcl",
    "encryption",
    "hierarchicalNamespace",
    "ipFilter",
    "logging",
    "objectRetention",
    "retentionPolicy",
    "website",
];

/// Fields of objects that the local cloud does not support.
const UNSUPPORTED_OF_OBJECTS: &[&str] = &["acl", "contexts", "customerEncryption", "kmsKeyName", "retention"];

/// Where links point: at what the client calls us, if it says the port (Google's own client for Rust
/// does not), or else at where we know we are.
pub(super) struct Links(String);

impl Links {
    pub(super) fn of(storage: &Storage, headers: &HeaderMap) -> Self {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        match storage.origin() {
            Some(origin) if !host.contains(':') => Self(origin.to_owned()),
            _ => Self(format!("http://{host}")),
        }
    }

    /// Where an upload goes on.
    pub(super) fn upload(&self, bucket: &str, id: &str) -> String {
        format!("{}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}", self.0)
    }

    pub(super) fn bucket(&self, bucket: &Bucket) -> Value {
        let mut value = json!(bucket.settings);
        let uniform = value["iamConfiguration"]["uniformBucketLevelAccess"].clone();
        value["iamConfiguration"]["bucketPolicyOnly"] = uniform;
        let fields = json!({
            "kind": "storage#bucket",
            "id": bucket.name,
            "name": bucket.name,
            "selfLink": format!("{}/storage/v1/b/{}", self.0, bucket.name),
            "projectNumber": project_number(&bucket.project).to_string(),
            "location": bucket.location,
            "locationType": bucket.location_type(),
            "metageneration": bucket.metageneration.to_string(),
            "timeCreated": bucket.created,
            "updated": bucket.updated,
            "etag": bucket.etag(),
        });
        merged(value, fields)
    }

    pub(super) fn object(&self, object: &Object) -> Value {
        let name = utf8_percent_encode(&object.name, SEGMENT);
        let path = format!("storage/v1/b/{}/o/{name}", object.bucket);
        let mut fields = json!({
            "kind": "storage#object",
            "id": format!("{}/{}/{}", object.bucket, object.name, object.generation),
            "selfLink": format!("{}/{path}", self.0),
            "mediaLink": format!("{}/download/{path}?generation={}&alt=media", self.0, object.generation),
            "name": object.name,
            "bucket": object.bucket,
            "generation": object.generation.to_string(),
            "metageneration": object.metageneration.to_string(),
            "storageClass": object.storage_class,
            "size": object.size.to_string(),
            "crc32c": object.checksums.crc32c_text(),
            "etag": object.etag(),
            "timeCreated": object.created,
            "updated": object.updated,
            "timeStorageClassUpdated": object.classed,
            "timeFinalized": object.created,
        });
        if let Some(md5) = object.checksums.md5_text() {
            fields["md5Hash"] = md5.into();
        }
        if let Some(components) = object.components {
            fields["componentCount"] = components.into();
        }
        let deleted = match object.life {
            Life::Live => json!({}),
            Life::Noncurrent { since } => json!({"timeDeleted": since}),
            Life::SoftDeleted { since, until, noncurrent: None } => {
                json!({"softDeleteTime": since, "hardDeleteTime": until})
            }
            Life::SoftDeleted { since, until, noncurrent } => {
                json!({"timeDeleted": noncurrent, "softDeleteTime": since, "hardDeleteTime": until})
            }
        };
        merged(merged(json!(object.settings), fields), deleted)
    }
}

/// Reads what a client says of an object that is to be.
pub(super) fn new_object(bucket: &str, value: &Value) -> Result<NewObject> {
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    Ok(NewObject {
        bucket: bucket.to_owned(),
        name: text("name"),
        settings: object_settings(value)?,
        storage_class: text("storageClass"),
        expected: Expected::parse(value["crc32c"].as_str(), value["md5Hash"].as_str())?,
        ..NewObject::default()
    })
}

/// Reads the settings of an object. What is null is as good as not there.
pub(super) fn object_settings(value: &Value) -> Result<object::Settings> {
    check_object_supported(value)?;
    match value {
        Value::Null => Ok(object::Settings::default()),
        value => patch::merge(&object::Settings::default(), value),
    }
}

/// Refuses settings of an object that would be forgotten silently.
pub(super) fn check_object_supported(object: &Value) -> Result<()> {
    refuse(object, UNSUPPORTED_OF_OBJECTS, "objects")
}

/// Refuses settings that would be forgotten silently.
pub(super) fn check_supported(bucket: &Value) -> Result<()> {
    refuse(bucket, UNSUPPORTED, "buckets")
}

fn refuse(value: &Value, fields: &[&str], of: &str) -> Result<()> {
    match fields.iter().find(|field| says_something(&value[**field])) {
        Some(field) => Err(StorageError::unsupported(&format!("`{field}` of {of}"))),
        None => Ok(()),
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => fields.values().any(says_something),
        Value::Number(_) | Value::String(_) => true,
    }
}

fn merged(mut value: Value, fields: Value) -> Value {
    if let (Value::Object(value), Value::Object(fields)) = (&mut value, fields) {
        value.extend(fields);
    }
    value
}

/// A page of a list. What is empty is left out.
pub(super) fn page(kind: &str, items: Vec<Value>, next: String) -> Value {
    let mut answer = json!({"kind": kind});
    if !items.is_empty() {
        answer["items"] = items.into();
    }
    if !next.is_empty() {
        answer["nextPageToken"] = next.into();
    }
    answer
}
