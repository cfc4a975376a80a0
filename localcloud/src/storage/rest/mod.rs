//! The JSON API: `/storage/v1`, and the same below `/upload`, `/resumable/upload`, `/download` and
//! `/batch`; and reads of the XML API.

mod batch;
mod buckets;
mod download;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod json;
mod multipart;
mod objects;
mod parameters;
mod upload;
mod xml;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::state::Storage;
pub(crate) use batch::with_batch;

impl Storage {
    /// The routes of this wire.
    pub(crate) fn rest(self: &Arc<Self>) -> Router {
        let uploads = post(upload::begin).put(upload::resume).delete(upload::cancel);
        Router::new()
            .route("/storage/v1/b", get(buckets::list).post(buckets::insert))
            .route(
                "/storage/v1/b/{bucket}",
                get(buckets::get).patch(buckets::patch).put(buckets::update).delete(buckets::delete),
            )
            .route("/storage/v1/b/{bucket}/iam", get(buckets::get_policy).put(buckets::set_policy))
            .route("/storage/v1/b/{bucket}/iam/testPermissions", get(buckets::test_permissions))
            .route("/storage/v1/b/{bucket}/storageLayout", get(buckets::layout))
            .route("/storage/v1/b/{bucket}/managedFolders", get(buckets::managed_folders))
            .route("/storage/v1/b/{bucket}/o", get(objects::list))
            .route(
                "/storage/v1/b/{bucket}/o/{object}",
                get(objects::get).patch(objects::patch).put(objects::update).delete(objects::delete),
            )
            .route("/storage/v1/b/{bucket}/o/{object}/compose", post(objects::compose))
            .route(
                "/storage/v1/b/{bucket}/o/{object}/copyTo/b/{to_bucket}/o/{to_object}",
                post(objects::copy),
            )
            .route(
                "/storage/v1/b/{bucket}/o/{object}/rewriteTo/b/{to_bucket}/o/{to_object}",
                post(objects::rewrite),
            )
            .route("/storage/v1/b/{bucket}/o/{object}/restore", post(objects::restore))
            .route("/storage/v1/b/{bucket}/o/{object}/moveTo/o/{to_object}", post(objects::rename))
            .route("/{bucket}/{*object}", get(xml::read))
            .route("/download/storage/v1/b/{bucket}/o/{object}", get(objects::get))
            .route("/upload/storage/v1/b/{bucket}/o", uploads.clone())
            // gcloud and gsutil begin resumable uploads here.
            .route("/resumable/upload/storage/v1/b/{bucket}/o", uploads)
            // Bodies stream; what is read whole has its own limit.
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone())
    }
}
