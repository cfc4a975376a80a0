//! What is done with an item. The engine in [`crate::etl`] is one handler, a program of the user's
//! in [`crate::command`] another. Handlers know nothing of queues, attempts and receipts.

use bytes::Bytes;
use clients::Bucket;
use contract::{Input, Item, RunId, Stage};
pub use futures::future::BoxFuture;

use crate::output::OutputTail;

/// A way to turn an item into stored objects.
pub trait Handler: Send + Sync {
    /// What the outputs will be, as far as the item's key tells.
    fn destination(&self, item: &Item) -> Result<Destination, HandlerError>;

    /// Makes the outputs. Dropping the future must stop the work.
    fn process<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Result<Product, HandlerError>>;
}

/// One item, and what a handler needs to work on it.
pub struct Work<'a> {
    /// The run that the item belongs to.
    pub run: &'a RunId,
    /// The item.
    pub item: &'a Item,
    /// What the item list says of it beside its key.
    pub payload: Option<&'a serde_json::Value>,
    /// Number of this try, counted from 1.
    pub attempt: u32,
    /// Any bucket of the same service; siblings of it are the others.
    pub storage: &'a Bucket,
    /// Told how far the work is.
    pub stage: &'a (dyn Fn(Stage) + Send + Sync),
    /// Where what the work prints goes: kept beside the attempt's record when it fails or is cut short.
    pub output: &'a OutputTail,
}

/// What the outputs of an item will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Exactly one, with this name.
    One(ObjectAddress),
    /// Any number, with names that only the work tells.
    Several,
}

/// `gs://bucket/object`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectAddress {
    /// The bucket's cloud name.
    pub bucket: String,
    /// The object's name.
    pub object: String,
}

impl ObjectAddress {
    /// Reads what [`Display`](std::fmt::Display) writes.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let (bucket, object) = uri.strip_prefix("gs://")?.split_once('/')?;
        Some(Self { bucket: bucket.to_owned(), object: object.to_owned() })
    }
}

impl std::fmt::Display for ObjectAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "gs://{}/{}", self.bucket, self.object)
    }
}

/// What a handler made, not stored yet.
#[derive(Debug)]
pub struct Product {
    /// The outputs, each with a name of its own.
    pub outputs: Vec<Artifact>,
    /// What they were made from.
    pub inputs: Vec<Input>,
    /// Rows read.
    pub rows_in: Option<u64>,
    /// Rows left out because they did not fit.
    pub rows_rejected: Option<u64>,
    /// Rows in the outputs.
    pub rows_out: Option<u64>,
}

impl Product {
    /// Outputs of which nothing else is known.
    #[must_use]
    pub fn of(outputs: Vec<Artifact>) -> Self {
        Self { outputs, inputs: Vec::new(), rows_in: None, rows_rejected: None, rows_out: None }
    }
}

/// One output, not stored yet.
#[derive(Debug)]
pub struct Artifact {
    /// Where it belongs.
    pub address: ObjectAddress,
    /// What it is.
    pub body: Body,
}

/// The bytes of an output; they can be sent more than once.
#[derive(Debug)]
pub enum Body {
    /// Small enough for memory.
    Memory(Bytes),
    /// In a file that no folder names.
    File(std::fs::File),
}

/// Why a handler failed.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// It may succeed another time.
    #[error("{0:#}")]
    Retry(anyhow::Error),
    /// It never will: the item, its input or the configuration must change first.
    #[error("{0:#}")]
    Permanent(anyhow::Error),
}

/// Errors that cannot be judged are worth another try.
impl From<anyhow::Error> for HandlerError {
    fn from(error: anyhow::Error) -> Self {
        Self::Retry(error)
    }
}

/// Builds a permanent error from a message.
macro_rules! permanent {
    ($($message:tt)*) => { $crate::handler::HandlerError::Permanent(anyhow::anyhow!($($message)*)) };
}
pub(crate) use permanent;
