//! Faults, the log of calls and the clock, for whoever owns the local cloud's folder: as
//! [`crate::daemon::Daemon`] asks for them over the admin port.

use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Calls, Entry, Fault, Passed, Point, SetFault};
use crate::clock::Clock;
use crate::error::ApiError;
use crate::rest::{Answer, Body};

pub(crate) const FAULTS: &str = "/-/faults";
pub(crate) const CLEAR: &str = "/-/faults:clear";
pub(crate) const RELEASE: &str = "/-/faults:release";
pub(crate) const MARK: &str = "/-/calls:mark";
pub(crate) const READ: &str = "/-/calls:read";
pub(crate) const COVERAGE: &str = "/-/calls:coverage";
pub(crate) const AWAIT: &str = "/-/calls:await";
pub(crate) const CLOCK: &str = "/-/clock";

/// Longest that one request waits for calls; whoever wants to wait longer asks again.
const WAIT: Duration = Duration::from_secs(10);

/// Faults by id; without one, all.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Which {
    pub(crate) id: Option<u64>,
}

/// Calls since a mark; with `wait`, as soon as there is one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Since {
    pub(crate) mark: u64,
    #[serde(default)]
    pub(crate) wait: bool,
}

/// What is waited for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Awaited {
    Reached { point: Point, mark: u64 },
    Struck { fault: u64, mark: u64 },
}

/// What the clock is to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Steer {
    /// By so many milliseconds.
    Advance(u64),
    Freeze,
    Thaw,
}

#[derive(Clone)]
struct Held {
    calls: Calls,
    clock: Clock,
}

impl Calls {
    /// The routes, which need the token that the caller of this puts before them.
    pub(crate) fn admin(&self, clock: &Clock) -> Router {
        Router::new()
            .route(FAULTS, get(faults).post(add))
            .route(CLEAR, post(clear))
            .route(RELEASE, post(release))
            .route(MARK, get(mark))
            .route(READ, post(read))
            .route(COVERAGE, post(coverage))
            .route(AWAIT, post(until))
            .route(CLOCK, post(steer))
            .with_state(Held { calls: self.clone(), clock: clock.clone() })
    }
}

async fn faults(State(held): State<Held>) -> Json<Vec<SetFault>> {
    Json(held.calls.faults())
}

async fn add(State(held): State<Held>, Body(fault): Body<Fault>) -> Answer<u64> {
    match fault.is_in_vain() {
        Some(why) => Err(ApiError::invalid_argument(why)),
        None => Ok(Json(held.calls.fault(fault))),
    }
}

async fn clear(State(held): State<Held>, Body(which): Body<Which>) -> Json<usize> {
    Json(held.calls.clear(which.id))
}

async fn release(State(held): State<Held>, Body(which): Body<Which>) -> Answer<bool> {
    let id = which.id.ok_or_else(|| ApiError::invalid_argument("which fault is to be released?"))?;
    Ok(Json(held.calls.release(id)))
}

async fn mark(State(held): State<Held>) -> Json<u64> {
    Json(held.calls.mark())
}

async fn read(State(held): State<Held>, Body(since): Body<Since>) -> Json<Vec<Entry>> {
    if since.wait {
        let anywhere = Point::default();
        // Nothing in time is an empty answer.
        let _ = tokio::time::timeout(WAIT, held.calls.reached(&anywhere, since.mark)).await;
    }
    Json(held.calls.since(since.mark))
}

async fn coverage(State(held): State<Held>, Body(since): Body<Since>) -> Answer<Vec<Passed>> {
    let passed = held.calls.coverage(since.mark);
    passed.map(Json).map_err(|forgotten| ApiError::out_of_range(forgotten.to_string()))
}

async fn until(State(held): State<Held>, Body(awaited): Body<Awaited>) -> Json<Option<Entry>> {
    let entry = async {
        match &awaited {
            Awaited::Reached { point, mark } => held.calls.reached(point, *mark).await,
            Awaited::Struck { fault, mark } => held.calls.struck(*fault, *mark).await,
        }
    };
    Json(tokio::time::timeout(WAIT, entry).await.ok())
}

async fn steer(State(held): State<Held>, Body(steer): Body<Steer>) -> Answer<Timestamp> {
    match steer {
        Steer::Advance(milliseconds) => held.clock.advance(Duration::from_millis(milliseconds))?,
        Steer::Freeze => held.clock.freeze()?,
        Steer::Thaw => held.clock.thaw()?,
    }
    Ok(Json(held.clock.now()))
}
