//! Names of deliveries, as they travel to clients and back.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::pubsub::message::MessageId;

/// Names one delivery of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::pubsub) struct AckId {
    pub(super) message: MessageId,
    pub(super) attempt: u32,
}

impl fmt::Display for AckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.message, self.attempt)
    }
}

impl FromStr for AckId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (message, attempt) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self { message: MessageId(message.parse()?), attempt: attempt.parse()? })
    }
}
