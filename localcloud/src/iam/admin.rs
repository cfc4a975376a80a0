//! What the folder's owner may ask of IAM over HTTP; whoever serves this asks for the token.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::{Iam, Propagation, Use};
use crate::rest::{Answer, Body};

/// POST sets how long changes take.
pub(crate) const PROPAGATION: &str = "/-/iam/propagation";
/// GET shows which permissions were used, and by which grant.
pub(crate) const USES: &str = "/-/iam/uses";

impl Iam {
    pub(crate) fn admin(self: &Arc<Self>) -> Router {
        Router::new().route(PROPAGATION, post(propagate)).route(USES, get(uses)).with_state(self.clone())
    }
}

async fn propagate(State(iam): State<Arc<Iam>>, Body(asked): Body<Propagation>) -> Answer<Propagation> {
    iam.set_propagation(asked)?;
    Ok(Json(iam.propagation()))
}

async fn uses(State(iam): State<Arc<Iam>>) -> Json<Vec<Use>> {
    Json(iam.uses())
}
