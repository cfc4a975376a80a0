//! Works a run's items off, in the order of the modules below: a message is pulled, its run looked
//! up, an attempt recorded, the handler's output stored, a receipt written, the message acked.

// The program, and a worker's life.
pub mod program;
mod check;
mod install;
pub mod settings;
pub mod secrets;
mod worker;

// One item, from the queue to its receipt.
pub mod pull;
mod message;
pub mod runs;
pub mod item;
pub mod protocol;
pub mod handler;
pub mod handlers;
pub mod etl;
pub mod command;
pub mod output;

// When no message comes: who stays, and what is published again.
mod idle;
mod open_items;
mod guardian;

// When it is asked to leave.
mod signals;
pub mod farewell;
mod timings;

// What others see of it.
pub mod board;
pub mod metrics;
pub mod log;
pub mod redact;

mod patience;

use std::process::ExitCode;
use std::sync::Arc;

pub use contract;
use serde_json::{Map, Value};

/// The `main` of a worker with a handler of one's own, beside those that are built in.
///
/// `make` gets the `config` of the job's `[job.NAME.library]` and is called once for each run; an
/// error ends the run as wrongly configured. The built program understands all that `worker`
/// does (`run`, `check`, `install`).
///
/// ```no_run
/// use std::process::ExitCode;
/// use std::sync::Arc;
///
/// use worker::contract::Item;
/// use worker::handler::{
///     Artifact, Body, BoxFuture, Destination, Handler, HandlerError, ObjectAddress, Product, Work,
/// };
///
/// /// Stores each item's key in upper case.
/// struct Shout {
///     bucket: String,
/// }
///
/// impl Shout {
///     fn address(&self, item: &Item) -> ObjectAddress {
///         ObjectAddress { bucket: self.bucket.clone(), object: format!("loud/{}.txt", item.object_name()) }
///     }
/// }
///
/// impl Handler for Shout {
///     fn destination(&self, item: &Item) -> Result<Destination, HandlerError> {
///         Ok(Destination::One(self.address(item)))
///     }
///
///     fn process<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Result<Product, HandlerError>> {
///         Box::pin(async move {
///             let body = Body::Memory(work.item.0.to_uppercase().into());
///             Ok(Product::of(vec![Artifact { address: self.address(work.item), body }]))
///         })
///     }
/// }
///
/// fn main() -> ExitCode {
///     worker::serve(|config| {
///         let bucket = config.get("bucket").and_then(|bucket| bucket.as_str());
///         let bucket = bucket.ok_or_else(|| anyhow::anyhow!("no `bucket`"))?.to_owned();
///         Ok(Arc::new(Shout { bucket }))
///     })
/// }
/// ```
pub fn serve(
    make: impl Fn(&Map<String, Value>) -> anyhow::Result<Arc<dyn handler::Handler>> + Send + Sync + 'static,
) -> ExitCode {
    program::run(Some(Arc::new(make)))
}

/// Stack of every thread that may plan a query, in bytes. Reserved, not used, until a query is deep.
pub const STACK: usize = 256 << 20;
