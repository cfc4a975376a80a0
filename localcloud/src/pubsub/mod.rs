//! Pub/Sub: one domain behind two wires.
//!
//! Settings and rules: [`topic`], [`subscription`], [`filter`], [`message`], [`names`], [`page`],
//! [`span`].
//! What is queued and leased: [`backlog`]. The service: [`state`] holds everything and writes it
//! down, [`admin`] changes topics and subscriptions, [`delivery`] moves messages. The wires:
//! [`rest`] and [`grpc`].

mod admin;
mod backlog;
mod delivery;
mod filter;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod grpc;
mod message;
mod names;
mod page;
mod proto;
mod puller;
mod rest;
mod span;
mod state;
mod subscription;
mod topic;

#[cfg(test)]
mod tests;

pub(crate) use state::Pubsub;
pub use state::SubscriptionStatus;
