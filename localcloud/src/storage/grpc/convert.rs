//! Between the domain and the wire: names, objects, policies, instants.

use jiff::Timestamp;
use prost_types::FieldMask;

use crate::storage::checksum::Expected;
use crate::storage::copies::Rewritten;
use crate::storage::error::{Result, StorageError};
use crate::storage::generations::Life;
use crate::storage::object::{Object, Settings};
use crate::storage::objects::NewObject;
use crate::storage::patch::json_path;
use crate::storage::proto;

const BUCKETS: &str = "projects/_/buckets/";

/// The bucket of `projects/_/buckets/NAME`.
pub(super) fn bucket_id(name: &str) -> Result<&str> {
    name.strip_prefix(BUCKETS).filter(|id| !id.is_empty()).ok_or_else(|| {
        StorageError::invalid(format!("Invalid bucket name: '{name}'; it must be `{BUCKETS}NAME`."))
    })
}

pub(super) fn bucket_name(id: &str) -> String {
    format!("{BUCKETS}{id}")
}

/// 0 stands for the live generation.
pub(super) fn generation(generation: i64) -> Option<i64> {
    Some(generation).filter(|generation| *generation != 0)
}

/// An object that is to be, from the message that describes it.
pub(super) fn new_object(object: &proto::Object) -> Result<NewObject> {
    Ok(NewObject {
        bucket: bucket_id(&object.bucket)?.to_owned(),
        name: object.name.clone(),
        settings: settings(object)?,
        storage_class: object.storage_class.clone(),
        ..NewObject::default()
    })
}

/// The checksums that a client expects of what it asks for.
pub(super) fn expected(checksums: Option<proto::ObjectChecksums>) -> Expected {
    let checksums = checksums.unwrap_or_default();
    let md5 = Some(checksums.md5_hash.to_vec()).filter(|md5| !md5.is_empty());
    Expected { crc32c: checksums.crc32c, md5 }
}

pub(super) fn settings(object: &proto::Object) -> Result<Settings> {
    Ok(Settings {
        content_type: object.content_type.clone(),
        content_encoding: object.content_encoding.clone(),
        content_disposition: object.content_disposition.clone(),
        content_language: object.content_language.clone(),
        cache_control: object.cache_control.clone(),
        metadata: object.metadata.clone().into_iter().collect(),
        custom_time: object.custom_time.map(instant_in).transpose()?,
        temporary_hold: object.temporary_hold,
        event_based_hold: object.event_based_hold.unwrap_or_default(),
    })
}

pub(super) fn object(object: Object) -> proto::Object {
    let etag = object.etag();
    let settings = object.settings;
    let (delete_time, soft_delete_time, hard_delete_time) = match object.life {
        Life::Live => (None, None, None),
        Life::Noncurrent { since } => (Some(since), None, None),
        Life::SoftDeleted { since, until, noncurrent } => (noncurrent, Some(since), Some(until)),
    };
    proto::Object {
        name: object.name,
        bucket: bucket_name(&object.bucket),
        etag,
        generation: object.generation,
        metageneration: object.metageneration,
        storage_class: object.storage_class,
        size: i64::try_from(object.size).unwrap_or(i64::MAX),
        content_encoding: settings.content_encoding,
        content_disposition: settings.content_disposition,
        cache_control: settings.cache_control,
        content_language: settings.content_language,
        content_type: settings.content_type,
        create_time: Some(instant(object.created)),
        finalize_time: Some(instant(object.created)),
        update_time: Some(instant(object.updated)),
        update_storage_class_time: Some(instant(object.classed)),
        delete_time: delete_time.map(instant),
        soft_delete_time: soft_delete_time.map(instant),
        hard_delete_time: hard_delete_time.map(instant),
        component_count: object.components.unwrap_or_default(),
        checksums: Some(proto::ObjectChecksums {
            crc32c: Some(object.checksums.crc32c),
            md5_hash: object.checksums.md5.map(|md5| md5.to_vec()).unwrap_or_default().into(),
        }),
        metadata: settings.metadata.into_iter().collect(),
        custom_time: settings.custom_time.map(instant),
        temporary_hold: settings.temporary_hold,
        event_based_hold: Some(settings.event_based_hold).filter(|held| *held),
        ..proto::Object::default()
    }
}

pub(super) fn rewritten(rewritten: Rewritten) -> proto::RewriteResponse {
    let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
    match rewritten {
        Rewritten::Done(done) => proto::RewriteResponse {
            total_bytes_rewritten: signed(done.size),
            object_size: signed(done.size),
            done: true,
            rewrite_token: String::new(),
            resource: Some(object(*done)),
        },
        Rewritten::Partly { bytes, size, token } => proto::RewriteResponse {
            total_bytes_rewritten: signed(bytes),
            object_size: signed(size),
            done: false,
            rewrite_token: token,
            resource: None,
        },
    }
}

/// The paths of a mask, as the settings' JSON has them. `*` stands for `all`.
pub(super) fn paths(mask: Option<FieldMask>, all: &[&str]) -> Result<Vec<Vec<String>>> {
    let paths = mask.unwrap_or_default().paths;
    match paths.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Err(StorageError::invalid("The update_mask must name at least one field.")),
        ["*"] => Ok(all.iter().map(|path| vec![(*path).to_owned()]).collect()),
        _ => Ok(paths.iter().map(|path| json_path(path)).collect()),
    }
}

pub(super) fn instant(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

fn instant_in(at: prost_types::Timestamp) -> Result<Timestamp> {
    Timestamp::new(at.seconds, at.nanos)
        .map_err(|error| StorageError::invalid(format!("Invalid custom_time: {error}.")))
}
