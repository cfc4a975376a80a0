//! What the folder's owner may ask of Cloud Storage over HTTP; whoever serves this asks for the token.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};

use super::Storage;
use crate::rest::Body;

/// POST says whether changes of buckets are limited.
pub(crate) const LIMITS: &str = "/-/storage/limits";

impl Storage {
    pub(crate) fn admin(self: &Arc<Self>) -> Router {
        Router::new().route(LIMITS, post(limit)).with_state(self.clone())
    }
}

async fn limit(State(storage): State<Arc<Storage>>, Body(on): Body<bool>) -> Json<bool> {
    storage.limit_bucket_changes(on);
    Json(on)
}
