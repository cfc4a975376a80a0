//! What `provision` and `worker` agree on. Types and names only: nothing here talks to a cloud.
//!
//! A run is a folder of small JSON objects in the stack's bucket ([`layout`]), each created once:
//! [`RunRecord`] and its items first, then, as workers go, one [`Attempt`] per try, one
//! [`AttemptEnd`] when the try failed or was cut short, one [`Commit`] for an item that may have
//! several outputs, and one [`Receipt`] or [`Failure`] per item at last. Only [`WorkerProgress`] is ever rewritten.

pub mod environment;
pub mod exit;
pub mod layout;

mod attempt;
mod command;
mod commit;
mod config;
mod etl;
mod item;
mod message;
mod outcome;
mod progress;
mod run;

pub use attempt::{Attempt, AttemptEnd, EndReason};
pub use command::CommandConfig;
pub use commit::{Commit, Staged};
pub use config::{Handler, LibraryConfig, WorkerConfig};
pub use etl::{
    BadRows, Column, ColumnType, Compression, EtlConfig, Format, HeaderValue, HttpConfig, Literal, Named,
    Schema, SecretReference, TableConfig, seconds, size,
};
pub use item::{BrokenList, Item, ItemLine};
pub use message::Message;
pub use outcome::{Failure, FailureKind, Input, InputState, Output, Receipt, ReceiptKind};
pub use progress::{InFlight, Stage, WorkerProgress, WorkerState};
pub use run::{Cancelled, Closed, Fleet, Outcome, RunId, RunRecord};
