//! The local cloud beside the real thing: one list of cases for each service, run against both.

#![allow(clippy::expect_used, reason = "a test that can't go on should say where")]
#![allow(clippy::large_futures, reason = "the clients' requests are large")]
#![allow(clippy::print_stderr, reason = "what is skipped is said aloud")]

mod kubernetes;
mod pubsub;
