//! What stands in the query of a request, and what it is read from.

use axum::body::Body;
use axum::extract::{FromRequestParts, Query};
use http::HeaderMap;
use http::request::Parts;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::storage::error::{Result, StorageError};
use crate::storage::generations::Which;
use crate::storage::glob::Glob;
use crate::storage::listing::{self, PageOf};
use crate::storage::objects::Source;
use crate::storage::precondition::Precondition;

/// Largest JSON body.
const LARGEST_JSON: usize = 1 << 20;

/// Every parameter that some method knows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Parameters {
    pub(super) alt: String,
    pub(super) content_encoding: String,
    pub(super) delimiter: String,
    pub(super) end_offset: String,
    pub(super) generation: Option<i64>,
    pub(super) if_generation_match: Option<i64>,
    pub(super) if_generation_not_match: Option<i64>,
    pub(super) if_metageneration_match: Option<i64>,
    pub(super) if_metageneration_not_match: Option<i64>,
    pub(super) if_source_generation_match: Option<i64>,
    pub(super) if_source_generation_not_match: Option<i64>,
    pub(super) if_source_metageneration_match: Option<i64>,
    pub(super) if_source_metageneration_not_match: Option<i64>,
    #[serde(deserialize_with = "flag")]
    pub(super) include_trailing_delimiter: bool,
    pub(super) match_glob: String,
    pub(super) max_bytes_rewritten_per_call: u64,
    pub(super) max_results: i32,
    pub(super) name: String,
    pub(super) page_token: String,
    pub(super) prefix: String,
    pub(super) project: String,
    pub(super) rewrite_token: String,
    #[serde(deserialize_with = "flag")]
    pub(super) soft_deleted: bool,
    pub(super) source_generation: Option<i64>,
    pub(super) start_offset: String,
    pub(super) upload_type: String,
    #[serde(rename = "upload_id")]
    pub(super) upload_id: String,
    #[serde(deserialize_with = "flag")]
    pub(super) versions: bool,
    destination_kms_key_name: String,
    destination_predefined_acl: String,
    filter: String,
    kms_key_name: String,
    predefined_acl: String,
    predefined_default_object_acl: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = StorageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match Query::<Self>::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => parameters.check_supported(&parts.headers).map(|()| parameters),
            Err(rejection) => Err(StorageError::invalid(rejection.body_text())),
        }
    }
}

impl Parameters {
    /// Refuses what would be ignored silently.
    fn check_supported(&self, headers: &HeaderMap) -> Result<()> {
        for (what, given) in [
            ("`destinationKmsKeyName`", !self.destination_kms_key_name.is_empty()),
            ("`destinationPredefinedAcl`", !self.destination_predefined_acl.is_empty()),
            ("`filter`", !self.filter.is_empty()),
            ("`kmsKeyName`", !self.kms_key_name.is_empty()),
            ("`predefinedAcl`", !self.predefined_acl.is_empty()),
            ("`predefinedDefaultObjectAcl`", !self.predefined_default_object_acl.is_empty()),
            ("keys of customers", headers.contains_key("x-goog-encryption-key")),
            ("keys of customers", headers.contains_key("x-goog-copy-source-encryption-key")),
        ] {
            if given {
                return Err(StorageError::unsupported(what));
            }
        }
        Ok(())
    }

    pub(super) fn condition(&self) -> Precondition {
        Precondition {
            generation: self.if_generation_match,
            generation_not: self.if_generation_not_match,
            metageneration: self.if_metageneration_match,
            metageneration_not: self.if_metageneration_not_match,
        }
    }

    /// The object that a request names.
    pub(super) fn object(&self, bucket: String, name: String) -> Source {
        Source { bucket, name, generation: self.generation, condition: self.condition() }
    }

    /// The object that a copy reads.
    pub(super) fn source(&self, bucket: String, name: String) -> Source {
        let condition = Precondition {
            generation: self.if_source_generation_match,
            generation_not: self.if_source_generation_not_match,
            metageneration: self.if_source_metageneration_match,
            metageneration_not: self.if_source_metageneration_not_match,
        };
        Source { bucket, name, generation: self.source_generation, condition }
    }

    pub(super) fn page(&self) -> PageOf {
        PageOf { size: self.max_results, token: self.page_token.clone() }
    }

    pub(super) fn list(&self) -> Result<listing::Query> {
        let which = match (self.versions, self.soft_deleted) {
            (true, true) => {
                return Err(StorageError::invalid("versions and softDeleted cannot both be set to true."));
            }
            (true, false) => Which::Versions,
            (false, true) => Which::SoftDeleted,
            (false, false) => Which::Live,
        };
        let glob = Some(&self.match_glob).filter(|pattern| !pattern.is_empty());
        Ok(listing::Query {
            which,
            glob: glob.map(|pattern| Glob::parse(pattern)).transpose()?,
            prefix: self.prefix.clone(),
            delimiter: self.delimiter.clone(),
            start: self.start_offset.clone(),
            end: self.end_offset.clone(),
            trailing_delimiter: self.include_trailing_delimiter,
            page: self.page(),
        })
    }
}

/// Python's library writes `True`.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<bool, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.to_ascii_lowercase()
        .parse()
        .map_err(|_| D::Error::custom(format!("Invalid boolean value: '{text}'.")))
}

/// Reads a body as JSON; an empty one is an empty object.
pub(super) async fn read_json(body: Body) -> Result<Value> {
    let bytes = axum::body::to_bytes(body, LARGEST_JSON).await;
    let bytes = bytes.map_err(|error| StorageError::invalid(format!("The body cannot be read: {error}.")))?;
    if bytes.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(&bytes).map_err(|error| StorageError::invalid(format!("Parse Error: {error}.")))
}
