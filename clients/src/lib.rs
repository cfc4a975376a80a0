//! The official clients as both programs use them: one place for endpoints, credentials, timeouts
//! and retries, and the few object operations that the run protocol is made of.

mod bucket;
mod content_type;
mod explain;
mod target;

pub use bucket::{Bucket, Conditional, Copied, Listed, Metadata, ObjectError, Stored};
pub use explain::explain;
pub use target::{Target, TargetError};
