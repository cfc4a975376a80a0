//! The owner's orders over HTTP; whoever serves this asks for the token.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::{Container, Order, Orders};
use crate::error::ApiError;
use crate::rest::{Answer, Body};

/// GET shows the orders that last, POST gives one.
pub(crate) const ORDERS: &str = "/-/gke/orders";

impl Container {
    pub(crate) fn admin(self: &Arc<Self>) -> Router {
        Router::new().route(ORDERS, get(orders).post(order)).with_state(self.clone())
    }
}

async fn orders(State(container): State<Arc<Container>>) -> Json<Orders> {
    Json(container.orders())
}

async fn order(State(container): State<Arc<Container>>, Body(order): Body<Order>) -> Answer<Orders> {
    let orders = container.obey(&order);
    orders.map(Json).map_err(|error| ApiError::failed_precondition(format!("{error:#}")))
}
