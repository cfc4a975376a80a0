//! The owner's orders over HTTP; whoever serves this asks for the token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Container, Order, Orders};
use crate::error::ApiError;
use crate::rest::{Answer, Body};

/// GET shows the orders that last, POST gives one.
pub(crate) const ORDERS: &str = "/-/gke/orders";
/// POST takes a node away.
pub(crate) const PREEMPT: &str = "/-/gke/preempt";

/// Which node, and how long its pods get.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Preempt {
    pub(crate) node: Option<String>,
    pub(crate) grace_milliseconds: Option<u64>,
}

impl Container {
    pub(crate) fn admin(self: &Arc<Self>) -> Router {
        Router::new()
            .route(ORDERS, get(orders).post(order))
            .route(PREEMPT, post(preempt))
            .with_state(self.clone())
    }
}

async fn orders(State(container): State<Arc<Container>>) -> Json<Orders> {
    Json(container.orders())
}

async fn order(State(container): State<Arc<Container>>, Body(order): Body<Order>) -> Answer<Orders> {
    let orders = container.obey(&order);
    orders.map(Json).map_err(|error| ApiError::failed_precondition(format!("{error:#}")))
}

async fn preempt(State(container): State<Arc<Container>>, Body(asked): Body<Preempt>) -> Answer<Vec<String>> {
    let grace = asked.grace_milliseconds.map(Duration::from_millis);
    let preempted = container.preempt(asked.node.as_deref(), grace).await;
    preempted.map(Json).map_err(|error| ApiError::failed_precondition(format!("{error:#}")))
}
