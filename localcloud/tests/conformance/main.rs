//! The local cloud beside the truth: one list of cases for each service, run against the real thing and against the
//! local one.

#![allow(clippy::expect_used, reason = "a test that can't go on should say where")]
#![allow(clippy::large_futures, reason = "the clients' requests are large")]

mod kubernetes;
