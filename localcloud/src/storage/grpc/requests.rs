//! What requests of gRPC have in common: conditions, names, masks.

use super::convert::{bucket_id, generation};
use crate::storage::error::{Result, StorageError};
use crate::storage::objects::Source;
use crate::storage::precondition::Precondition;

/// The settings of an object that a mask of `*` names.
pub(super) const OBJECT_SETTINGS: &[&str] = &[
    "contentType",
    "contentEncoding",
    "contentDisposition",
    "contentLanguage",
    "cacheControl",
    "metadata",
    "customTime",
    "temporaryHold",
    "eventBasedHold",
];

/// The four conditions that requests carry under the same names.
macro_rules! condition {
    ($request:expr) => {
        $crate::storage::precondition::Precondition {
            generation: $request.if_generation_match,
            generation_not: $request.if_generation_not_match,
            metageneration: $request.if_metageneration_match,
            metageneration_not: $request.if_metageneration_not_match,
        }
    };
}

/// The two of them that requests about buckets carry.
macro_rules! bucket_condition {
    ($request:expr) => {
        $crate::storage::precondition::Precondition {
            metageneration: $request.if_metageneration_match,
            metageneration_not: $request.if_metageneration_not_match,
            ..$crate::storage::precondition::Precondition::default()
        }
    };
}

/// The four of the object that a request takes from.
macro_rules! source_condition {
    ($request:expr) => {
        $crate::storage::precondition::Precondition {
            generation: $request.if_source_generation_match,
            generation_not: $request.if_source_generation_not_match,
            metageneration: $request.if_source_metageneration_match,
            metageneration_not: $request.if_source_metageneration_not_match,
        }
    };
}

pub(super) use {bucket_condition, condition, source_condition};

pub(super) fn source(bucket: &str, name: String, number: i64, condition: Precondition) -> Result<Source> {
    Ok(Source { bucket: bucket_id(bucket)?.to_owned(), name, generation: generation(number), condition })
}

pub(super) fn project_id(name: &str) -> Result<&str> {
    match name.strip_prefix("projects/") {
        Some(project) if !project.is_empty() && project != "_" => Ok(project),
        _ => Err(StorageError::invalid(format!("Invalid project: '{name}'; it must be `projects/PROJECT`."))),
    }
}

/// A prefix may be given with or without `projects/_/buckets/`.
pub(super) fn bucket_prefix(prefix: &str) -> &str {
    bucket_id(prefix).unwrap_or(prefix)
}

/// Refuses to ignore a path that names nothing that can be changed.
pub(super) fn check_paths(paths: &[Vec<String>], known: &[&str]) -> Result<()> {
    let unknown = |path: &&Vec<String>| path.first().is_none_or(|first| !known.contains(&first.as_str()));
    match paths.iter().find(unknown) {
        Some(path) => {
            Err(StorageError::invalid(format!("The field `{}` cannot be updated.", path.join("."))))
        }
        None => Ok(()),
    }
}
