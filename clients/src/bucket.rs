//! The object operations of the run protocol: create once, replace one generation, copy, read, list.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _};
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator;
use google_cloud_storage::Error;
use google_cloud_storage::client::{Storage, StorageControl};
use google_cloud_storage::model::Object;
use google_cloud_storage::streaming_source::{Payload, Seek, StreamingSource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::content_type::content_type;
use crate::explain;

/// Largest record that [`Bucket::read`] takes into memory: item lists and records, never data.
const LARGEST_RECORD: usize = 256 << 20;

/// Listings at the same time, in [`Bucket::each_of`].
const LISTINGS: usize = 16;

/// Custom metadata of an object.
pub type Metadata = BTreeMap<String, String>;

/// One bucket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bucket {
    data: Storage,
    control: StorageControl,
    name: String,
}

/// What the service says of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// The server's number for this content: larger is newer.
    pub generation: i64,
    /// Bytes.
    pub size: u64,
    /// CRC-32C of the content, in hexadecimal.
    pub crc32c: String,
    /// Custom metadata.
    pub metadata: Metadata,
    /// When it was stored, in seconds since 1970, by the server's clock.
    pub created: i64,
}

/// What a listing says of an object, where only its name and age matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// When it was stored, in milliseconds since 1970, by the server's clock.
    pub created_ms: i64,
    /// Custom metadata.
    pub metadata: Metadata,
}

/// What became of a write that carried a generation.
#[derive(Clone, Debug, PartialEq)]
pub enum Conditional {
    /// It is stored.
    Stored(Stored),
    /// Another generation was there (412). After a lost answer this may be our own write: compare.
    Conflict,
}

/// What became of a copy that carried generations.
#[derive(Clone, Debug, PartialEq)]
pub enum Copied {
    /// It is there.
    Stored(Stored),
    /// Another generation was there (412). After a lost answer this may be our own copy: compare.
    Conflict,
    /// There is no source (404).
    NoSource,
}

/// An object operation failed, after its retries.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} gs://{bucket}/{object}: {reason}")]
pub struct ObjectError {
    doing: &'static str,
    bucket: String,
    object: String,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("{}", explain(&**.0))]
    Service(Box<Error>),
    #[error("it is larger than {LARGEST_RECORD} bytes")]
    TooLarge,
    #[error("it is not what was expected there: {0}")]
    Format(#[from] serde_json::Error),
}

impl ObjectError {
    /// What the service answered, if that is what went wrong.
    #[must_use]
    pub fn service(&self) -> Option<&Error> {
        match &self.reason {
            Reason::Service(error) => Some(error),
            Reason::TooLarge | Reason::Format(_) => None,
        }
    }

    /// Whether the service said that the bucket or object is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(&self.reason, Reason::Service(error) if has_status(error, 404, Code::NotFound))
    }

    /// Whether the service refused permission.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(&self.reason, Reason::Service(error) if has_status(error, 403, Code::PermissionDenied))
    }
}

impl Bucket {
    /// The bucket of that cloud name.
    #[must_use]
    pub fn new((data, control): (Storage, StorageControl), name: &str) -> Self {
        Self { data, control, name: name.to_owned() }
    }

    /// The bucket's cloud name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same service, another bucket.
    #[must_use]
    pub fn sibling(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// Creates an object, once: a [`Conditional::Conflict`] says that there is one already.
    pub async fn create(
        &self,
        object: &str,
        body: Bytes,
        metadata: Metadata,
    ) -> Result<Conditional, ObjectError> {
        self.replace(object, body, metadata, 0).await
    }

    /// Creates a JSON object, once.
    pub async fn create_json<T: Serialize>(
        &self,
        object: &str,
        value: &T,
        metadata: Metadata,
    ) -> Result<Conditional, ObjectError> {
        let body = serde_json::to_vec(value).map_err(|e| self.failed("write", object, e.into()))?;
        self.create(object, body.into(), metadata).await
    }

    /// Writes an object if its generation still is `generation`; 0 stands for "there is none".
    /// The body is a [`Bytes`], a [`tokio::fs::File`](https://docs.rs/tokio), or another source that can seek.
    pub async fn replace<T, P>(
        &self,
        object: &str,
        body: T,
        metadata: Metadata,
        generation: i64,
    ) -> Result<Conditional, ObjectError>
    where
        T: Into<Payload<P>>,
        P: StreamingSource + Seek + Send + Sync + 'static,
        <P as StreamingSource>::Error: std::error::Error + Send + Sync + 'static,
        <P as Seek>::Error: std::error::Error + Send + Sync + 'static,
    {
        let write = self.data.write_object(self.path(), object, body);
        let write = write.set_metadata(metadata).set_content_type(content_type(object));
        // Boxed, here and below: the client's futures are tens of kilobytes.
        match Box::pin(write.set_if_generation_match(generation).send_unbuffered()).await {
            Ok(stored) => Ok(Conditional::Stored(stored.into())),
            Err(error) if has_status(&error, 412, Code::FailedPrecondition) => Ok(Conditional::Conflict),
            Err(error) => Err(self.service("write", object, error)),
        }
    }

    /// Copies a generation of an object of this bucket to `object` in `to`, with metadata of its own,
    /// if the generation there still is `generation`; 0 stands for "there is none". The service
    /// copies by itself, in as many rounds as it likes.
    pub async fn copy(
        &self,
        source: (&str, i64),
        to: &Self,
        object: &str,
        metadata: Metadata,
        generation: i64,
    ) -> Result<Copied, ObjectError> {
        let destination = Object::new().set_metadata(metadata).set_content_type(content_type(object));
        let mut rewrite = self
            .control
            .rewrite_object()
            .set_source_bucket(self.path())
            .set_source_object(source.0)
            .set_if_source_generation_match(source.1)
            .set_destination_bucket(to.path())
            .set_destination_name(object)
            .set_destination(destination)
            .set_if_generation_match(generation);
        loop {
            let answer = match Box::pin(rewrite.clone().send()).await {
                Ok(answer) => answer,
                Err(error) if has_status(&error, 412, Code::FailedPrecondition) => {
                    return Ok(Copied::Conflict);
                }
                // It may be the destination's bucket that is missing.
                Err(error)
                    if has_status(&error, 404, Code::NotFound) && self.stat(source.0).await?.is_none() =>
                {
                    return Ok(Copied::NoSource);
                }
                Err(error) => return Err(to.service("copy to", object, error)),
            };
            match answer.resource {
                Some(stored) if answer.done => return Ok(Copied::Stored(stored.into())),
                // What is there now tells.
                None if answer.done => return Ok(Copied::Conflict),
                _ => rewrite = rewrite.set_rewrite_token(answer.rewrite_token),
            }
        }
    }

    /// Writes a JSON object over whatever is there. Only for what one writer owns.
    pub async fn overwrite_json<T: Serialize>(&self, object: &str, value: &T) -> Result<(), ObjectError> {
        let body = serde_json::to_vec(value).map_err(|e| self.failed("write", object, e.into()))?;
        let write = self.data.write_object(self.path(), object, Bytes::from(body)).with_idempotency(true);
        Box::pin(write.send_unbuffered()).await.map_err(|e| self.service("write", object, e))?;
        Ok(())
    }

    /// What the service says of an object, or none if there is no such object.
    pub async fn stat(&self, object: &str) -> Result<Option<Stored>, ObjectError> {
        let get = self.control.get_object().set_bucket(self.path()).set_object(object);
        match get.send().await {
            Ok(stored) => Ok(Some(stored.into())),
            Err(error) if has_status(&error, 404, Code::NotFound) => Ok(None),
            Err(error) => Err(self.service("look up", object, error)),
        }
    }

    /// Reads a whole object with its generation, or none if there is no such object.
    pub async fn read(&self, object: &str) -> Result<Option<(Bytes, i64)>, ObjectError> {
        let mut answer = match Box::pin(self.data.read_object(self.path(), object).send()).await {
            Ok(answer) => answer,
            Err(error) if has_status(&error, 404, Code::NotFound) => return Ok(None),
            Err(error) => return Err(self.service("read", object, error)),
        };
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.next().await {
            let chunk = chunk.map_err(|e| self.service("read", object, e))?;
            if body.len() + chunk.len() > LARGEST_RECORD {
                return Err(self.failed("read", object, Reason::TooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some((body.freeze(), answer.object().generation)))
    }

    /// Reads a JSON object with its generation, or none if there is no such object.
    pub async fn read_json<T: DeserializeOwned>(
        &self,
        object: &str,
    ) -> Result<Option<(T, i64)>, ObjectError> {
        let Some((body, generation)) = self.read(object).await? else { return Ok(None) };
        let value = serde_json::from_slice(&body).map_err(|e| self.failed("read", object, e.into()))?;
        Ok(Some((value, generation)))
    }

    /// Reads an object as a stream: for data, which may be larger than memory.
    pub async fn open(
        &self,
        object: &str,
    ) -> Result<Option<google_cloud_storage::read_object::ReadObjectResponse>, ObjectError> {
        match Box::pin(self.data.read_object(self.path(), object).send()).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if has_status(&error, 404, Code::NotFound) => Ok(None),
            Err(error) => Err(self.service("read", object, error)),
        }
    }

    /// Every object whose name begins with `prefix`, in the order of names.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Stored>, ObjectError> {
        let mut items = self.control.list_objects().set_parent(self.path()).set_prefix(prefix).by_item();
        let mut found = Vec::new();
        while let Some(object) = items.next().await {
            found.push(object.map_err(|e| self.service("list", prefix, e))?.into());
        }
        Ok(found)
    }

    /// Every object whose name begins with `prefix`, in the order of names, one after the other: for
    /// listings that need not be held in memory.
    pub async fn each(&self, prefix: &str, mut see: impl FnMut(Listed)) -> Result<(), ObjectError> {
        let mut items = self.control.list_objects().set_parent(self.path()).set_prefix(prefix).by_item();
        while let Some(object) = items.next().await {
            see(object.map_err(|e| self.service("list", prefix, e))?.into());
        }
        Ok(())
    }

    /// Every object whose name begins with one of the prefixes, in no order: of so many listings at the
    /// same time, each is held in memory until it is whole.
    pub async fn each_of(
        &self,
        prefixes: impl IntoIterator<Item = String>,
        mut see: impl FnMut(Stored),
    ) -> Result<(), ObjectError> {
        let listings = prefixes.into_iter().map(|prefix| async move { self.list(&prefix).await });
        let mut listings = futures::stream::iter(listings).buffer_unordered(LISTINGS);
        while let Some(found) = listings.try_next().await? {
            found.into_iter().for_each(&mut see);
        }
        Ok(())
    }

    /// The folders right below `prefix`, each with its last `/`.
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, ObjectError> {
        let list =
            || self.control.list_objects().set_parent(self.path()).set_prefix(prefix).set_delimiter("/");
        let mut found = Vec::new();
        let mut page = String::new();
        loop {
            let answer =
                list().set_page_token(page).send().await.map_err(|e| self.service("list", prefix, e))?;
            found.extend(answer.prefixes);
            if answer.next_page_token.is_empty() {
                return Ok(found);
            }
            page = answer.next_page_token;
        }
    }

    /// Deletes an object; one that is not there is deleted already.
    pub async fn delete(&self, object: &str) -> Result<(), ObjectError> {
        let delete = self.control.delete_object().set_bucket(self.path()).set_object(object);
        match delete.send().await {
            Err(error) if !has_status(&error, 404, Code::NotFound) => {
                Err(self.service("delete", object, error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self) -> String {
        format!("projects/_/buckets/{}", self.name)
    }

    fn service(&self, doing: &'static str, object: &str, error: Error) -> ObjectError {
        self.failed(doing, object, Reason::Service(Box::new(error)))
    }

    fn failed(&self, doing: &'static str, object: &str, reason: Reason) -> ObjectError {
        ObjectError { doing, bucket: self.name.clone(), object: object.to_owned(), reason }
    }
}

impl From<Object> for Stored {
    fn from(object: Object) -> Self {
        let crc32c = object.checksums.and_then(|sums| sums.crc32c).unwrap_or_default();
        Self {
            name: object.name,
            generation: object.generation,
            size: u64::try_from(object.size).unwrap_or_default(),
            crc32c: format!("{crc32c:08x}"),
            metadata: object.metadata.into_iter().collect(),
            created: object.create_time.map(|time| time.seconds()).unwrap_or_default(),
        }
    }
}

impl From<Object> for Listed {
    fn from(object: Object) -> Self {
        let created = object.create_time.unwrap_or_default();
        Self {
            name: object.name,
            created_ms: created.seconds() * 1000 + i64::from(created.nanos()) / 1_000_000,
            metadata: object.metadata.into_iter().collect(),
        }
    }
}

/// Uploads and downloads speak HTTP, everything else gRPC.
fn has_status(error: &Error, http: u16, code: Code) -> bool {
    error.http_status_code() == Some(http) || error.status().is_some_and(|status| status.code == code)
}
