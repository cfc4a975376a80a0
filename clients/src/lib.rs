//! The official clients as both programs use them: one place for endpoints, credentials, timeouts
//! and retries, and the few object operations that the run protocol is made of.

mod bucket;
mod content_type;
mod explain;
mod subscription;
mod target;

pub use bucket::{Bucket, Conditional, Copied, Listed, Metadata, ObjectError, Stored};
pub use explain::{explain, in_words};
pub use subscription::{Pull, PullError, Received, Subscription};
pub use target::{Target, TargetError};
